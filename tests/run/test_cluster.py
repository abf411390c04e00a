"""Runs on Dask; each cluster costs seconds, so one serves several facts."""

import importlib.util
import os
import sys

import pytest
from toy_tasks import ToyConfig, die_at_1, die_once_at_1, draw, fail_at_3, same, where

from serendip.errors import InputError, MissingExtraError
from serendip.run import EngineSettings, RunFolder, Stage, TaskError, done_indices, engine_session, run_stage


@pytest.fixture(scope="module")
def two_workers():
    """One session of two local workers for all tests of this file."""
    with engine_session(EngineSettings(workers=2, retries=1)) as session:
        yield session


def test_two_workers_give_what_one_gives(folder, tmp_path, two_workers):
    stage = Stage("draw", draw, 40)
    alone = RunFolder.open(tmp_path / "alone", {"seed": 1})
    assert same(run_stage(folder, stage, ToyConfig(), session=two_workers), run_stage(alone, stage, ToyConfig()))
    for path in (alone.path / "tasks/draw").glob("*.npz"):
        assert path.read_bytes() == (folder.path / "tasks/draw" / path.name).read_bytes()
    assert two_workers.peak_memory_mb > 10


def test_workers_are_other_processes_with_one_thread(folder, two_workers):
    results = run_stage(folder, Stage("where", where, 8), ToyConfig(), session=two_workers)
    assert os.getpid() not in {result["pid"] for result in results}
    assert all(result["threads"] == ["1", "1"] for result in results)


def test_a_failed_task_is_named_with_its_traceback(folder, two_workers):
    with pytest.raises(TaskError, match=r"'fits', task 3 of 40, seed 7: ZeroDivisionError: the third") as failure:
        run_stage(folder, Stage("fits", fail_at_3, 40), ToyConfig(seed=7), session=two_workers)
    cause = failure.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    frames, at = [], cause.__traceback__
    while at is not None:
        frames.append(at.tb_frame.f_code.co_name)
        at = at.tb_next
    assert frames[-1] == "fail_at_3"
    assert 3 not in done_indices(folder, "fits")


def test_a_task_whose_worker_died_is_run_again(folder, tmp_path, two_workers):
    stage = Stage("toys", die_once_at_1, 6)
    results = run_stage(folder, stage, ToyConfig(marks=str(tmp_path)), session=two_workers)
    assert [result["index"] for result in results] == list(range(6))
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_every_worker_is_named_and_the_others_are_kept(folder, two_workers):
    with pytest.raises(TaskError, match=r"task 1 of 6, seed 1: RuntimeError: its worker died 2 times"):
        run_stage(folder, Stage("toys", die_at_1, 6), ToyConfig(), session=two_workers)
    assert done_indices(folder, "toys") == [0, 2, 3, 4, 5]


def test_a_scheduler_that_does_not_answer_is_named(folder):
    import dask

    settings = EngineSettings(scheduler="tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match=r"127.0.0.1:9"),
    ):
        run_stage(folder, Stage("draw", draw, 2), ToyConfig(), settings=settings)


def test_a_batch_system_needs_its_extra(folder, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "dask_jobqueue" else real(name))
    with pytest.raises(MissingExtraError, match=r"serendip\[batch\]"):
        run_stage(folder, Stage("draw", draw, 2), ToyConfig(), settings=EngineSettings(jobqueue="slurm"))


FAKE_SBATCH = """#!/bin/sh
cp "$1" {folder}/script
sh {folder}/script >/dev/null 2>&1 &
echo "Submitted batch job 1"
"""


def test_jobs_of_a_batch_system_run_tasks(folder, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    for name, text in {"sbatch": FAKE_SBATCH.format(folder=tmp_path), "scancel": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    options = {
        "memory": "1GB",
        "queue": "short",
        "interface": "lo",
        "python": sys.executable,
        "death_timeout": 30,
    }
    settings = EngineSettings(jobqueue="slurm", options=options)
    results = run_stage(folder, Stage("where", where, 4), ToyConfig(), settings=settings)
    assert os.getpid() not in {result["pid"] for result in results}
    script = (tmp_path / "script").read_text()
    assert "#SBATCH -p short" in script
    assert "export OMP_NUM_THREADS=1" in script
