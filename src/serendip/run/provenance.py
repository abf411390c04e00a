"""Where a result comes from: versions, platform, input hashes, times, memory. No host names, no paths."""

import hashlib
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from serendip.errors import InputError

PACKAGES = (
    "serendip", "numpy", "scipy", "scikit-learn", "numba", "jax", "jaxlib", "equinox", "optax", "iminuit",
    "lightgbm", "h5py", "pyarrow", "uproot", "awkward", "dask", "distributed", "dask-jobqueue", "matplotlib",
    "mplhep", "hepdata-lib", "pyhf",
)  # fmt: skip
CHUNK = 1 << 20


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that can change a result, where installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """The kind of machine."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "implementation": platform.python_implementation(),
    }


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, read in chunks.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: Got {error.strerror}, but expected a file that can be read.") from error
    return digest.hexdigest()


def peak_memory_mb() -> float:
    """The largest resident memory of this process, or of one that it started and that ended; in MiB."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)  # Linux counts in KiB


class Stopwatch:
    """Wall time, whole and by stage; a stage timed twice adds up."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self.stages: dict[str, float] = {}

    @property
    def wall_s(self) -> float:
        """Seconds since the watch was made."""
        return time.monotonic() - self._begin

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what stands in the block, even if it fails."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.monotonic() - begin

    def timing(self) -> dict[str, object]:
        """As `result.json` holds it, in seconds."""
        return {
            "wall_s": round(self.wall_s, 3),
            "stages": {name: round(s, 3) for name, s in self.stages.items()},
        }
