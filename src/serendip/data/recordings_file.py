"""Recordings in one HDF5 file, written and read in chunks, so that memory does not grow with it.

The columns are datasets at the top, where `data.read` finds them; pulses and truth stand in groups of their own, which it
passes over. Numbers and JSON are all there is: nothing in a file is ever run.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from serendip.data.events import Events
from serendip.data.formats.hdf5 import BESIDE
from serendip.data.recordings import PULSES, Recordings
from serendip.errors import InputError, SerendipError

KIND, VERSION = "recordings", 1
OBSERVER, WEIGHT = "observer", "weight"
BYTES_PER_CHUNK, ROWS_PER_CHUNK = 1 << 19, 8192
# Nearly all tubes of a pattern see light: LZF would take a quarter of the time of the simulation and save a tenth.
UNCOMPRESSED = "pulses/pattern"


class RecordingsWriter:
    """Writes recordings one chunk after the other: `with RecordingsWriter(path, detector) as file: file.append(...)`.

    The file appears when the block ends without an error, whole or not at all.
    """

    def __init__(self, path: str | os.PathLike, detector: Mapping[str, Any]) -> None:
        """Begin a new file.

        Args:
            path: where; it must end in .h5 and not exist.
            detector: the numbers of the detector, kept as JSON.

        Raises:
            InputError: the name does not end in .h5, the file exists, or its folder cannot be written.
        """
        self.path = Path(path)
        self.events = 0
        _check_new(self.path)
        self._unfinished = self.path.with_name(f".{self.path.name}.part.h5")
        with _writable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self._unfinished, "w")
            self._file.attrs.update({"kind": KIND, "version": VERSION, "detector": json.dumps(dict(detector))})

    def __enter__(self) -> "RecordingsWriter":
        return self

    def append(self, recordings: Recordings) -> None:
        """Add events at the end.

        Raises:
            InputError: their arrays are not those of the events before, or the disk is full.
        """
        arrays = _arrays(recordings)
        with _writable(self.path):
            if not self._file.keys():
                self._create(recordings, arrays)
            if arrays.keys() != set(_datasets(self._file)):
                raise InputError(
                    f"{self.path}: Got recordings with other arrays than those before, but expected the same."
                )
            for name, values in arrays.items():
                dataset = self._file[name]
                if values.shape[1:] != dataset.shape[1:]:
                    raise InputError(
                        f"{name}: Got rows of {values.shape[1:]}, but expected {dataset.shape[1:]} as before."
                    )
                dataset.resize(self.events + len(values), axis=0)
                dataset[self.events :] = values
        self.events += len(recordings)

    def _create(self, recordings: Recordings, arrays: Mapping[str, np.ndarray]) -> None:
        for name, values in arrays.items():
            rows = BYTES_PER_CHUNK // (values.dtype.itemsize * int(np.prod(values.shape[1:])))
            self._file.create_dataset(
                name,
                (0, *values.shape[1:]),
                values.dtype,
                maxshape=(None, *values.shape[1:]),
                chunks=(min(max(rows, 1), ROWS_PER_CHUNK), *values.shape[1:]),
                compression=None if name == UNCOMPRESSED else "lzf",
            )
        for group in self._file.values():
            if isinstance(group, h5py.Group):
                group.attrs[BESIDE] = True
        for name in recordings.events.observers:
            self._file[name].attrs[OBSERVER] = True
        for name, unit in recordings.events.units.items():
            if name in self._file:
                self._file[name].attrs["unit"] = unit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; it gets its name unless an error ends the block."""
        try:
            with _writable(self.path):
                self._file.close()
                if kind is None:
                    if not self.events:
                        raise InputError(f"{self.path}: Got no event to write, but expected at least one.")
                    self._unfinished.replace(self.path)
        finally:
            self._unfinished.unlink(missing_ok=True)


def write_recordings(path: str | os.PathLike, recordings: Recordings, detector: Mapping[str, Any]) -> Path:
    """Write recordings with the numbers of their detector; the file appears whole or not at all.

    Raises:
        InputError: the name does not end in .h5, the file exists or cannot be written, or there is no event.
    """
    with RecordingsWriter(path, detector) as file:
        file.append(recordings)
    return Path(path)


