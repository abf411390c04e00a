"""A lock file that says who holds it, so that one left by `kill -9` is recognised."""

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from serendip.errors import RunFolderError

BEAT_S = 20.0
WATCH_S = 90.0  # NFS may hide a beat for up to 60 s
CLOCK_STEP_S = 5.0  # the start of one process, read twice, may differ by a step of the clock

_held: set[Path] = set()

Owner = dict[str, object]


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; a second time within one process is free.

    On this machine the owner's process tells whether it lives; on another one that shares the file system its
    beat (the file's time of change) does, watched for 90 s, so that no two clocks are compared.

    Raises:
        RunFolderError: a process that lives holds it.
    """
    path = path.absolute()
    if path in _held:
        yield
        return
    _take(path)
    _held.add(path)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        _held.discard(path)
        path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock, as far as one look can tell."""
    owner = _owner(path)
    if owner is None:
        return False
    return _lives(owner) if _is_here(owner) else time.time() - _changed(path) < WATCH_S


def _take(path: Path) -> None:
    for _ in range(3):  # another process may be taking over the same stale lock
        if _create(path):
            return
        owner = _owner(path)
        if owner is None:
            continue
        if _lives(owner) if _is_here(owner) else _beats(path):
            raise RunFolderError(
                f"Got {path.parent}, which process {owner.get('pid')} on {owner.get('host')} runs now, but "
                "expected one process a shard. Wait for it, stop it, or give another shard or folder."
            )
        _remove_stale(path, owner)
    raise RunFolderError(
        f"Got {path}, which other processes keep taking, but expected one process a shard. Run it again."
    )


def _create(path: Path) -> bool:
    owner = {"pid": os.getpid(), "host": platform.node(), "started": psutil.Process().create_time()}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise RunFolderError(f"{path}: Got {error.strerror}, but expected a folder that can be written.") from error
    try:
        os.write(handle, json.dumps(owner).encode())
    except OSError as error:  # a full disk: a lock that names nobody would keep everybody out
        path.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: Got {error.strerror}, but expected room to write. Free some space.") from error
    finally:
        os.close(handle)
    return True


def _owner(path: Path) -> Owner | None:
    """Who holds it; None where nobody does, empty where it cannot be told."""
    try:
        owner = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_here(owner: Owner) -> bool:
    return owner.get("host") == platform.node()


def _lives(owner: Owner) -> bool:
    try:
        process = psutil.Process(int(str(owner["pid"])))
        same = abs(process.create_time() - float(str(owner["started"]))) < CLOCK_STEP_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (KeyError, ValueError, psutil.Error):
        return False


def _changed(path: Path) -> float:
    try:
        with path.open() as file:  # opening makes NFS look again
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return -1.0


def _beats(path: Path) -> bool:
    first, end = _changed(path), time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(WATCH_S / 20)
        if _changed(path) not in (first, -1.0):
            return True
    return False


def _remove_stale(path: Path, owner: Owner) -> None:
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.stale")
    try:
        path.rename(aside)
    except OSError:  # another process was faster
        return
    if _owner(aside) != owner:  # ... and holds it by now: give it back
        aside.rename(path)
    else:
        aside.unlink(missing_ok=True)


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        try:
            os.utime(path)
        except OSError:
            continue
