"""HDF5: datasets side by side, a compound dataset, or a pandas frame such as the LHC Olympics files.

pandas writes a "fixed" frame as blocks of one type, each with its values (rows, items) and their names, and a
"table" frame as a compound dataset whose fields are columns or blocks of them. h5py reads both, without
pandas or PyTables.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from serendip.errors import InputError, unknown_name

BESIDE = (
    "beside"  # attribute of a group that stands beside the columns and is none of them, as the pulses of recordings
)


@dataclass(frozen=True)
class Place:
    """Where a column stands: its dataset, the field of a compound one, and its entry in a row of several."""

    dataset: h5py.Dataset
    field: str | None = None
    item: int | None = None
    rows_first: bool = True


def column_names(path: Path, inside: str | None) -> list[str]:
    """The columns of the only table in the file, or of the group or dataset named."""
    with h5py.File(path) as file:
        return list(_places(path, file, inside))


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named columns; a block of columns is read once for all of them.

    Raises:
        InputError: the datasets differ in length.
    """
    with h5py.File(path) as file:
        table = _places(path, file, inside)
        places = {name: table[name] for name in names}
        for start in range(0, _length(path, places), rows_per_chunk):
            yield _chunk(places, slice(start, start + rows_per_chunk))


def _length(path: Path, places: Mapping[str, Place]) -> int:
    lengths = {name: place.dataset.shape[0 if place.rows_first else 1] for name, place in places.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: Got datasets of lengths {lengths}, but expected equal ones.")
    return next(iter(lengths.values()), 0)


def _chunk(places: Mapping[str, Place], rows: slice) -> dict[str, np.ndarray]:
    read: dict[tuple, np.ndarray] = {}
    columns = {}
    for name, place in places.items():
        key = (place.dataset.name, place.field)
        if key not in read:
            read[key] = _rows(place, rows)
        block = read[key]
        columns[name] = block if place.item is None else np.ascontiguousarray(block[:, place.item])
    return columns


def _rows(place: Place, rows: slice) -> np.ndarray:
    if place.field is not None:
        return place.dataset.fields(place.field)[rows]
    return place.dataset[rows] if place.rows_first else place.dataset[:, rows].T


def _places(path: Path, file: h5py.File, inside: str | None) -> dict[str, Place]:
    tables = _tables(file)
    if inside is not None:
        inside = inside.strip("/") or "/"
        if inside not in tables:
            raise InputError(f"{path}: {unknown_name('table', inside, tables)}")
        return tables[inside]
    if not tables:
        raise InputError(f"{path}: Got no dataset of numbers, but expected columns.")
    if len(tables) > 1:
        first = next(iter(tables))
        raise InputError(f"{path}: Got the tables {', '.join(tables)}, but expected one, or its name: {path}:{first}.")
    return next(iter(tables.values()))


def _tables(group: h5py.Group) -> dict[str, dict[str, Place]]:
    """Every table below a group, by its path: frames, compound datasets, and groups of plain datasets."""
    kind = _text(group.attrs.get("pandas_type", b""))
    path = group.name.strip("/")
    if kind == "frame":
        return {path: _fixed_frame(group)}
    if kind == "frame_table":
        return {path: _table_frame(group["table"])}
    below = [group[name] for name in group]
    datasets = [one for one in below if isinstance(one, h5py.Dataset)]
    compound = {one.name.strip("/"): _fields(one) for one in datasets if one.dtype.names and one.ndim == 1}
    plain: dict[str, Place] = {}
    for dataset in datasets:
        plain |= _columns(dataset)
    inner: dict[str, dict[str, Place]] = {}
    for one in below:
        if isinstance(one, h5py.Group) and BESIDE not in one.attrs:
            inner |= _tables(one)
    return ({path or "/": plain} if plain else {}) | compound | inner


def _columns(dataset: h5py.Dataset) -> dict[str, Place]:
    if dataset.dtype.names:
        return {}
    name = dataset.name.rpartition("/")[2]
    if dataset.ndim == 2:
        return {f"{name}_{i}": Place(dataset, item=i) for i in range(dataset.shape[1])}
    return {name: Place(dataset)} if dataset.ndim == 1 else {}


def _fields(dataset: h5py.Dataset) -> dict[str, Place]:
    return {name: Place(dataset, field=name) for name in dataset.dtype.names}


def _fixed_frame(group: h5py.Group) -> dict[str, Place]:
    places = {}
    for block in range(int(group.attrs["nblocks"])):
        values = group[f"block{block}_values"]
        if values.ndim != 2:  # text and other objects, stored in a way that would run code when loaded
            continue
        rows_first = bool(values.attrs.get("transposed", False))
        for item, name in enumerate(group[f"block{block}_items"][:]):
            places[_text(name)] = Place(values, item=item, rows_first=rows_first)
    ordered = [_text(name) for name in group["axis0"][:]]
    return {name: places[name] for name in ordered if name in places}


def _table_frame(dataset: h5py.Dataset) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for field in dataset.dtype.names:
        if dataset.dtype[field].shape:
            names = _block_names(dataset.attrs[f"{field}_kind"])
            places |= {name: Place(dataset, field=field, item=i) for i, name in enumerate(names)}
        elif field != "index":
            places[field] = Place(dataset, field=field)
    return places


def _block_names(stored: bytes) -> list[str]:
    """The names of a block's columns, picked by pattern from the serialised list that pandas stores.

    Loading that list the way pandas does could run code from the file.
    """
    lines = re.findall(rb"(?:^|\na?|\(lp\d+\n)(?:V(.*)|S'(.*)')(?=\np\d+)", bytes(stored))
    return [(unicode or ascii_).decode("raw_unicode_escape") for unicode, ascii_ in lines]


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
