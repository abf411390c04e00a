import os
import subprocess
import sys
import time

import pytest
from toy_tasks import ToyConfig, draw

from serendip.errors import RunFolderError
from serendip.run import RunFolder, Stage, run_stage, status


def test_a_finished_run(folder):
    run_stage(folder, Stage("b", draw, 3), ToyConfig())
    run_stage(folder, Stage("a", draw, 2), ToyConfig())
    seen = status(folder.path)
    assert [(stage.name, stage.done, stage.total, stage.eta_s) for stage in seen.stages] == [
        ("b", 3, 3, 0.0),
        ("a", 2, 2, 0.0),
    ]
    assert seen.complete
    assert not seen.running
    assert seen.last["event"] == "stage_finished"


def test_rate_and_time_left(folder):
    run_stage(folder, Stage("draw", draw, 10), ToyConfig(), shard=(0, 2))
    now = time.time() + 10
    for place, index in enumerate((0, 2, 4, 6, 8)):
        os.utime(folder.path / f"tasks/draw/{index:05d}.npz", (now + 2 * place,) * 2)
    (stage,) = status(folder.path).stages
    assert stage.rate_per_s == pytest.approx(0.5)
    assert stage.eta_s == pytest.approx(10.0)


def test_a_break_before_a_resume_does_not_slow_the_rate(folder):
    run_stage(folder, Stage("draw", draw, 10), ToyConfig(), shard=(0, 2))
    os.utime(folder.path / "tasks/draw/00000.npz", (1e9, 1e9))
    (stage,) = status(folder.path).stages
    assert stage.rate_per_s > 1


def test_a_new_folder_has_no_stages(folder):
    seen = status(folder.path)
    assert (seen.stages, seen.last, seen.running) == ((), None, False)


def test_needs_a_run_folder(tmp_path):
    with pytest.raises(RunFolderError):
        status(tmp_path)


def test_sees_a_run_from_another_process(tmp_path, toy_process):
    with toy_process(tmp_path / "run", count=200, wait_s=0.05) as process:
        seen = status(tmp_path / "run")
        assert seen.running
        assert 0 < seen.stages[0].done < 200
        assert seen.stages[0].total == 200
        process.kill()
        process.wait()
        assert not status(tmp_path / "run").running
        code = "import sys; from serendip.run import status; print(status(sys.argv[1]).stages[0].total)"
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True
        )
        assert other.stdout == "200\n"
        assert RunFolder.at(tmp_path / "run").read_log()[-1]["event"] == "stage_started"
