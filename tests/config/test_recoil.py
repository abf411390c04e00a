import copy
from pathlib import Path

import pytest

from serendip.config import Recoil, json_schema, load_config, make_config
from serendip.errors import ConfigError

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = {"search": "recoil", "exposure": 5, "backgrounds": ["pp", "radon222"], "data": {"simulate": {}}}


def with_changes(**changes):
    """The good config with some keys set; `a__b` means a.b, and None takes a key away."""
    given = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = given
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return {key: value for key, value in given.items() if value is not None}


def test_short_forms_mean_the_same_as_long_ones():
    backgrounds = {"pp": {"scale": 1}, "radon222": {}}
    assert make_config(with_changes(backgrounds=backgrounds, detector="darwin")) == make_config(GOOD)


def test_a_resolved_config_makes_the_same_config_again():
    changes = {
        "classifier": {"members": 2},
        "vae": {"beta": 0.5},
        "data__simulate__signal": {"mass": 50, "cross_section": 1e-47},
    }
    config = make_config(with_changes(**changes))
    assert make_config(config.resolved()) == config
    assert Recoil.model_validate_json(config.analysis()) == config


def test_settings_reach_the_models():
    config = make_config(with_changes(classifier={"members": 2}, vae={"beta": 0.5}))
    assert config.classifier.given == {"members": 2}
    assert config.vae.given == {"beta": 0.5}


def test_the_true_detector_differs_from_the_simulated_one_where_data_say_so():
    config = make_config(with_changes(detector={"g1": 0.11}, data__simulate__detector={"electron_lifetime": 4000}))
    assert (config.true_detector.g1, config.true_detector.electron_lifetime) == (0.11, 4000)


def test_a_pool_is_made_of_every_mass_that_anything_asks_for():
    config = make_config(with_changes(anomaly={"masses": [50]}, sensitivity={"masses": [30, 50]}))
    assert config.masses == (30.0, 50.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exposure": None}, "^exposure: missing"),
        ({"exposure": 0}, "^exposure: Got 0"),
        ({"backgrounds": []}, "^backgrounds: Got"),
        ({"backgrounds": ["pp", "pp"]}, "^backgrounds: Got 'pp' twice"),
        ({"backgrounds": ["ppp"]}, r"^backgrounds\.ppp: Got background 'ppp', .*Did you mean 'pp'"),
        ({"backgrounds": ["flat_er"]}, r"^backgrounds\.flat_er: Got background"),
        ({"backgrounds": {"pp": {"scal": 2}}}, r"^backgrounds\.pp\.scal: Got key 'scal', .*'scale'"),
        ({"detector": "darwn"}, "^detector: Got preset 'darwn', .*'darwin'"),
        ({"detector": {"g1": -1}}, r"^detector\.g1: Got -1, but expected a part above 0"),
        ({"detector": {"electron_lifetime": 0}}, r"^detector\.electron_lifetime: Got 0"),
        ({"detector": {"drift_field": -5}}, r"^detector\.drift_field: Got -5"),
        ({"data__simulate__detector": {"g1": 2}}, r"^data\.simulate\.detector\.g1: Got 2"),
        ({"data": {}}, "^data: Got none of them, but expected one of path, simulate"),
        ({"data": {"path": "a.h5", "simulate": {}}}, "^data: Got path and simulate"),
        ({"data__simulate__signal": {"mass": 1, "cross_section": 1e-47}}, r"^data\.simulate\.signal\.mass: Got 1"),
        (
            {"data__simulate__signal": {"mass": 50, "cross_section": 0}},
            r"^data\.simulate\.signal\.cross_section: Got 0",
        ),
        ({"selection": {"energy": [10, 2]}}, r"^selection\.energy: Got \[10.0, 2.0\], but expected \[low, high\]"),
        ({"selection": {"fiducial_mass": 60}}, "^selection: fiducial mass: Got 60 t"),
        ({"classifier": {"membrs": 2}}, r"^classifier\.membrs: Got setting 'membrs', .*'members'"),
        ({"vae": {"seed": 2}}, r"^vae\.seed: Got setting 'seed'"),
        ({"pool": {"signals": 1500}}, r"^pool\.signals: Got 1,500 .*expected 2,000"),
        ({"training": {"autoencoder_energy": [1, 8]}}, r"^training\.autoencoder_energy: Got \[1.0, 8.0\]"),
        ({"anomaly": {"ratio": -1}}, r"^anomaly\.ratio: Got -1"),
        ({"anomaly": {"keep": 0}}, r"^anomaly\.keep: Got 0"),
        ({"test": {"statistic": "exces"}}, r"^test\.statistic: Got statistic 'exces', .*'excess'"),
        ({"sensitivity": {"cross_sections": [1e-48, 1e-49]}}, r"^sensitivity\.cross_sections: .* rising"),
        ({"gate": {"control": [5, 20]}}, r"^gate\.control: Got \[5.0, 20.0\], but expected energies above 10 keV"),
        ({"features": ["x"]}, "^features: Got key 'features'"),
    ],
)
def test_bad_values_are_named_by_their_path(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_config(with_changes(**changes))


@pytest.mark.parametrize("name", ["xenon", "xenon_full"])
def test_examples_are_accepted(name):
    assert load_config(EXAMPLES / f"{name}.yaml").search == "recoil"


def test_the_json_schema_knows_the_search():
    assert {"Recoil", "RecoilGate", "Anomaly"} <= set(json_schema()["$defs"])
