"""Write events to a file that the readers take back: HDF5, Parquet, CSV or NPZ, by the name's ending."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from serendip.data.events import Events, Truth
from serendip.data.formats.parquet import pyarrow_with_parquet
from serendip.errors import InputError, unknown_name

TRUTH_COLUMN = "label"
WEIGHT_COLUMN = "weight"


def write_events(path: str | Path, events: Events, truth: Truth | None = None) -> Path:
    """Write features, mass, weights, observers and, as column `label`, the truth.

    The weights are left out where all are 1. The file appears whole or not at all.

    Args:
        path: where; its ending names the format: .h5, .parquet, .csv, .npz.
        events: the sample.
        truth: 1 for signal in the file.

    Raises:
        InputError: the ending is unknown, the file exists, or its folder cannot be written.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: " + unknown_name("ending", path.suffix, WRITERS))
    if path.exists():
        raise InputError(f"{path}: Got a file that exists, but expected a new one. Delete it, or choose another name.")
    unfinished = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[path.suffix](unfinished, _columns(events, truth))
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _columns(events: Events, truth: Truth | None) -> dict[str, np.ndarray]:
    columns = dict(events.columns)
    if events.m is not None:
        columns[events.mass_name] = events.m
    if not np.all(events.w == 1.0):
        columns[WEIGHT_COLUMN] = events.w
    columns |= events.observers
    return columns if truth is None else columns | {TRUTH_COLUMN: truth.is_signal.astype(np.int8)}


def _write_hdf5(path: Path, columns: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, compression="gzip", shuffle=True)


def _write_parquet(path: Path, columns: dict[str, np.ndarray]) -> None:
    arrow = pyarrow_with_parquet()
    arrow.parquet.write_table(arrow.table(columns), path)


def _write_csv(path: Path, columns: dict[str, np.ndarray]) -> None:
    header = ",".join(columns)
    np.savetxt(path, np.column_stack(list(columns.values())), "%.17g", ",", header=header, comments="")


def _write_npz(path: Path, columns: dict[str, np.ndarray]) -> None:
    np.savez_compressed(path, **columns)  # type: ignore[arg-type]


WRITERS: dict[str, Callable[[Path, dict[str, np.ndarray]], None]] = {
    ".h5": _write_hdf5,
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".npz": _write_npz,
}
