import numpy as np
import pytest
from toy_tasks import ToyConfig, draw, same

from serendip.errors import InputError, RunFolderError
from serendip.run import RunFolder, Stage, done_indices, load_result, merge, missing, run_stage
from serendip.run.task import decode, encode

RESULT = {
    "z": np.float64(1.5),
    "ok": np.True_,
    "window": (1, 2),
    "nan": np.nan,
    "x": np.arange(3.0),
    "json": np.array(2),
}


def test_a_result_comes_back_with_plain_values():
    back = decode(encode(RESULT))
    assert back["z"] == 1.5
    assert back["ok"] is True
    assert back["window"] == [1, 2]
    assert np.isnan(back["nan"])
    assert back["json"] == 2
    np.testing.assert_array_equal(back["x"], np.arange(3.0))


def test_the_same_result_gives_the_same_bytes():
    assert encode(RESULT) == encode(RESULT)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"x": np.array([object()])}, "x: Got an array of Python objects"),
        ({"x": {"deep": np.arange(3)}}, "an array within"),
        ({"x": object()}, "Got object in a task's result"),
    ],
)
def test_refuses_what_would_need_pickle(result, message):
    with pytest.raises(InputError, match=message):
        encode(result)


@pytest.mark.parametrize(("name", "count"), [("../up", 1), ("", 1), ("a/b", 1), ("toys", -1)])
def test_refuses_stages_that_name_no_folder_or_no_number(name, count):
    with pytest.raises(InputError):
        Stage(name, draw, count)


def test_every_damaged_file_is_recognised(folder):
    result = draw(ToyConfig(), 0)
    whole = encode(result)
    kept = decode(whole)
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    flipped = [whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :] for at in range(0, len(whole), 3)]
    for damaged in [*cut, *flipped]:
        folder.write_bytes("tasks/draw/00000.npz", damaged)
        found = load_result(folder, "draw", 0)
        assert found is None or same([found], [kept])


def test_a_damaged_file_is_computed_again(folder):
    stage = Stage("draw", draw, 4)
    first = run_stage(folder, stage, ToyConfig())
    path = folder.path / "tasks/draw/00002.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert same(run_stage(folder, stage, ToyConfig()), first)
    assert path.read_bytes() == whole
    assert [line["index"] for line in folder.read_log() if line["event"] == "task_file_damaged"] == [2]


def test_shards_of_their_own_folders_merge_to_the_whole(folder, tmp_path):
    stage = Stage("draw", draw, 7)
    whole = run_stage(folder, stage, ToyConfig())
    for i in range(2):
        run_stage(RunFolder.open(tmp_path / f"shard{i}", {"seed": 1}), stage, ToyConfig(), shard=(i, 2))
    merged = merge([tmp_path / "shard0", tmp_path / "shard1"], tmp_path / "merged")
    assert missing(merged, stage) == []
    for index in range(7):
        name = f"tasks/draw/{index:05d}.npz"
        assert (merged.path / name).read_bytes() == (folder.path / name).read_bytes()
    assert same(run_stage(merged, stage, ToyConfig()), whole)


def test_shards_may_share_a_folder(folder):
    stage = Stage("draw", draw, 5)
    results = run_stage(folder, stage, ToyConfig(), shard=(1, 2))
    assert [result["index"] for result in results] == [1, 3]
    assert missing(folder, stage) == [0, 2, 4]
    assert done_indices(folder, "draw") == [1, 3]


def test_merge_refuses_another_config(folder, tmp_path):
    RunFolder.open(tmp_path / "other", {"seed": 2})
    with pytest.raises(RunFolderError, match="seed=1"):
        merge([folder.path, tmp_path / "other"], tmp_path / "merged")


def test_merge_refuses_two_results_of_one_task_and_keeps_the_first(folder, tmp_path):
    other = RunFolder.open(tmp_path / "other", {"seed": 1})
    run_stage(folder, Stage("draw", draw, 1), ToyConfig(seed=1))
    run_stage(other, Stage("draw", draw, 1), ToyConfig(seed=2))
    before = (folder.path / "tasks/draw/00000.npz").read_bytes()
    with pytest.raises(RunFolderError, match="one result"):
        merge([other.path], folder.path)
    assert (folder.path / "tasks/draw/00000.npz").read_bytes() == before


def test_merge_leaves_damaged_files_behind(folder, tmp_path):
    stage = Stage("draw", draw, 3)
    run_stage(folder, stage, ToyConfig())
    (folder.path / "tasks/draw/00001.npz").write_bytes(b"")
    assert missing(merge([folder.path], tmp_path / "merged"), stage) == [1]


def test_more_than_100_000_tasks_keep_their_order(folder):
    for index in (100_001, 99_999, 7):
        folder.write_bytes(f"tasks/draw/{index:05d}.npz", encode({"index": index}))
    assert done_indices(folder, "draw") == [7, 99_999, 100_001]
