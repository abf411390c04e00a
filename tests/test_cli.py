"""The command line as a newcomer meets it: outputs, exit codes, messages."""

import json

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from serendip.cli import main
from serendip.config import json_schema

from .search.conftest import SMALL


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def write_config(folder, **changes):
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run by the command line: (exit code, output, run folder, config)."""
    folder = tmp_path_factory.mktemp("cli")
    config = write_config(folder)
    done = call("run", config, "-o", folder / "run")
    return done, folder / "run", config


def test_a_valid_search_exits_with_0_and_prints_its_result(run):
    done, folder, _ = run
    assert done.exit_code == 0
    assert "3300" in done.output
    assert "VALID" in done.output
    assert "report.html" in done.output
    assert (folder / "report.html").exists()


def test_a_search_that_fails_the_gate_exits_with_3(run, tmp_path):
    config = write_config(tmp_path, gate={"min_toys": 1000})
    done = call("run", config, "-o", tmp_path / "run", "--set", "null.toys=2")
    assert done.exit_code == 3
    assert "enough toys" in done.output


def test_status_counts_the_tasks(run):
    output = call("status", run[1]).output
    assert "toys" in output
    assert "12" in output
    assert "not running" in output


def test_report_and_merge_work_on_a_finished_run(run):
    (run[1] / "report.html").unlink()
    assert call("report", run[1]).exit_code == 0
    assert (run[1] / "report.html").exists()
    assert call("merge", run[1]).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "cwolla"}, "Did you mean 'cwola'"),
        ({"data": {"path": "nowhere.h5"}}, "nowhere.h5"),
        ({"mass": {"name": "mjj", "range": [90_000, 99_000]}, "windows": [[92_000, 94_000]]}, "no event of"),
        ({"features": {"a": "mj_lihgt"}}, "mj_light"),
        ({"features": {"a": "mjj * 2"}}, "features.a: Got a feature that the mass orders completely"),
        ({"features": {"a": "dmj - dmj"}}, "the value 0 for every event"),
        ({"windows": [[2600, 3000]]}, "lower sideband of window 2600–3000"),
    ],
)
def test_bad_input_exits_with_2_and_says_where(tmp_path, changes, message):
    done = call("run", write_config(tmp_path, **changes), "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_folder_of_another_analysis_is_refused_and_kept(run, tmp_path):
    before = (run[1] / "result.json").read_text()
    done = call("run", run[2], "-o", run[1], "--set", "seed=9")
    assert done.exit_code == 2
    assert "seed" in done.stderr
    assert (run[1] / "result.json").read_text() == before


def test_infinite_features_are_counted_and_can_be_dropped(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "events.h5"
    with h5py.File(path, "w") as file:
        file["m"] = rng.exponential(600, 6000) + 2600
        file["tau1"] = np.where(np.arange(6000) % 1000 == 7, 0.0, 1.0)
        file["tau2"] = rng.random(6000)
    changes = {
        "data": {"path": str(path)},
        "features": {"tau21": "tau2 / tau1"},
        "mass": {"name": "m", "range": [2600, 6000], "bin_width": 100},
        "windows": [[3300, 3700]],
        "null": {"toys": 1},
    }
    done = call("run", write_config(tmp_path, **changes), "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert "tau21" in done.stderr
    assert "6" in done.stderr
    assert "non_finite: drop" in done.stderr
    done = call("run", tmp_path / "search.yaml", "-o", tmp_path / "run", "--set", "data.non_finite=drop")
    assert done.exit_code == 3  # one toy is too few for the gate, not for the search


@pytest.mark.parametrize("shard", ["2/2", "1", "a/b"])
def test_a_wrong_shard_is_refused(run, shard):
    done = call("run", run[2], "--shard", shard)
    assert done.exit_code == 2
    assert "i/N" in done.stderr


def test_methods_lists_every_name_need_and_source():
    output = call("methods").output
    for word in ("cwola", "idealised", "supervised", "truth", "1708.02949"):
        assert word in output


def test_schema_is_the_json_schema_of_the_config():
    assert json.loads(call("schema").output) == json_schema()


def test_data_list_names_the_public_sets():
    assert "lhco_rnd" in call("data", "list").output


def test_an_unknown_set_suggests_the_nearest():
    done = call("data", "fetch", "lhco_rn")
    assert done.exit_code == 2
    assert "lhco_rnd" in done.stderr


def test_simulated_events_can_be_searched(tmp_path):
    path = tmp_path / "events.parquet"
    assert call("simulate", "dijet", "--background", 16000, "--signal", 110, "-o", path).exit_code == 0
    config = write_config(tmp_path, data={"path": str(path), "truth": "label"}, null={"toys": 1})
    assert call("run", config, "-o", tmp_path / "run").exit_code == 3
    assert json.loads((tmp_path / "run" / "result.json").read_text())["best"]["window"] == [3300, 3700]


def test_evaluate_compares_the_methods_of_the_config(tmp_path):
    changes = {
        "method": ["supervised", {"name": "idealised", "folds": 3}, {"name": "cwola", "folds": 3}],
        "data": {"simulate": {"background": 20_000, "signal": 400, "signal_mass": 3500, "seed": 3}},
        "reference": {"split": 0.4},
        "evaluate": {"bootstraps": 10},
    }
    done = call("evaluate", write_config(tmp_path, **changes), "-o", tmp_path / "run")
    assert done.exit_code == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert set(metrics["methods"]) == {"supervised", "idealised", "cwola"}
    assert all(one["auc"]["value"] > 0.75 for one in metrics["methods"].values())
    assert all(one["max_sic"]["at"]["n_background"] >= 25 for one in metrics["methods"].values())
    assert (tmp_path / "run" / "report.html").exists()
