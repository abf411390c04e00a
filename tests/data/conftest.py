"""One small table in every format, and the folder of real data."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest


def table(rows: int = 1000) -> dict[str, np.ndarray]:
    """Columns of three types; `event` is beyond what float32 can count."""
    rng = np.random.default_rng(7)
    return {
        "pt": rng.exponential(50.0, rows),
        "eta": rng.normal(size=rows).astype(np.float32),
        "event": np.arange(rows) + 10_000_000_001,
        "label": (np.arange(rows) % 4 == 0).astype(np.int64),
        "mjj": rng.uniform(2000.0, 6000.0, rows),
    }


def write_csv(path: Path, columns: dict) -> None:
    pyarrow.csv.write_csv(pa.table(columns), path)


def write_csv_gz(path: Path, columns: dict) -> None:
    with pa.output_stream(path, compression="gzip") as stream:
        pyarrow.csv.write_csv(pa.table(columns), stream)


def write_parquet(path: Path, columns: dict) -> None:
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=300)


def write_npz(path: Path, columns: dict) -> None:
    np.savez(path, **columns)


def write_hdf5(path: Path, columns: dict) -> None:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"events/{name}"] = values


def write_compound(path: Path, columns: dict) -> None:
    rows = np.rec.fromarrays(list(columns.values()), names=list(columns))
    with h5py.File(path, "w") as file:
        file["jets"] = rows


def write_fixed_frame(path: Path, columns: dict) -> None:
    """The layout of pandas' to_hdf(format="fixed"): one block a type."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs["pandas_type"] = np.bytes_("frame")
        frame["axis0"] = np.array(list(columns), dtype="S")
        types = list(dict.fromkeys(values.dtype for values in columns.values()))
        frame.attrs["nblocks"] = len(types)
        for block, dtype in enumerate(types):
            names = [name for name, values in columns.items() if values.dtype == dtype]
            frame[f"block{block}_items"] = np.array(names, dtype="S")
            values = frame.create_dataset(f"block{block}_values", data=np.column_stack([columns[n] for n in names]))
            values.attrs["transposed"] = np.uint8(1)


def write_table_frame(path: Path, columns: dict) -> None:
    """The layout of pandas' to_hdf(format="table"): a compound dataset, its columns in a serialised list."""
    blocks = {"values_block_0": ["pt", "mjj"], "values_block_1": ["event", "label"]}
    length = len(columns["pt"])
    fields = [
        ("index", "i8"),
        *((name, columns[held[0]].dtype, (2,)) for name, held in blocks.items()),
        ("eta", "f4"),
    ]
    rows = np.zeros(length, dtype=fields)
    rows["eta"] = columns["eta"]
    for name, held in blocks.items():
        rows[name] = np.column_stack([columns[one] for one in held])
    with h5py.File(path, "w") as file:
        file.create_group("df").attrs["pandas_type"] = np.bytes_("frame_table")
        dataset = file.create_dataset("df/table", data=rows)
        for name, (a, b) in blocks.items():
            dataset.attrs[f"{name}_kind"] = np.bytes_(f"(lp0\nV{a}\np1\naV{b}\np2\na.")


def write_root(path: Path, columns: dict) -> None:
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {name: values.dtype for name, values in columns.items()})
        for start in range(0, len(columns["pt"]), 300):
            tree.extend({name: values[start : start + 300] for name, values in columns.items()})


WRITERS: dict[str, Callable[[Path, dict], None]] = {
    "plain.csv": write_csv,
    "packed.csv.gz": write_csv_gz,
    "plain.parquet": write_parquet,
    "plain.npz": write_npz,
    "plain.h5": write_hdf5,
    "compound.h5": write_compound,
    "fixed_frame.h5": write_fixed_frame,
    "table_frame.h5": write_table_frame,
    "plain.root": write_root,
}


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    return table()


@pytest.fixture(params=WRITERS)
def any_file(request: pytest.FixtureRequest, tmp_path: Path, columns: dict) -> Path:
    path = tmp_path / request.param
    WRITERS[request.param](path, columns)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, dict], Path]:
    """Writes columns to a Parquet file of this name."""

    def write(name: str, columns: dict) -> Path:
        write_parquet(tmp_path / name, columns)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("SERENDIP_DATA", Path(__file__).parents[2] / "../shared/data"))
    if not folder.is_dir():
        pytest.skip("no real data: set SERENDIP_DATA")
    return folder.resolve()
