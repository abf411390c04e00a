import errno
import json
import os
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from serendip.errors import InputError, RunFolderError
from serendip.run import RunFolder, config_sha256

CONFIG = {"search": "resonance", "method": {"name": "cwola", "members": 10}, "cuts": (0.01, 1e-7), "seed": 1}


def test_writes_the_resolved_config(tmp_path):
    folder = RunFolder.open(tmp_path / "a" / "b", CONFIG)
    assert yaml.safe_load((folder.path / "config.yaml").read_text()) == CONFIG | {"cuts": [0.01, 1e-7]}
    assert folder.config_sha256 == config_sha256(RunFolder.at(folder.path).config)


def test_goes_on_with_the_same_config_and_keeps_what_is_there(tmp_path):
    first = RunFolder.open(tmp_path, CONFIG)
    first.write_text("tables/mine.txt", "notes of the user")
    config = (tmp_path / "config.yaml").read_bytes()
    again = RunFolder.open(tmp_path, dict(reversed(CONFIG.items())))
    assert again == first
    assert (tmp_path / "tables" / "mine.txt").read_text() == "notes of the user"
    assert (tmp_path / "config.yaml").read_bytes() == config


def test_refuses_another_config_and_names_the_keys(tmp_path):
    RunFolder.open(tmp_path, CONFIG)
    other = CONFIG | {"method": {"name": "cwola", "members": 20}, "note": "x"}
    with pytest.raises(
        RunFolderError, match=r"method.members=20 \(there: 10\), note='x' \(there: 'nothing'\)"
    ) as refused:
        RunFolder.open(tmp_path, other)
    assert "another folder" in str(refused.value)
    assert "seed" not in str(refused.value)
    assert RunFolder.at(tmp_path).config["method"]["members"] == 10


def test_other_workers_may_go_on(tmp_path):
    RunFolder.open(tmp_path, CONFIG | {"engine": {"workers": 1}})
    assert RunFolder.open(tmp_path, CONFIG | {"engine": {"workers": 8}}).config["engine"] == {"workers": 1}


@pytest.mark.parametrize("theirs", ["thesis.tex", "config.yaml"])
def test_refuses_a_folder_that_no_run_wrote(tmp_path, theirs):
    (tmp_path / theirs).write_text("search: resonance\n")
    with pytest.raises(RunFolderError, match="no run wrote"):
        RunFolder.open(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == [theirs]
    assert (tmp_path / theirs).read_text() == "search: resonance\n"


def test_refuses_a_config_that_was_edited(tmp_path):
    RunFolder.open(tmp_path, CONFIG)
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text().replace("members: 10", "members: 20"))
    with pytest.raises(RunFolderError, match="changed after the run began"):
        RunFolder.open(tmp_path, CONFIG)


def test_refuses_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file"):
        RunFolder.open(tmp_path / "file", CONFIG)


def test_a_folder_begun_by_a_killed_process_is_begun_again(tmp_path):
    (tmp_path / ".serendip-0123.tmp").write_text("half a config")
    assert RunFolder.open(tmp_path, CONFIG).config["seed"] == 1


def test_forgotten_temporary_files_are_swept_and_fresh_ones_are_not(tmp_path):
    folder = RunFolder.open(tmp_path, CONFIG)
    old, fresh = (
        folder.write_text("tasks/.serendip-1.tmp", ""),
        folder.write_text("tasks/.serendip-2.tmp", ""),
    )
    os.utime(old, (time.time() - 7200,) * 2)
    RunFolder.open(tmp_path, CONFIG)
    assert not old.exists()
    assert fresh.exists()


def test_at_needs_a_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="expected a run folder"):
        RunFolder.at(tmp_path / "nothing")


def test_refuses_a_config_that_yaml_cannot_hold(tmp_path):
    with pytest.raises(InputError, match="not JSON serializable"):
        RunFolder.open(tmp_path, {"seed": np.arange(3)})


def test_a_full_disk_loses_nothing(folder, monkeypatch):
    folder.write_json("result.json", {"p": 0.5})

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match=r"result\.json: Got a full disk .* Free some space"):
        folder.write_json("result.json", {"p": 0.1})
    monkeypatch.undo()
    assert folder.read_json("result.json") == {"p": 0.5}
    assert not list(folder.path.rglob("*.tmp"))


def test_a_write_cut_short_by_the_kernel_loses_nothing(tmp_path):
    code = (
        "import resource, sys; from serendip.run import RunFolder; folder = RunFolder.open(sys.argv[1], {});"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); folder.write_bytes('big', b'x' * 100_000)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "RunFolderError" in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml"]


def test_files_follow_the_umask(folder):
    before = os.umask(0o027)
    try:
        path = folder.write_text("report.html", "<html>")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_json_is_strict_and_knows_numpy(folder):
    folder.write_json("a.json", {"p": np.float64(0.25), "z": np.inf, "n": np.int64(3), "x": np.array([1.0, np.nan])})
    assert folder.read_json("a.json") == {"p": 0.25, "z": None, "n": 3, "x": [1.0, None]}


def test_arrays_come_back(folder):
    path = folder.write_arrays("tables/a.npz", {"x": np.arange(6.0).reshape(2, 3), "file": np.array(["é"])})
    with np.load(path, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["x"], np.arange(6.0).reshape(2, 3))
        assert stored["file"].tolist() == ["é"]


def test_damaged_json_is_named(folder):
    folder.write_text("result.json", '{"p": 0.')
    with pytest.raises(RunFolderError, match=r"result\.json"):
        folder.read_json("result.json")


def test_the_log_survives_a_line_cut_short(folder):
    folder.log("one", n=1)
    with (folder.path / "log.jsonl").open("a") as file:
        file.write('{"time": "2026-01-01", "ev\n')
    folder.log("two", z=np.inf)
    assert [line["event"] for line in folder.read_log()] == ["one", "two"]
    lines = (folder.path / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["z"] is None
