import hashlib
import platform
import subprocess
import sys
import time

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.run import Stopwatch, machine, sha256_of, versions


def test_versions_are_those_that_run():
    assert versions()["numpy"] == np.__version__
    assert {"python", "serendip", "jax"} <= versions().keys()


def test_the_machine_has_no_name():
    assert platform.node() not in machine().values()


def test_hashes_a_file_larger_than_a_chunk(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_names_the_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"nothing: Got No such file"):
        sha256_of(tmp_path / "nothing")


def test_the_watch_adds_up_a_stage_timed_twice():
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("fit"):
            time.sleep(0.02)
    timing = watch.timing()
    assert 0.04 <= timing["stages"]["fit"] <= timing["wall_s"]


def test_peak_memory_counts_what_was_freed():
    code = (
        "import numpy as np; from serendip.run import peak_memory_mb; before = peak_memory_mb();"
        "block = np.ones(int((before + 100) * 2**20 / 8)); del block; print(before, peak_memory_mb())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, ran.stdout.split())
    assert before + 50 < after < 2 * before + 200
