"""NPZ: one array a column, or an (n, d) array x whose columns are called x_0 … x_{d-1}."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from serendip.errors import InputError


def column_names(path: Path, inside: str | None) -> list[str]:
    """The names of the arrays, and of the columns of those with two axes."""
    return list(_places(path))


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns, each loaded whole: the format has no smaller unit.

    Raises:
        InputError: the arrays differ in length.
    """
    places = _places(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {array: file[array] for array in {places[name][0] for name in names}}
    columns = {name: arrays[places[name][0]][places[name][1]] for name in names}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: Got arrays of lengths {lengths}, but expected equal ones.")
    for start in range(0, max(lengths.values(), default=0), rows_per_chunk):
        yield {name: values[start : start + rows_per_chunk] for name, values in columns.items()}


def _places(path: Path) -> dict[str, tuple[str, tuple]]:
    """Where each column stands: its array, and the index into it; only the headers are read."""
    places: dict[str, tuple[str, tuple]] = {}
    for array, shape in _shapes(path).items():
        if len(shape) == 1:
            places[array] = (array, (slice(None),))
        elif len(shape) == 2:
            places |= {f"{array}_{i}": (array, (slice(None), i)) for i in range(shape[1])}
    return places


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): _shape(archive, name) for name in archive.namelist()}


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(member)[0]
