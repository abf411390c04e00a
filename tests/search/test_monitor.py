"""A monitor judges every batch once, gives the alarm as often as configured, and goes on where it stopped."""

import copy
import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from scipy import stats

from serendip.cli import main
from serendip.config import make_config
from serendip.data import Events
from serendip.data.write import write_events
from serendip.errors import ConfigError, InputError, RunFolderError
from serendip.run.lock import is_held
from serendip.search.fitted import fitted, require_monitorable
from serendip.search.monitor import batch_line, monitor
from serendip.search.oddities import kolmogorov_distance
from serendip.search.verdicts import Judge
from serendip.simulate import simulate_drift_tubes

SMALL = {
    "search": "goodness_of_fit",
    "data": {"simulate": {"kind": "drift_tubes", "events": 650, "seed": 2}},
    "reference": {"simulate": {"kind": "drift_tubes", "events": 3000, "seed": 1}},
    "features": ["t1", "t2", "t3", "t4", "theta"],
    "expected": "data",
    "test": {"name": "nplm", "widths": [0.7, 2.0], "centres": 40, "penalty": 1e-5},
    "null": {"batch": 50},
    "monitor": {"batch": 200, "false_alarms": 0.02, "toys": 99},
}


def small(**changes):
    """The small config with some keys set; `a__b` means a.b."""
    given = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = given
        for key in parents:
            place = place[key]
        place[last] = value
    return make_config(given)


def muons(path, events, **settings):
    write_events(path, simulate_drift_tubes(events, **settings))
    return str(path)