def read_recordings(
    path: str | os.PathLike, *, start: int = 0, stop: int | None = None, pulses: bool = True
) -> Recordings:
    """The recordings of a file, or those from row `start` up to `stop`.

    Args:
        path: of a file that `write_recordings` or `RecordingsWriter` wrote.
        start: first row.
        stop: the row after the last; None for the end.
        pulses: whether to read waveforms and patterns, where there are any.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    with _opened(path) as file:
        names = [name for name in _datasets(file) if pulses or not name.startswith("pulses/")]
        arrays = {name: _numbers(path, file[name], slice(start, stop)) for name in names}
        attributes = {name: dict(file[name].attrs) for name in arrays}
        return _recordings(arrays, attributes)


def _recordings(arrays: dict[str, np.ndarray], attributes: Mapping[str, Mapping[str, Any]]) -> Recordings:
    w = arrays.pop(WEIGHT)
    top = {name: values for name, values in arrays.items() if "/" not in name}
    observers = {name: values for name, values in top.items() if OBSERVER in attributes[name]}
    columns = {name: values for name, values in top.items() if name not in observers}
    units = {name: str(attributes[name]["unit"]) for name in top if "unit" in attributes[name]}
    s1, s2, pattern = (arrays.get(f"pulses/{name}") for name in PULSES)
    truth = {name.removeprefix("truth/"): values for name, values in arrays.items() if name.startswith("truth/")}
    return Recordings(Events(columns, w=w, observers=observers, units=units), s1, s2, pattern, truth)


def iter_recordings(path: str | os.PathLike, rows: int = 20_000, *, pulses: bool = True) -> Iterator[Recordings]:
    """The recordings of a file in chunks of so many rows.

    Raises:
        InputError: the file is missing, damaged, or holds something else, or `rows` is below 1.
    """
    if rows < 1:
        raise InputError(f"rows: Got {rows}, but expected at least 1.")
    for start in range(0, count_recordings(path), rows):
        yield read_recordings(path, start=start, stop=start + rows, pulses=pulses)


def count_recordings(path: str | os.PathLike) -> int:
    """How many events a file holds.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    with _opened(path) as file:
        return len(file[WEIGHT])


def read_detector(path: str | os.PathLike) -> dict[str, Any]:
    """The numbers of the detector that a file was written for.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    with _opened(path) as file:
        return dict(json.loads(file.attrs["detector"]))


def _arrays(recordings: Recordings) -> dict[str, np.ndarray]:
    """Every array under the name of its dataset."""
    events = recordings.events
    pulses = {f"pulses/{name}": getattr(recordings, name) for name in PULSES if recordings.has_pulses}
    truth = {f"truth/{name}": values for name, values in recordings.truth.items()}
    return {**events.columns, **events.observers, WEIGHT: events.w, **pulses, **truth}


def _numbers(path: str | os.PathLike, dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """Rows of a dataset, once it is sure to be numbers: a value a row, or a row of float32 for pulses."""
    pulse = dataset.name.startswith("/pulses/")
    if dataset.ndim != (2 if pulse else 1) or (
        dataset.dtype != np.float32 if pulse else dataset.dtype.kind not in "fiub"
    ):
        got = f"{dataset.dtype} of shape {dataset.shape}"
        raise InputError(f"{path}: Got {got} in {dataset.name}, but expected numbers as simulate tpc writes them.")
    return dataset[rows]


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None)
    return names


def _check_new(path: Path) -> None:
    if path.suffix != ".h5":
        raise InputError(f"{path}: Got the ending {path.suffix!r}, but expected .h5 for recordings.")
    if path.exists():
        raise InputError(f"{path}: Got a file that exists, but expected a new one. Delete it, or choose another name.")


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}).") from error


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[h5py.File]:
    """The file, open; names it in whatever a foreign or damaged one makes the parser raise."""
    if not Path(path).is_file():
        raise InputError(f"Got {os.fspath(path)!r}, but expected a file that exists.")
    try:
        with h5py.File(path) as file:
            if file.attrs.get("kind") != KIND or file.attrs.get("version") != VERSION:
                raise InputError(f"{path}: Got no recordings, but expected a file of serendip simulate tpc.")
            yield file
    except (SerendipError, MemoryError):
        raise
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{path}: Got a file that cannot be read ({error}), but expected whole recordings.") from error
