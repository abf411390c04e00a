"""Makes the toy tasks importable, here and in worker processes, which inherit the path."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.append(HERE)


@pytest.fixture
def folder(tmp_path):
    """An empty run folder."""
    from serendip.run import RunFolder

    return RunFolder.open(tmp_path / "run", {"seed": 1})


@pytest.fixture
def toy_process():
    """Starts a run of toys in a process of its own, and waits until it has written its third result."""

    @contextmanager
    def start(path, *, count, wait_s, workers=1):
        command = [sys.executable, str(Path(HERE) / "run_toys.py"), path, count, wait_s, workers, 0, 1]
        process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
        try:
            while len(list(Path(path).glob("tasks/draw/*.npz"))) < 3:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            yield process
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    return start
