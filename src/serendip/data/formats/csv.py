"""CSV, plain or gzipped: a header of names, commas, and lines that start with # before it."""

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from serendip.errors import InputError

ROWS_PER_BLOCK = 1 << 16


def column_names(path: Path, inside: str | None) -> list[str]:
    """The names in the header.

    Raises:
        InputError: the file is empty, or begins with numbers instead of a header.
    """
    _, header = _header(path)
    names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(",")]
    if all(_is_number(name) for name in names):
        raise InputError(f"{path}: Got numbers in the first line, but expected the names of the columns.")
    return names


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns as float64; an empty entry becomes NaN."""
    skip, _ = _header(path)
    known = column_names(path, inside)
    places = [known.index(name) for name in names]
    with _opened(path) as lines:
        rows = islice(lines, skip + 1, None)
        while blocks := list(_blocks(rows, places, rows_per_chunk)):
            values = np.concatenate(blocks)
            yield {name: np.ascontiguousarray(values[:, i]) for i, name in enumerate(names)}


def _blocks(lines: Iterator[str], places: list[int], rows: int) -> Iterator[np.ndarray]:
    """Up to so many rows as numbers, a few at a time: text takes several times the memory of its numbers."""
    while rows > 0 and (block := list(islice(lines, min(rows, ROWS_PER_BLOCK)))):
        rows -= len(block)
        if any(line.strip() for line in block):
            yield _numbers(block, places)


def _numbers(block: list[str], places: list[int]) -> np.ndarray:
    try:
        return np.loadtxt(block, delimiter=",", usecols=places, ndmin=2, quotechar='"', comments=None)
    except ValueError:  # the slow way knows empty entries; what is no number it refuses too, and names
        return np.loadtxt(
            block, delimiter=",", usecols=places, ndmin=2, quotechar='"', comments=None, converters=_number_or_nan
        )


def _number_or_nan(text: str) -> float:
    return float(text) if text.strip() else math.nan


def _header(path: Path) -> tuple[int, str]:
    """How many comment lines come first, and the line after them."""
    with _opened(path) as lines:
        for number, line in enumerate(lines):
            if not line.startswith("#") and line.strip():
                return number, line
    raise InputError(f"{path}: Got an empty file, but expected a header and rows.")


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        yield iter(lines)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
