"""Parquet, read with pyarrow: row groups are streamed, so that one of any size costs no more than a chunk."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from serendip.errors import MissingExtraError

BYTES_PER_READ = 1 << 20


def column_names(path: Path, inside: str | None) -> list[str]:
    """The names of the columns."""
    with pyarrow_with_parquet().parquet.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns; an empty entry becomes NaN."""
    with pyarrow_with_parquet().parquet.ParquetFile(path, buffer_size=BYTES_PER_READ, pre_buffer=False) as file:
        for batch in file.iter_batches(rows_per_chunk, columns=names, use_threads=False):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in names}


def pyarrow_with_parquet() -> ModuleType:
    """pyarrow, its Parquet part loaded; an extra, because it is a sixth of what everything else takes on disk.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pyarrow
