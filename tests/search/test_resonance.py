import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from serendip.data import Truth
from serendip.errors import ConfigError, InputError, RunFolderError, TooFewEventsError
from serendip.run.folder import RunFolder
from serendip.search import resonance, scan
from serendip.search.prepare import prepared
from serendip.search.scan import draw_toy, observed_task, toy_task

from .conftest import SMALL, small


def without_timings(folder):
    result = json.loads((folder / "result.json").read_text())
    return {k: v for k, v in result.items() if k not in ("timing", "peak_memory_mb")}


def test_finds_the_hidden_resonance(finished):
    _, _, result = finished
    assert result.best.window == (3300.0, 3700.0)
    assert result.local_p.z > 5
    assert result.global_p.is_limit
    assert result.valid, [check for check in result.checks if not check.passed]


def test_the_run_folder_holds_what_the_design_says(finished):
    _, folder, _ = finished
    for name in ("config.yaml", "result.json", "report.html", "log.jsonl"):
        assert (folder / name).stat().st_size > 0
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".png", ".pdf", ".csv"}
    assert len(list((folder / "tasks" / "toys").glob("*.npz"))) == 12
    assert (folder / "exports" / "histfactory.json").exists()


def test_result_json_has_the_keys_of_schema_1(finished):
    result = json.loads((finished[1] / "result.json").read_text())
    assert result["schema"] == 1
    assert {"search", "method", "local", "global", "best", "trials", "valid", "checks", "inputs", "seed"} <= set(result)
    assert {"config_sha256", "versions", "timing", "peak_memory_mb"} <= set(result)
    assert {"p", "p_interval", "z", "how", "n_toys"} <= set(result["local"])
    assert result["trials"] == {"windows": 4, "cuts": 1, "methods": 1}


def test_running_again_reads_the_results_and_says_the_same(finished):
    config, folder, _ = finished
    before, tasks = without_timings(folder), sorted(folder.glob("tasks/*/*.npz"))
    times = [path.stat().st_mtime_ns for path in tasks]
    resonance(config, folder)
    assert without_timings(folder) == before
    assert [path.stat().st_mtime_ns for path in tasks] == times


def test_another_analysis_is_refused_the_folder(finished):
    _, folder, _ = finished
    with pytest.raises(RunFolderError, match="seed"):
        resonance(small(seed=2), folder)


def test_two_shards_make_the_whole(finished, tmp_path):
    config, folder, _ = finished
    for i in range(2):
        assert resonance(config, tmp_path / "sharded", shard=(i, 2)) is None
    resonance(config, tmp_path / "sharded")
    assert without_timings(tmp_path / "sharded") == without_timings(folder)


