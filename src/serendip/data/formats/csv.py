"""CSV, plain or gzipped: a header of names, commas, and lines that start with # before it."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from serendip.errors import InputError

BYTES_PER_BLOCK = 1 << 22


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
    """The named columns as float64: types guessed from a first block would be wrong for a later one."""
    skip, _ = _header(path)
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(
            block_size=BYTES_PER_BLOCK,
            skip_rows=skip + 1,
            column_names=column_names(path, inside),
            use_threads=False,
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=names, column_types={name: pa.float64() for name in names}
        ),
    )
    with reader:
        for table in _regrouped(reader, rows_per_chunk):
            yield {name: table[name].to_numpy() for name in names}


def _regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `rows`, the last one shorter."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(map(len, waiting)) >= rows:
            table = pa.Table.from_batches(waiting)
            yield table[:rows]
            waiting = table[rows:].to_batches()
    if sum(map(len, waiting)):
        yield pa.Table.from_batches(waiting)


def _header(path: Path) -> tuple[int, str]:
    """How many comment lines come first, and the line after them."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines):
            if not line.startswith("#") and line.strip():
                return number, line
    raise InputError(f"{path}: Got an empty file, but expected a header and rows.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
