"""Tasks: pure functions of (config, index), each with one file that is there and whole, or not there."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from serendip.errors import InputError, RunFolderError, SerendipError
from serendip.run.folder import RunFolder, npz_bytes
from serendip.run.provenance import peak_memory_mb

C = TypeVar("C")
Result = dict[str, Any]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
ARRAY = "array."
BROKEN = (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile)


class TaskError(SerendipError):
    """A task failed, or kept killing its worker; `__cause__` is what it raised."""


@dataclass(frozen=True)
class Stage(Generic[C]):
    """Tasks of one kind.

    Attributes:
        name: of its folder, and of its random numbers: `rng_for(config.seed, name, index)`.
        function: a pure function of (config, index); returns JSON values and, under their own keys, arrays.
            Tuples come back as lists. It must be importable by a worker, hence stand in a module, and may
            keep what it prepares in a `functools.lru_cache` on the config.
            A task costs a few milliseconds of its own: make it last 0.1 s or more, else do several toys in one.
        count: how many tasks there are; the indices are 0 … count − 1.
    """

    name: str
    function: Callable[[C, int], dict[str, object]]
    count: int

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InputError(
                f"Got stage {self.name!r}, but expected letters, digits and _ . + - only: it names a folder."
            )
        if self.count < 0:
            raise InputError(f"{self.name}: Got count={self.count}, but expected 0 or more.")


def encode(result: dict[str, object]) -> bytes:
    """A result as the bytes of an .npz, the same every time: its arrays, and the rest as one JSON string.

    Raises:
        InputError: it holds something that neither JSON nor a plain array can.
    """
    arrays = {key: value for key, value in result.items() if isinstance(value, np.ndarray)}
    for key, value in arrays.items():
        if value.dtype.hasobject:
            raise InputError(f"{key}: Got an array of Python objects, but expected numbers or fixed-length text.")
    rest = {key: value for key, value in result.items() if key not in arrays}
    text = np.array(json.dumps(rest, default=_plain))
    return npz_bytes({"json": text} | {ARRAY + key: value for key, value in arrays.items()})


def decode(payload: bytes) -> Result:
    """What `encode` was given; raises one of `BROKEN` where the bytes are damaged."""
    with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
        members = {name: stored[name] for name in stored.files}  # all are read: only that checks their names
    result = json.loads(str(members.pop("json")))
    if not all(name.startswith(ARRAY) for name in members):
        raise ValueError(f"Got members {sorted(members)}, but expected names that start with {ARRAY}")
    return result | {name.removeprefix(ARRAY): values for name, values in members.items()}


def attempt(
    function: Callable[[C, int], dict[str, object]], config: C, index: int, threads: int
) -> tuple[bytes, float]:
    """Run one task; its encoded result, and the peak memory of the process in MB.

    The numerical libraries get `threads` threads whoever calls, so that the number of workers cannot change
    the order of a sum, hence the last digit of a result.
    """
    with threadpool_limits(threads):
        result = function(config, index)
    return encode(result), peak_memory_mb()


def task_name(stage: str, index: int) -> str:
    """The file of a task's result within the run folder."""
    return f"tasks/{stage}/{index:05d}.npz"


def done_indices(folder: RunFolder, stage: str) -> list[int]:
    """The tasks that have a result file, in order; whether it is whole is known when it is loaded."""
    names = (path.stem for path in (folder.path / "tasks" / stage).glob("*.npz"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def load_result(folder: RunFolder, stage: str, index: int) -> Result | None:
    """A task's result; None where there is none, or a damaged file, so that it has to be computed again."""
    try:
        return decode((folder.path / task_name(stage, index)).read_bytes())
    except BROKEN:
        return None


def missing(folder: RunFolder, stage: Stage[Any]) -> list[int]:
    """The tasks that have no result file yet, in order: another shard's, or still to do."""
    return sorted(set(range(stage.count)) - set(done_indices(folder, stage.name)))


def record_stage(folder: RunFolder, stage: Stage[Any]) -> None:
    """Note how many tasks the stage has, for `status` in another shell."""
    if stage_total(folder, stage.name) != stage.count:
        began = datetime.now(UTC).isoformat()
        folder.write_json(f"tasks/{stage.name}/stage.json", {"name": stage.name, "count": stage.count, "began": began})


def stage_total(folder: RunFolder, stage: str) -> int | None:
    """How many tasks the stage has; None before it was begun."""
    try:
        return int(folder.read_json(f"tasks/{stage}/stage.json")["count"])
    except (RunFolderError, KeyError, TypeError, ValueError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        raise InputError(
            "Got an array within a list or dict of a task's result, but expected it under a key of its own."
        )
    raise InputError(f"Got {type(value).__name__} in a task's result, but expected JSON values and arrays.")
