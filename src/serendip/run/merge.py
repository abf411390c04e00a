"""Bring shards together that ran in folders of their own."""

from collections.abc import Iterable
from pathlib import Path

from serendip.errors import InputError, RunFolderError
from serendip.run.folder import RunFolder
from serendip.run.task import BROKEN, decode, done_indices, stage_total, task_name


def merge(sources: Iterable[str | Path], into: str | Path) -> RunFolder:
    """Bring the results of several run folders of one config together; damaged files stay behind.

    Raises:
        RunFolderError: the configs differ, or two folders hold different results of one task.
    """
    folders = [RunFolder.at(source) for source in sources]
    if not folders:
        raise InputError("Got no folder to merge, but expected at least one.")
    target = RunFolder.open(into, folders[0].config)
    for source in folders:
        RunFolder.open(source.path, target.config)  # refuses another config, and says where it differs
        copied = sum(_copy_stage(source, target, stage.parent.name) for stage in source.path.glob("tasks/*/stage.json"))
        target.log("merged", results=copied)
    return target


def _copy_stage(source: RunFolder, target: RunFolder, stage: str) -> int:
    if stage_total(target, stage) is None:
        target.write_json(f"tasks/{stage}/stage.json", source.read_json(f"tasks/{stage}/stage.json"))
    return sum(_copy(source, target, task_name(stage, index)) for index in done_indices(source, stage))


def _copy(source: RunFolder, target: RunFolder, name: str) -> int:
    theirs, ours = _whole(source.path / name), _whole(target.path / name)
    if theirs is None or theirs == ours:
        return 0
    if ours is not None:
        raise RunFolderError(
            f"Got {source.path / name}, but expected the same bytes as in {target.path / name}: one config "
            "gives one result. Different versions or machines made them: delete one of the files and merge again."
        )
    target.write_bytes(name, theirs)
    return 1


def _whole(path: Path) -> bytes | None:
    try:
        payload = path.read_bytes()
        decode(payload)
    except BROKEN:
        return None
    return payload
