import copy

import numpy as np
import pytest
import yaml

from serendip.config import Config, load_config, make_config
from serendip.errors import ConfigError

GOOD = {
    "search": "resonance",
    "data": {"path": "events.h5"},
    "features": {"a": "a", "ratio": "b / c"},
    "mass": {"name": "m", "range": [2600, 6500]},
    "windows": {"from": 2700, "to": 5300, "width": 400, "step": 200},
    "method": "cwola",
}


def with_changes(**changes):
    """The good config with some keys set; `a__b` means a.b."""
    given = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = given
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return given


def test_short_forms_mean_the_same_as_long_ones():
    long = make_config({**GOOD, "method": [{"name": "cwola"}], "features": {"a": "a"}})
    assert make_config({**GOOD, "features": ["a"]}) == long


def test_a_resolved_config_makes_the_same_config_again():
    config = make_config(GOOD)
    assert make_config(config.resolved()) == config


def test_workers_and_output_do_not_belong_to_the_analysis():
    config = make_config(GOOD)
    elsewhere = make_config({**GOOD, "engine": {"workers": 7}, "output": "there"})
    assert config.analysis() == elsewhere.analysis()
    assert config.analysis() != make_config({**GOOD, "seed": 2}).analysis()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (with_changes(windos=1), "windos: Got key 'windos', .* Did you mean 'windows'"),
        (with_changes(mass__rnge=[1, 2]), "mass.rnge: .*Did you mean 'range'"),
        (with_changes(method="cwolla"), "method.0.name: Got method 'cwolla', .* Did you mean 'cwola'"),
        (with_changes(method={"name": "cwola", "folds": 1}), "method.0.folds: Got 1"),
        (with_changes(method={"name": "cwola", "classifier": {"name": "tree"}}), "method.0.classifier.name: .*'trees'"),
        (with_changes(method={"name": "cwola", "classifier": {"membrs": 3}}), "classifier.membrs: .*'members'"),
        (with_changes(background__family="dijett"), "background.family: .*Did you mean 'dijet'"),
        (with_changes(background__order=9), "background.order: Got 9, but expected"),
        (with_changes(background__order="three"), "background.order: Got 'three'"),
        (with_changes(cuts=[0.01, 1.5]), "cuts.1: Got 1.5"),
        (with_changes(cuts=[0.01, 0.01]), "cuts: Got .*each once"),
        (with_changes(windows=[]), "windows: Got \\[\\]"),
        (with_changes(windows=[[3300, 3700], [3300, 3700]]), "windows: .*each once"),
        (with_changes(windows=[[3700, 3300]]), "Got window \\[3700.0, 3300.0\\]"),
        (with_changes(windows__to=7000), "expected it within mass.range"),
        (with_changes(windows__width="wide"), "windows.width: Got 'wide'"),
        (with_changes(mass__range=[6500, 2600]), "range: Got \\[6500.0, 2600.0\\]"),
        (with_changes(mass__bin_width=1000), "mass.bin_width: Got 1000"),
        (with_changes(features={"m": "m"}), "features: Got 'm', the mass itself"),
        (with_changes(features={"a": "a + label"}, data__truth="label"), "features.a: Got 'label', the truth"),
        (with_changes(features={"a": "a +"}), "features.a: "),
        (with_changes(features={}), "features: "),
        (with_changes(method="idealised"), "reference: Got none, but idealised needs a background sample"),
        (with_changes(method="supervised"), "data.truth: missing, but supervised needs"),
        (
            with_changes(method={"name": "idealised", "sidebands": 400}, reference={"path": "b.h5"}),
            "method.0.sidebands: Got 400, but idealised trains on no sidebands",
        ),
        (with_changes(null={"generator": "reference"}), "reference: Got none, but null.generator: reference"),
        (with_changes(data={}), "data: Got none of them"),
        (with_changes(data__inject={"signal": 5}), "data: Got inject without truth"),
        (with_changes(method=["cwola", "cwola"]), "method: Got .*Add a label"),
    ],
)
def test_a_wrong_key_is_named_with_its_path_and_the_way_out(given, message):
    with pytest.raises(ConfigError, match=message):
        make_config(given)


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_environment_variables_are_put_in(tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", "/data")
    text = yaml.safe_dump(with_changes(data__path="${HERE}/${NAME:-events}.h5"))
    assert load_config(write(tmp_path, text)).data.path == "/data/events.h5"


def test_a_variable_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    text = yaml.safe_dump(with_changes(data__path="${NOWHERE}/events.h5"))
    with pytest.raises(ConfigError, match="environment variable NOWHERE is not set"):
        load_config(write(tmp_path, text))


def test_a_variable_in_a_comment_is_left_alone(tmp_path):
    assert load_config(write(tmp_path, "# ${NOWHERE}\n" + yaml.safe_dump(GOOD) + "seed: 3 # ${NOWHERE}\n")).seed == 3


def test_the_bare_key_null_is_the_section_of_that_name(tmp_path):
    config = load_config(write(tmp_path, yaml.safe_dump(GOOD) + "null: {toys: 7}\n"), ["null.generator=mass_shuffle"])
    assert config.null.toys == 7


def test_overrides_reach_into_sections_and_lists(tmp_path):
    path = write(tmp_path, yaml.safe_dump(with_changes(method=[{"name": "cwola"}], cuts=[0.1, 0.2])))
    config = load_config(path, ["method.0.folds=3", "cuts.1=0.3", "data.where=a > 1", "method.0.classifier.members=2"])
    assert config.method[0].folds == 3
    assert config.cuts == [0.1, 0.3]
    assert config.data.where == "a > 1"
    assert config.method[0].classifier.settings == {"members": 2}


@pytest.mark.parametrize("override", ["seed", "cuts.9=0.1", "seed.deep=1"])
def test_an_override_that_fits_nothing_is_refused(tmp_path, override):
    with pytest.raises(ConfigError, match="--set"):
        load_config(write(tmp_path, yaml.safe_dump(with_changes(seed=1, cuts=[0.1]))), [override])


@pytest.mark.parametrize("text", ["- a list", "a: [1, 2", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config(write(tmp_path, text))


def test_every_window_of_the_scan_begins_and_ends_at_a_bin_edge():
    config = make_config(GOOD)
    assert len(config.scan_windows()) == 12
    for window in config.scan_windows():
        assert np.isclose(config.edges(), window.low).any()
        assert np.isclose(config.edges(), window.high).any()


def test_every_key_of_the_schema_says_what_it_means():
    schema = Config.model_json_schema(by_alias=True)
    sections = {"Config": schema, **schema["$defs"]}
    mute = [
        f"{name}.{key}"
        for name, part in sections.items()
        for key, v in part["properties"].items()
        if "description" not in v
    ]
    assert mute == []
