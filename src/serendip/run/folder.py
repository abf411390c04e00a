"""The run folder: what a run writes, so that a kill, a full disk or a second run loses nothing."""

import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from serendip.errors import InputError, RunFolderError
from serendip.run.lock import hold, is_held

CONFIG, LOG = "config.yaml", "log.jsonl"
NOT_IN_HASH = frozenset({"engine"})  # how it is computed, not what: other workers may go on with a run
HEADER = re.compile(r"# Serendip run folder, config_sha256: ([0-9a-f]{64})")
TEMPORARY = ".serendip-*.tmp"
FORGOTTEN_AFTER_S = 3600.0  # a temporary file this old belongs to a killed process
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to one config.

    Attributes:
        path: where it is.
        config: the resolved config, plain values only.
        config_sha256: of its canonical JSON, without the keys that cannot change a result (`engine`).
    """

    path: Path
    config: dict[str, Any]
    config_sha256: str

    @classmethod
    def open(cls, path: str | Path, config: Mapping[str, Any]) -> "RunFolder":
        """Create the folder, or go on with it if it holds the same config.

        Raises:
            RunFolderError: it belongs to another config, is not a run folder, or cannot be written.
            InputError: the config holds values that JSON cannot.
        """
        path, plain = Path(path), _plain_config(config)
        if not (path / CONFIG).exists():
            _refuse_foreign(path)
            write_atomically(path / CONFIG, _config_text(plain).encode())
        folder = cls.at(path)
        if folder.config_sha256 != config_sha256(plain):
            raise RunFolderError(_difference(path, folder.config, plain))
        _sweep(path)
        return folder

    @classmethod
    def at(cls, path: str | Path) -> "RunFolder":
        """The run folder that stands at `path` already.

        Raises:
            RunFolderError: there is none, or its config was edited.
        """
        text = _read_text(Path(path) / CONFIG)
        header = HEADER.match(text)
        if header is None:
            raise RunFolderError(_not_ours(Path(path)))
        config = yaml.safe_load(text)
        if not isinstance(config, dict) or config_sha256(config) != header[1]:
            raise RunFolderError(
                f"{Path(path) / CONFIG}: Got a config that was changed after the run began, but expected the "
                "one its results were made with. Put it back, or run the new one into another folder."
            )
        return cls(Path(path), config, header[1])

    def write_text(self, name: str, text: str) -> Path:
        """Write `name`, whole or not at all; UTF-8."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, value: object) -> Path:
        """Write `name`, whole or not at all; NumPy values become plain ones, and NaN and infinity null."""
        text = json.dumps(_strict(value), indent=2, ensure_ascii=False, allow_nan=False)
        return self.write_text(name, text + "\n")

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Write arrays side by side as `name` (.npz), whole or not at all."""
        return self.write_bytes(name, npz_bytes(arrays))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write `name`, whole or not at all; its folder is made if need be.

        Raises:
            RunFolderError: the disk is full, or the folder cannot be written.
        """
        return write_atomically(self.path / name, content)

    def read_json(self, name: str) -> Any:
        """What `write_json` wrote.

        Raises:
            RunFolderError: there is no such file, or it is not JSON.
        """
        try:
            return json.loads(_read_text(self.path / name))
        except json.JSONDecodeError as error:
            raise RunFolderError(
                f"{self.path / name}: Got {error}, but expected JSON. Delete it and run again."
            ) from error

    def log(self, event: str, **fields: object) -> None:
        """Append one dated line to the log; lines of processes that write at once do not mix."""
        self.append_json(LOG, {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event} | fields)

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of the log; one that a kill cut short is left out."""
        return self.read_lines(LOG)

    def append_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Append one line of JSON to `name`, at one stroke; after a line that a full disk cut short, a new one begins."""
        path, line = self.path / name, json.dumps(_strict(value), ensure_ascii=False, allow_nan=False)
        with _named_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                end = os.lseek(handle, 0, os.SEEK_END)
                torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
                os.write(handle, f"{chr(10) if torn else ''}{line}\n".encode())
            finally:
                os.close(handle)

    def read_lines(self, name: str) -> list[dict[str, Any]]:
        """The lines that `append_json` wrote, without those cut short; none where there is no such file."""
        path = self.path / name
        return list(_whole_lines(_read_text(path))) if path.exists() else []

    def lock(self, shard: tuple[int, int] = (0, 1)) -> AbstractContextManager[None]:
        """Keep other processes off this shard; may be nested within one process.

        Raises:
            RunFolderError: another process runs it.
        """
        return hold(self.path / f".lock-{shard[0]}-of-{shard[1]}")

    @property
    def is_running(self) -> bool:
        """Whether a process holds any shard."""
        return any(is_held(lock) for lock in self.path.glob(".lock-*-of-*"))