def records(folder, name="batches.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def outcomes(folder):
    return [(r["batch"], r["spans"], r["p"], [t["statistic"] for t in r["tests"]]) for r in records(folder)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two healthy files and a sick one, none a multiple of the batch."""
    folder = tmp_path_factory.mktemp("muons")
    return [
        muons(folder / "1_healthy.h5", 650, seed=11),
        muons(folder / "2_healthy.h5", 250, seed=12),
        muons(folder / "3_sick.h5", 450, cathode=0.25, threshold=0.25, seed=13),
    ]


@pytest.fixture(scope="module")
def watched(files, tmp_path_factory):
    """All files judged in one go: (run folder, what was told, outcome)."""
    folder, told = tmp_path_factory.mktemp("monitor") / "run", []
    outcome = monitor(small(), folder, files, tell=told.append)
    return folder, told, outcome


def test_only_the_sick_file_gives_the_alarm(watched):
    folder, told, outcome = watched
    alarms = [record["alarm"] for record in records(folder)]
    assert alarms == [False] * 4 + [True] * 2
    assert (outcome.batches, outcome.alarms) == (6, 2)
    assert [line.startswith("batch") for line in told].count(True) == 6


def test_what_is_left_over_is_told(watched):
    folder, told, _ = watched
    assert [r["left"] for r in records(folder, "files.jsonl") if r["event"] == "end"] == [50, 50, 50]
    assert any("1_healthy.h5: 650 rows, 50 events left over, not judged" in line for line in told)


def test_a_record_says_what_was_tested_and_what_is_odd(watched):
    record = records(watched[0])[-1]
    assert record["events"] == 200
    assert record["n_toys"] == 99
    assert [test["column"] for test in record["tests"]] == ["σ 0.7", "σ 2"]
    assert {one["feature"] for one in record["features"]} <= {"t1", "t2", "t3", "t4"}
    assert record["features"][0]["p"] < 0.01
    assert len(record["pairs"]) == 3
    assert "ALARM" in batch_line(record)


def test_a_second_start_judges_nothing_again(watched, files):
    folder, _, _ = watched
    before = outcomes(folder)
    tasks = {path: path.stat().st_mtime_ns for path in (folder / "tasks").rglob("*.npz")}
    again = monitor(small(), folder, files, tell=lambda line: None)
    assert again.batches == again.alarms == 0
    assert outcomes(folder) == before
    assert {path: path.stat().st_mtime_ns for path in (folder / "tasks").rglob("*.npz")} == tasks


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_stopped_monitor_goes_on_to_the_same_records(watched, files, tmp_path, stop_after):
    def stop(line):
        if line.startswith(f"batch {stop_after}"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monitor(small(), tmp_path / "run", files, tell=stop)
    monitor(small(), tmp_path / "run", files, tell=lambda line: None)
    assert outcomes(tmp_path / "run") == outcomes(watched[0])


def test_a_line_cut_short_costs_only_its_batch(watched, files, tmp_path):
    folder = tmp_path / "run"
    monitor(small(), folder, files[:1], tell=lambda line: None)
    text = (folder / "batches.jsonl").read_text()
    (folder / "batches.jsonl").write_text(text[: text.rindex('"p"')])
    (folder / "files.jsonl").write_text("")
    monitor(small(), folder, files[:1], tell=lambda line: None)
    whole = [line for line in (folder / "batches.jsonl").read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["batch"] for line in whole] == [0, 1, 2]
    assert [json.loads(line)["p"] for line in whole] == [r["p"] for r in records(watched[0])[:3]]


@pytest.mark.parametrize("parts", [[0, 1, 2], [2, 0, 1]])
def test_across_files_nothing_is_lost_between_starts(files, tmp_path, parts):
    config, given = small(monitor__across_files=True), [files[part] for part in parts]
    for count in (1, 2, 3):
        monitor(config, tmp_path / "several", given[:count], tell=lambda line: None)
    monitor(config, tmp_path / "one", given, tell=lambda line: None)
    assert outcomes(tmp_path / "several") == outcomes(tmp_path / "one")
    assert len(outcomes(tmp_path / "one")) == (650 + 250 + 450) // 200
    assert max(len(r["spans"]) for r in records(tmp_path / "one")) > 1


def test_following_waits_for_new_files_until_the_alarm(files, tmp_path):
    incoming, told = tmp_path / "incoming", []
    incoming.mkdir()

    def tell(line):
        told.append(line)
        if line.startswith("waiting"):
            muons(incoming / "a.h5", 250, seed=11)
        if line.startswith("end of a.h5"):
            muons(incoming / "b.h5", 650, cathode=0.25, threshold=0.25, seed=13)

    options = {"follow": True, "until_alarm": True, "poll": 0.01}
    outcome = monitor(small(), tmp_path / "run", [str(incoming / "*.h5")], **options, tell=tell)
    assert (outcome.batches, outcome.alarms) == (2, 1)
    assert sum(line.startswith("waiting") for line in told) == 1


def test_following_ends_by_ctrl_c_with_what_it_saw(files, tmp_path):
    def stop(line):
        if line.startswith("end of 1_healthy"):
            raise KeyboardInterrupt

    outcome = monitor(small(), tmp_path / "run", files[:1], follow=True, poll=0.01, tell=stop)
    assert (outcome.batches, outcome.alarms) == (3, 0)


@pytest.mark.parametrize("tests", [SMALL["test"], [{"name": "nplm", "widths": [1.0], "centres": 20, "penalty": 1e-4}]])
@pytest.mark.parametrize("pool", ["simulator", "events"])
def test_healthy_batches_give_the_alarm_as_often_as_configured(tests, pool, tmp_path):
    """Both the batches and the toys fluctuate; an alarm at p ≤ 0.05 of 499 toys has probability 25 / 500."""
    changes = {"test": tests, "monitor": {"batch": 100, "false_alarms": 0.05, "toys": 499}}
    if pool == "events":
        path = muons(tmp_path / "reference.h5", 40_000, seed=1)
        changes["reference"] = {"path": path}
        changes["null"] = {"share": 0.9}
    f = fitted(small(**changes).analysis())
    judge = Judge(f, f.healthy_statistics(range(499)))
    x, n = simulate_drift_tubes(50_000, seed=77).x(), 500
    verdicts = [judge.judge(batch) for batch in np.split(x, n)]
    rate = np.mean([verdict["alarm"] for verdict in verdicts])
    assert abs(rate - 0.05) < 3.3 * np.sqrt(0.05 * 0.95 * (1 / n + 1 / 499))
    assert stats.ks_2samp([v["p"] for v in verdicts], np.arange(1, 501) / 500).pvalue > 1e-3


def test_an_alarm_needs_no_more_than_the_stated_rank():
    judge = Judge(fitted(small(monitor__toys=199, monitor__false_alarms=0.015).analysis()), np.zeros((199, 2)))
    toys = np.column_stack([np.arange(199.0)] * 2)
    alarms = {}
    for rank in range(5):
        object.__setattr__(judge.fitted, "statistics", lambda x, rank=rank: np.full(2, 198.5 - rank))
        alarms[rank] = Judge(judge.fitted, toys).judge(np.zeros((1, 5)) + np.arange(5))["alarm"]
    fitted.cache_clear()
    assert alarms == {0: True, 1: True, 2: True, 3: False, 4: False}  # (2 + 1) / 200 = 0.015


@pytest.mark.parametrize("value", [1e3, 1e200])
def test_a_batch_beyond_all_reason_is_an_alarm_and_no_crash(watched, tmp_path, value):
    events = simulate_drift_tubes(200, seed=5)
    wild = Events({**events.columns, "t1": np.linspace(0.5 * value, value, 200)})
    write_events(tmp_path / "wild.npz", wild)
    told = []
    outcome = monitor(small(), watched[0], [str(tmp_path / "wild.npz")], tell=told.append)
    assert outcome.alarms == 1
    assert "t1" in next(line for line in told if "ALARM" in line)


def test_a_file_that_changed_since_is_refused(files, tmp_path):
    path = tmp_path / "run.h5"
    muons(path, 250, seed=3)
    monitor(small(), tmp_path / "run", [str(path)], tell=lambda line: None)
    path.unlink()
    muons(path, 250, seed=4)
    with pytest.raises(InputError, match="changed since it was judged"):
        monitor(small(), tmp_path / "run", [str(path)], tell=lambda line: None)


def test_a_reference_that_changed_since_is_refused(files, tmp_path):
    path = tmp_path / "reference.h5"
    muons(path, 9000, seed=1)
    config = small(reference={"path": str(path)})
    monitor(config, tmp_path / "run", files[:1], tell=lambda line: None)
    path.unlink()
    muons(path, 9000, seed=9)
    fitted.cache_clear()
    with pytest.raises(RunFolderError, match="reference that changed"):
        monitor(config, tmp_path / "run", files[:1], tell=lambda line: None)


def test_a_file_of_the_reference_is_refused(tmp_path):
    path = muons(tmp_path / "reference.h5", 9000, seed=1)
    with pytest.raises(InputError, match="file of the reference"):
        monitor(small(reference={"path": path}), tmp_path / "run", [path], tell=lambda line: None)


def test_disjoint_batches_need_enough_reference_events(tmp_path):
    path = muons(tmp_path / "reference.h5", 6000, seed=1)
    with pytest.raises(InputError, match=r"monitor\.toys: Got 99, but expected at most 15"):
        fitted(small(reference={"path": path}, null={"source": "splits"}).analysis())
    enough = fitted(
        small(reference={"path": path}, null={"source": "splits"}, monitor={"batch": 20, "toys": 99}).analysis()
    )
    assert enough.healthy_statistics(range(99)).shape == (99, 2)


def test_a_small_pool_is_refused(tmp_path):
    path = muons(tmp_path / "reference.h5", 1500, seed=1)
    with pytest.raises(InputError, match=r"monitor\.batch: Got 200"):
        fitted(small(reference={"path": path}).analysis())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expected": 200.0}, "expected: Got 200"),
        ({"null": {"source": "permutation"}}, r"null\.source: Got permutation"),
        ({"null": {"reference": "redrawn"}}, r"null\.reference: Got redrawn"),
        ({"data__weight": "w"}, r"data\.weight: Got w"),
    ],
)
def test_what_cannot_be_monitored_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        require_monitorable(small(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"monitor__toys": 48}, r"monitor\.toys: Got 48, but expected at least 49"),
        ({"monitor__false_alarms": 0.0}, r"monitor\.false_alarms"),
        ({"monitor__batch": 1}, r"monitor\.batch"),
        ({"monitor__batches": 5}, r"monitor\.batches"),
    ],
)
def test_bad_settings_are_named_by_their_path(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**changes)


def test_a_monitor_holds_its_folder(watched, files):
    held = []
    monitor(small(), watched[0], files, tell=lambda line: held.append(is_held(next(watched[0].glob(".lock-*")))))
    assert held
    assert all(held)


def test_the_distance_is_that_of_kolmogorov():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=200), np.sort(rng.normal(0.2, size=500))
    assert kolmogorov_distance(a, b, np.arange(501) / 500) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)


def test_the_command_line_tells_alarms_by_its_exit_code(files, tmp_path):
    config = tmp_path / "muons.yaml"
    config.write_text(yaml.safe_dump(SMALL))

    def call(*arguments):
        return CliRunner().invoke(
            main, ["monitor", str(config), "-o", str(tmp_path / "run"), *arguments], catch_exceptions=False
        )

    assert call(files[0]).exit_code == 0
    done = call(files[0], files[2])
    assert done.exit_code == 4
    assert "2 batches, 2 with alarm" in done.output
    assert call(str(tmp_path / "none.h5")).exit_code == 2
    assert call("--set", "monitor.toys=5").exit_code == 2


def test_simulated_data_need_no_file(tmp_path):
    assert monitor(small(), tmp_path / "run", tell=lambda line: None).batches == 3


@pytest.mark.parametrize("kind", [("drift_tubes", "--events", "300"), ("exponential", "--signal", "tail_peak")])
def test_the_command_line_writes_events_to_monitor(kind, tmp_path):
    path = tmp_path / "events.h5"
    assert CliRunner().invoke(main, ["simulate", *kind, "-o", str(path)]).exit_code == 0
    assert path.exists()
