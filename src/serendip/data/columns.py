"""The columns of an event file, whatever its format: their names, and their values chunk by chunk."""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from serendip.data.formats import csv, hdf5, npz, parquet, root
from serendip.errors import InputError, SerendipError, unknown_name

# Each module has `column_names(path, inside)` and `iter_columns(path, inside, names, rows_per_chunk)`.
FORMATS: Mapping[str, ModuleType] = {
    ".csv": csv,
    ".csv.gz": csv,
    ".h5": hdf5,
    ".hdf5": hdf5,
    ".npz": npz,
    ".parquet": parquet,
    ".root": root,
}
ROWS_PER_CHUNK = 1_000_000


class Source(NamedTuple):
    """A file, and the tree, group or dataset in it (None: the only one)."""

    path: Path
    inside: str | None

    def __str__(self) -> str:
        return f"{self.path}:{self.inside}" if self.inside else str(self.path)


def sources(path: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Source]:
    """The files of a path, a pattern such as `run*.root:events`, or a list of them, in order.

    Raises:
        InputError: there is none, or one does not exist or has an unknown format.
    """
    several = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not several:
        raise InputError("Got an empty list of files, but expected at least one.")
    return [source for one in several for source in _matching(os.path.expanduser(os.fspath(one)))]


def column_names(path: str | os.PathLike) -> list[str]:
    """The columns of a file; `file.root:tree` and `file.h5:group` name a part of it.

    Raises:
        InputError: the file cannot be read, or holds no table.
    """
    source = _only(path)
    with _readable(source):
        return list(_format(source.path).column_names(source.path, source.inside))


def iter_columns(
    path: str | os.PathLike, names: Sequence[str], *, rows_per_chunk: int = ROWS_PER_CHUNK
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns in chunks of at most `rows_per_chunk` rows; no other column is read.

    Decimals come as float64, whole numbers as they are stored (as float64 from CSV, which has no types).
    Memory holds one chunk; from NPZ, which allows no less, it holds each named column.

    Raises:
        InputError: the file cannot be read, lacks a column, or a column is not one number a row.
    """
    source = _only(path)
    if rows_per_chunk < 1:
        raise InputError(f"Got rows_per_chunk={rows_per_chunk}, but expected at least 1.")
    known = column_names(path)
    for name in names:
        if name not in known:
            raise InputError(f"{source}: {unknown_name('column', name, known)}")
    with _readable(source):
        chunks = _format(source.path).iter_columns(source.path, source.inside, list(names), rows_per_chunk)
        for chunk in chunks:
            yield {name: _numbers(source, name, chunk[name]) for name in names}


def _matching(text: str) -> list[Source]:
    file, inside = _split(text)
    if not glob.has_magic(file) or Path(file).exists():
        return [_existing(file, inside)]
    found = sorted(glob.glob(file))
    if not found:
        raise InputError(f"Got {file!r}, but expected a pattern that at least one file matches.")
    return [_existing(one, inside) for one in found]


def _split(text: str) -> tuple[str, str | None]:
    """`file.root:tree` in its two parts; a colon elsewhere belongs to the path."""
    file, colon, inside = text.rpartition(":")
    if colon and _suffix(file) and not Path(text).exists():
        return file, inside or None
    return text, None


def _suffix(file: str) -> str | None:
    return next((suffix for suffix in FORMATS if file.lower().endswith(suffix)), None)


def _existing(file: str, inside: str | None) -> Source:
    if not Path(file).is_file():
        raise InputError(f"Got {file!r}, but expected a file that exists.")
    _format(Path(file))
    return Source(Path(file), inside)


def _format(path: Path) -> ModuleType:
    suffix = _suffix(path.name)
    if suffix is None:
        raise InputError(f"{path}: Got an unknown format, but expected a name that ends in {', '.join(FORMATS)}.")
    return FORMATS[suffix]


def _only(path: str | os.PathLike) -> Source:
    found = sources(path)
    if len(found) != 1:
        raise InputError(f"Got {len(found)} files for {path}, but expected one.")
    return found[0]


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """Names the file in whatever its parser raises; on a damaged file that can be any exception."""
    try:
        yield
    except (SerendipError, MemoryError):
        raise
    except Exception as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{source}: Got a file that cannot be read ({cause}), but expected a whole file of the format "
            "its name says. It may be truncated, or hold text where numbers belong: fetch or write it again."
        ) from error


def _numbers(source: Source, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        got = f"{values.dtype} of shape {values.shape}"
        raise InputError(f"{source}: Got {got} in column {name!r}, but expected one number a row.")
    native = np.float64 if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    return values.astype(native, copy=False)
