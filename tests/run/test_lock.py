import json
import os
import platform
import subprocess
import sys

import psutil
import pytest

from serendip.errors import RunFolderError
from serendip.run import lock

HOLD = "import sys, time; from pathlib import Path; from serendip.run.lock import hold\n"
HOLD += "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock `tmp_path/lock`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_living_process_keeps_others_off_and_a_killed_one_does_not(holder, tmp_path):
    path = tmp_path / "lock"
    with (
        pytest.raises(RunFolderError, match=f"process {holder.pid} .* expected one process a shard"),
        lock.hold(path),
    ):
        pass
    assert lock.is_held(path)
    holder.kill()
    holder.wait()
    assert path.exists()
    assert not lock.is_held(path)
    with lock.hold(path):
        assert lock.is_held(path)
    assert not list(tmp_path.iterdir())


def test_may_be_nested(tmp_path):
    with lock.hold(tmp_path / "lock"):
        with lock.hold(tmp_path / "lock"):
            pass
        assert lock.is_held(tmp_path / "lock")


def test_a_process_number_used_again_is_not_the_owner(tmp_path):
    started = psutil.Process().create_time() - 1000
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "started": started}))
    assert not lock.is_held(tmp_path / "lock")
    with lock.hold(tmp_path / "lock"):
        pass


def test_on_another_machine_the_beat_decides(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 0.0}))
    monkeypatch.setattr(lock, "WATCH_S", 0.2)
    beats = iter(range(1000, 1100))
    monkeypatch.setattr(lock, "_changed", lambda path: float(next(beats)))
    with pytest.raises(RunFolderError, match="elsewhere"), lock.hold(path):
        pass
    monkeypatch.setattr(lock, "_changed", lambda path: 1000.0)
    with lock.hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_the_holder_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    monkeypatch.setattr(lock, "WATCH_S", 5.0)
    path = tmp_path / "lock"
    with lock.hold(path):
        os.utime(path, (0, 0))
        assert lock._beats(path)


def test_a_damaged_lock_is_judged_by_its_beat(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WATCH_S", 0.1)
    (tmp_path / "lock").write_text("")
    with lock.hold(tmp_path / "lock"):
        pass