def config_sha256(config: Mapping[str, Any]) -> str:
    """SHA-256 of the config as canonical JSON, without the keys that cannot change a result."""
    what = {key: value for key, value in config.items() if key not in NOT_IN_HASH}
    return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an .npz; unlike `np.savez` it takes any name and never pickles."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a file that is either there and whole, or not there.

    The permissions follow the user's umask, since groups share run folders.

    Raises:
        RunFolderError: the disk is full, or the folder cannot be written; no temporary file stays behind.
    """
    temporary = path.parent / TEMPORARY.replace("*", secrets.token_hex(8))
    with _named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RunFolderError(
                f"{path}: Got a full disk or quota, but expected room to write. Free some space and run the "
                "same command again: what is done is kept."
            ) from error
        raise RunFolderError(
            f"{path}: Got {error.strerror or error}, but expected a folder that can be written. "
            "Choose another output folder, or correct its permissions."
        ) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise RunFolderError(
            f"Got no {path.name} in {path.parent}, but expected a run folder. "
            "Give the folder that `serendip run` wrote."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: Got {error}, but expected a text file that can be read.") from error


def _whole_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            yield entry


def _plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(config)))
    except (TypeError, ValueError) as error:
        raise InputError(f"Got a config with {error}, but expected only values that YAML and JSON share.") from error


def _config_text(plain: dict[str, Any]) -> str:
    header = f"# Serendip run folder, config_sha256: {config_sha256(plain)}\n"
    return header + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _refuse_foreign(path: Path) -> None:
    with _named_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(not entry.match(TEMPORARY) for entry in path.iterdir()) and not (path / CONFIG).exists():
            raise RunFolderError(_not_ours(path))


def _not_ours(path: Path) -> str:
    return (
        f"Got {path}, which holds files that no run wrote, but expected a new or empty folder, or a run "
        "folder. Choose another one; nothing in it was touched."
    )


def _difference(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    old, new = dict(_leaves(there)), dict(_leaves(here))
    keys = [key for key in {**old, **new} if key.split(".")[0] not in NOT_IN_HASH]
    told = [
        f"{key}={new.get(key, 'nothing')!r} (there: {old.get(key, 'nothing')!r})"
        for key in keys
        if key not in old or key not in new or old[key] != new[key]
    ]
    return (
        f"Got {', '.join(told)}, but expected the config that {path} was begun with. Choose another folder "
        "for the new config, or put the old values back to go on."
    )


def _leaves(value: object, at: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{at}.{key}" if at else str(key))
    else:
        yield at, value


def _strict(value: Any) -> Any:
    """Only what strict JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _strict(below) for key, below in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _strict(value.tolist())
    if isinstance(value, list | tuple):
        return [_strict(below) for below in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _sweep(path: Path) -> None:
    """Remove what killed processes left half-written."""
    for forgotten in path.rglob(TEMPORARY):
        try:
            if time.time() - forgotten.stat().st_mtime > FORGOTTEN_AFTER_S:
                forgotten.unlink()
        except OSError:  # another process was faster, or owns it
            continue
