"""How far a run has got, seen from another shell."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from serendip.run.folder import RunFolder
from serendip.run.task import done_indices, stage_total, task_name

RECENT = 200  # tasks the rate is taken from


@dataclass(frozen=True)
class StageStatus:
    """One stage.

    Attributes:
        name: of the stage.
        done: tasks that have a result.
        total: tasks in all.
        rate_per_s: tasks a second, lately, since the run was last started; None before two of them.
        eta_s: seconds to go at that rate; None if unknown.
    """

    name: str
    done: int
    total: int
    rate_per_s: float | None
    eta_s: float | None


@dataclass(frozen=True)
class Status:
    """A run: whether a process works on it, its stages in the order they began, the last line of its log."""

    path: Path
    running: bool
    stages: tuple[StageStatus, ...]
    last: dict[str, Any] | None

    @property
    def complete(self) -> bool:
        """Whether every stage begun so far has all its results."""
        return all(stage.done == stage.total for stage in self.stages)


def status(path: str | Path) -> Status:
    """The state of the run folder at `path`; only reads.

    Raises:
        RunFolderError: there is no run folder.
    """
    folder = RunFolder.at(path)
    log = folder.read_log()
    recorded = [file.parent.name for file in folder.path.glob("tasks/*/stage.json")]
    names = sorted(recorded, key=lambda name: (str(folder.read_json(f"tasks/{name}/stage.json").get("began")), name))
    stages = tuple(_stage_status(folder, name, log) for name in names)
    return Status(folder.path, folder.is_running, stages, log[-1] if log else None)


def _stage_status(folder: RunFolder, name: str, log: list[dict[str, Any]]) -> StageStatus:
    total = stage_total(folder, name) or 0
    done = [index for index in done_indices(folder, name) if index < total]
    rate = _rate(folder, name, done, _last_start(log, name))
    left = total - len(done)
    return StageStatus(name, len(done), total, rate, left / rate if rate else None)


def _last_start(log: list[dict[str, Any]], name: str) -> float:
    starts = [line["time"] for line in log if line.get("event") == "stage_started" and line.get("stage") == name]
    return datetime.fromisoformat(starts[-1]).timestamp() if starts else 0.0


def _rate(folder: RunFolder, name: str, done: list[int], since: float) -> float | None:
    times = (os.stat(folder.path / task_name(name, index)).st_mtime for index in done)
    recent = sorted(time for time in times if time >= since)[-RECENT:]
    if len(recent) < 2 or recent[-1] == recent[0]:
        return None
    return (len(recent) - 1) / (recent[-1] - recent[0])
