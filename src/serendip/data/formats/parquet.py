"""Parquet: row groups are streamed, so that one of any size costs no more than a chunk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

BYTES_PER_READ = 1 << 20


def column_names(path: Path, inside: str | None) -> list[str]:
    """The names of the columns."""
    with pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns; an empty entry becomes NaN."""
    with pq.ParquetFile(path, buffer_size=BYTES_PER_READ, pre_buffer=False) as file:
        for batch in file.iter_batches(rows_per_chunk, columns=names, use_threads=False):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in names}