def test_a_killed_run_goes_on_to_the_same_result(finished, tmp_path):
    """kill -9 in the middle of the toys, then the same command again."""
    _, folder, _ = finished
    config, killed = tmp_path / "small.yaml", tmp_path / "killed"
    config.write_text(yaml.safe_dump(SMALL))
    command = [sys.executable, "-m", "serendip", "run", str(config), "-o", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(killed.glob("tasks/toys/*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "result.json").exists()
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    assert without_timings(killed) == without_timings(folder)


def test_no_task_reads_the_truth(finished, monkeypatch):
    """CWoLa gives the same scores, spectra and toys where looking at the truth raises."""
    config, folder, _ = finished
    analysis = config.analysis()
    kept = RunFolder.at(folder)

    def looked_at(self):
        raise AssertionError("a task looked at the truth")

    p = prepared(analysis)
    with monkeypatch.context() as m:
        m.setattr(
            Truth,
            "__getattribute__",
            lambda self, name: looked_at(self) if name == "is_signal" else object.__getattribute__(self, name),
        )
        task = observed_task(analysis, 1)
    stored = np.load(kept.path / "tasks/windows/00001.npz", allow_pickle=False)
    assert np.array_equal(task["counts"], stored["array.counts"])
    assert p.truth is not None


def test_a_toy_is_the_same_whichever_process_draws_it(finished):
    config, folder, _ = finished
    again = toy_task(config.analysis(), 5)
    stored = np.load(folder / "tasks/toys/00005.npz", allow_pickle=False)
    assert np.array_equal(again["z"], stored["array.z"])


def test_copies_of_one_event_are_one_group_in_a_toy():
    p = prepared(small(data__simulate={"background": 12_000, "seed": 1}).analysis())
    toy = draw_toy(p, 0)
    assert np.array_equal(p.events.columns["dmj"][toy.rows], toy.sample.columns["dmj"][toy.rows])
    assert len(toy.m) == len(toy.rows)


def test_signed_weights_pass_through_the_whole_chain(tmp_path):
    """A quarter of the events with weight −0.3, as from a generator at next-to-leading order."""
    from serendip.data.write import write_events
    from serendip.seeds import rng_for
    from serendip.simulate.dijet import simulate_dijet

    events, _ = simulate_dijet(20_000, 200, signal_mass=3500, seed=4)
    w = np.where(rng_for(1, "weights").random(len(events)) < 0.2, -0.3, 1.3)
    object.__setattr__(events, "w", w)
    path = write_events(tmp_path / "weighted.h5", events)
    config = small(data={"path": str(path), "weight": "weight"}, null={"toys": 2}, gate={"min_toys": 2})
    result = resonance(config, tmp_path / "run")
    assert result.best.window == (3300.0, 3700.0)
    assert result.events["effective"] < 0.75 * result.events["events"]
    assert np.isfinite(result.local_p.z)


def test_a_reference_that_holds_data_events_is_refused(tmp_path):
    from serendip.data.write import write_events
    from serendip.simulate.dijet import simulate_dijet

    path = str(write_events(tmp_path / "events.h5", simulate_dijet(16_000, 0, seed=4)[0]))
    config = small(data={"path": path}, reference={"path": path}, method="idealised")
    with pytest.raises(InputError, match=r"reference.path: Got .* events that are in the data too"):
        prepared(config.analysis())


def test_a_search_that_reads_the_truth_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="supervised, which reads the truth"):
        resonance(small(method="supervised"), tmp_path / "run")


def test_cuts_that_leave_nothing_are_refused_before_training(tmp_path):
    with pytest.raises(TooFewEventsError, match="cuts: Got"):
        resonance(small(cuts=[1e-6]), tmp_path / "run")


def test_a_window_too_small_for_its_folds_is_named():
    with pytest.raises(TooFewEventsError, match="window 4300–4400"):
        prepared(small(windows=[[4300, 4400]]).analysis())


def test_the_reference_is_selected_like_the_data(tmp_path):
    from serendip.data.write import write_events
    from serendip.simulate.dijet import simulate_dijet

    data, other = (
        str(write_events(tmp_path / f"{seed}.h5", simulate_dijet(16_000, 0, seed=seed)[0])) for seed in (4, 5)
    )
    config = small(data={"path": data, "where": "dmj > 60"}, reference={"path": other}, method="idealised")
    assert prepared(config.analysis()).reference.columns["dmj"].min() > 60


def test_a_toy_that_starves_one_window_is_kept_for_the_others(finished, monkeypatch):
    config, _, _ = finished
    whole = toy_task(config.analysis(), 2)
    starving = prepared(config.analysis()).windows[2]

    def anomalies(p, experiment, method, window, stage, index):
        if window == starving:
            raise TooFewEventsError("too few")
        return scan.anomalies_as_they_were(p, experiment, method, window, stage, index)

    monkeypatch.setattr(scan, "anomalies_as_they_were", scan.anomalies, raising=False)
    monkeypatch.setattr(scan, "anomalies", anomalies)
    toy = toy_task(config.analysis(), 2)
    assert toy["z"][0, 2, 0] == -np.inf
    assert not toy["converged"][0, 2, 0]
    assert np.array_equal(np.delete(toy["z"], 2, axis=1), np.delete(whole["z"], 2, axis=1))
