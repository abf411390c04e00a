import signal
import subprocess
import sys
import traceback
from contextlib import contextmanager

import pytest
from rich.console import Console
from toy_tasks import ToyConfig, draw, fail_at_3, interrupt_at_2, same

from serendip.errors import InputError, RunFolderError
from serendip.run import (
    EngineSettings,
    Lines,
    RunFolder,
    Stage,
    TaskError,
    done_indices,
    engine_session,
    run_stage,
)
from serendip.run import task as task_room
from serendip.run.cluster import InProcess

DRAW = Stage("draw", draw, 12)


class Backwards:
    """A session that gets its tasks done in the opposite order."""

    peak_memory_mb = 0.0

    def run(self, stage, config, indices):
        """The tasks, last first."""
        yield from InProcess(EngineSettings()).run(stage, config, list(indices)[::-1])


def never(config, index):
    """A task that must not be run again."""
    raise AssertionError(f"task {index} was run again")


def files(folder):
    """The results as bytes, by name."""
    return {path.name: path.read_bytes() for path in (folder.path / "tasks/draw").glob("*.npz")}


def test_results_do_not_depend_on_the_order_of_tasks(folder, tmp_path):
    backwards = RunFolder.open(tmp_path / "backwards", {"seed": 1})
    first = run_stage(folder, DRAW, ToyConfig())
    assert [result["index"] for result in first] == list(range(12))
    assert same(run_stage(backwards, DRAW, ToyConfig(), session=Backwards()), first)
    assert files(backwards) == files(folder)


def test_what_is_done_is_not_run_again(folder):
    first = run_stage(folder, DRAW, ToyConfig())
    assert same(run_stage(folder, Stage("draw", never, 12), ToyConfig()), first)


def test_a_stage_that_grew_runs_only_what_is_new(folder):
    run_stage(folder, Stage("draw", draw, 3), ToyConfig())
    assert len(run_stage(folder, Stage("draw", draw, 5), ToyConfig())) == 5
    assert [line["todo"] for line in folder.read_log() if line["event"] == "stage_started"] == [3, 2]


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_refuses_a_shard_that_is_none(folder, shard):
    with pytest.raises(InputError, match="shard"):
        run_stage(folder, DRAW, ToyConfig(), shard=shard)


def test_a_killed_run_goes_on_to_the_same_bytes(folder, tmp_path, toy_process):
    run_stage(folder, DRAW, ToyConfig())
    killed = RunFolder.open(tmp_path / "killed", {"seed": 1})
    with toy_process(killed.path, count=12, wait_s=0.1) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = done_indices(killed, "draw")
    assert 3 <= len(before) < 12
    run_stage(killed, DRAW, ToyConfig())
    assert files(killed) == files(folder)
    assert killed.read_log()[-2]["todo"] == 12 - len(before)


def test_a_second_process_is_kept_off(tmp_path, toy_process):
    with toy_process(tmp_path / "run", count=200, wait_s=0.05):
        folder = RunFolder.open(tmp_path / "run", {"seed": 1})
        with pytest.raises(RunFolderError, match="one process a shard"):
            run_stage(folder, Stage("draw", draw, 200), ToyConfig())


def test_a_failed_task_is_named_and_the_others_are_kept(folder):
    stage = Stage("fits", fail_at_3, 6)
    with pytest.raises(TaskError, match=r"'fits', task 3 of 6, seed 7: ZeroDivisionError: the third") as failure:
        run_stage(folder, stage, ToyConfig(seed=7))
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert "fail_at_3" in "".join(traceback.format_exception(failure.value))
    assert done_indices(folder, "fits") == [0, 1, 2]
    assert folder.read_log()[-1]["event"] == "stage_failed"


def test_ctrl_c_keeps_what_is_done_and_says_so(folder, capsys):
    with pytest.raises(KeyboardInterrupt):
        run_stage(folder, Stage("toys", interrupt_at_2, 5), ToyConfig(), progress=Lines(Console(stderr=True)))
    told = capsys.readouterr().err
    assert "toys: 2 of 5 stopped" in told
    assert "the same command goes on" in told
    assert not folder.is_running


def test_a_full_disk_stops_the_stage_and_keeps_what_is_done(folder, monkeypatch):
    import errno
    import os

    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="full disk"):
        run_stage(folder, DRAW, ToyConfig())
    monkeypatch.undo()
    assert done_indices(folder, "draw") == [0, 1, 2]  # the first write is that of stage.json
    assert len(run_stage(folder, DRAW, ToyConfig())) == 12


def test_one_worker_needs_no_dask():
    code = (
        "import sys, tempfile; from serendip.run import RunFolder, Stage, run_stage;"
        "run_stage(RunFolder.open(tempfile.mkdtemp(), {}), Stage('s', lambda c, i: {'i': i}, 2), None);"
        "sys.exit('dask' in sys.modules or 'distributed' in sys.modules or 'jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tasks_run_with_the_threads_of_the_settings(folder, monkeypatch):
    asked = []

    @contextmanager
    def limits(threads):
        asked.append(threads)
        yield

    monkeypatch.setattr(task_room, "threadpool_limits", limits)
    run_stage(folder, Stage("draw", draw, 2), ToyConfig(), settings=EngineSettings(threads=3))
    assert asked == [3, 3]


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"threads": 0}, {"retries": -1}, {"scheduler": "tcp://a:1", "jobqueue": "slurm"}],
)
def test_refuses_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError, match="engine"):
        EngineSettings(**wrong)


def test_a_session_without_tasks_starts_no_cluster(folder):
    run_stage(folder, DRAW, ToyConfig())
    with engine_session(EngineSettings(scheduler="tcp://127.0.0.1:1")) as session:
        assert len(run_stage(folder, DRAW, ToyConfig(), session=session)) == 12
