import copy

import pytest

from serendip.config import GoodnessOfFit, json_schema, load_config, make_config
from serendip.errors import ConfigError

GOOD = {
    "search": "goodness_of_fit",
    "data": {"path": "data.h5"},
    "features": ["x", "y"],
    "reference": {"path": "reference.h5"},
    "expected": 2000,
    "test": "nplm",
}


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
    assert make_config(with_changes(test=[{"name": "nplm"}], features={"x": "x", "y": "y"})) == make_config(GOOD)


def test_a_resolved_config_makes_the_same_config_again():
    tests = [{"name": "nplm", "widths": [0.1, 0.3], "penalty": 1e-6}, {"name": "mmd", "label": "kernel distance"}]
    nuisances = [{"name": "n", "kind": "normalisation", "sigma": 0.1}]
    for changes in ({"test": tests}, {"nuisances": nuisances}):
        config = make_config(with_changes(**changes))
        assert make_config(config.resolved()) == config
        assert GoodnessOfFit.model_validate_json(config.analysis()) == config


def test_settings_reach_the_test_with_its_own_types():
    made = make_config(with_changes(test={"name": "nplm", "widths": [1, 0.3], "penalty": "1e-6"})).test[0].make()
    assert made.widths == (1.0, 0.3)
    assert made.penalty == 1e-6


def test_a_number_with_an_exponent_alone_is_a_number(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "search: goodness_of_fit\ndata: {path: a}\nfeatures: [x]\nreference: {path: b}\n"
    )
    config = load_config(tmp_path / "config.yaml", ["expected=2e3", "test={name: nplm, penalty: 1e-6}"])
    assert config.expected == 2000
    assert config.test[0].penalty == 1e-6


@pytest.mark.parametrize(
    ("changes", "source", "counts"),
    [
        ({}, "independent", "poisson"),
        ({"expected": "data"}, "permutation", "fixed"),
        (
            {"expected": "data", "reference": {"simulate": {"kind": "exponential", "background": 9}}},
            "independent",
            "fixed",
        ),
        ({"null": {"source": "splits", "counts": "fixed"}}, "splits", "fixed"),
    ],
)
def test_toys_are_chosen_by_what_there_is(changes, source, counts):
    config = make_config(with_changes(**changes))
    assert (config.source, config.counts) == (source, counts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"search": "godness_of_fit"}, "search: .*Did you mean 'goodness_of_fit'"),
        ({"search": None}, "search: missing; expected one of: goodness_of_fit, recoil, resonance"),
        ({"expected": None}, "expected: missing. Give a number: .*; data: .*; weights: "),
        ({"expected": -5}, "expected: Got -5"),
        ({"expected": "some"}, "expected: Got 'some'"),
        ({"expected": "data", "null": {"counts": "poisson"}}, r"null\.counts: Got poisson, but expected fixed"),
        (
            {"null": {"source": "permutation"}},
            r"expected: Got 2000.0, but expected data with null\.source: permutation",
        ),
        ({"null": {"source": "guess"}}, r"null\.source: Got 'guess'"),
        ({"test": "npml"}, r"test\.0\.name: Got test 'npml', .*Did you mean 'nplm'"),
        ({"test": {"name": "nplm", "wdths": [1]}}, r"test\.0\.wdths: Got setting of nplm 'wdths', .*'widths'"),
        ({"test": {"name": "nplm", "widths": [-1]}}, r"test\.0: Got a width of -1, but expected one above 0"),
        ({"test": {"name": "nplm", "penalty": "small"}}, r"test\.0\.penalty: Got 'small'"),
        ({"test": ["nplm", "nplm"]}, "test: Got .*Add a label"),
        ({"test": []}, "test: "),
        ({"combination": "min"}, "combination: Got combination 'min', .*'min-p'"),
        ({"reference": {"path": "b", "split": 0.5}}, "reference: Got path and split, but expected one of"),
        ({"reference": {}}, "reference: Got none of them"),
        ({"data": {"simulate": {"kind": "exponential"}}}, r"data\.simulate\.background: missing"),
        ({"data": {"simulate": {"kind": "expo", "background": 9}}}, r"data\.simulate: Got .*'exponential'"),
        (
            {"data": {"simulate": {"kind": "exponential", "background": 9, "signals": ["tail_peek"]}}},
            r"data\.simulate\.signals\.0.*tail_peak",
        ),
        (
            {"data": {"simulate": (one := {"kind": "drift_tubes", "events": 9})}, "reference": {"simulate": one}},
            r"reference\.simulate: Got the data's own random numbers",
        ),
        (
            {
                "data": {"simulate": {"kind": "drift_tubes", "events": 9, "cathode": 0.5}},
                "reference": {"simulate": {"kind": "drift_tubes", "events": 900}},
            },
            r"reference\.simulate: Got the data's own random numbers",
        ),
        ({"null": {"batch": 0}}, r"null\.batch: Got 0"),
        ({"nuisances": [{"name": "n", "kind": "normalisation"}]}, r"nuisances\.0\.sigma: missing"),
        (
            {"nuisances": [{"name": "n", "kind": "scale", "sigma": 0.1, "feature": "z"}]},
            r"nuisances\.0\.feature: Got feature 'z'",
        ),
        (
            {"nuisances": [{"name": "n", "kind": "normalisation", "sigma": 0.1}], "test": "mmd"},
            r"test\.0\.name: Got mmd, but expected nplm",
        ),
        (
            {"nuisances": [{"name": "n", "kind": "normalisation", "sigma": 0.1}], "expected": "data"},
            r"null\.source: Got permutation, but expected independent",
        ),
        ({"windows": [[1, 2]]}, "windows: Got key 'windows'"),
        ({"features": {"x": "label"}, "data": {"path": "a", "truth": "label"}}, r"features\.x: Got 'label', the truth"),
    ],
)
def test_a_wrong_key_is_named_with_its_path_and_the_way_out(given, message):
    with pytest.raises(ConfigError, match=message):
        make_config(with_changes(**given))


def test_every_key_of_the_schema_says_what_it_means():
    parts = json_schema()["$defs"]
    assert {"Config", "GoodnessOfFit", "FitNull", "Monitor"} <= set(parts)
    mute = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, v in part["properties"].items()
        if "description" not in v
    ]
    assert mute == []
