import gzip
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from serendip.data import column_names, iter_columns
from serendip.errors import InputError, MissingExtraError


def joined(path: Path, names: list[str], rows: int) -> dict[str, np.ndarray]:
    chunks = list(iter_columns(path, names, rows_per_chunk=rows))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


def test_every_format_lists_its_columns(any_file: Path, columns: dict) -> None:
    assert sorted(column_names(any_file)) == sorted(columns)


def test_every_format_gives_back_what_was_written(any_file: Path, columns: dict) -> None:
    read = joined(any_file, list(columns), rows=170)
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name].astype(values.dtype), values, err_msg=name)
    assert read["eta"].dtype == np.float64


def test_no_chunk_is_longer_than_asked(any_file: Path) -> None:
    lengths = [len(chunk["pt"]) for chunk in iter_columns(any_file, ["pt"], rows_per_chunk=170)]
    assert max(lengths) <= 170
    assert sum(lengths) == 1000


def test_only_the_named_columns_come(any_file: Path) -> None:
    chunk = next(iter_columns(any_file, ["mjj", "pt"]))
    assert list(chunk) == ["mjj", "pt"]


def test_a_missing_column_is_named_with_the_file_and_the_nearest(any_file: Path) -> None:
    with pytest.raises(InputError, match=rf"{any_file.name}: Got column 'mj'.*Did you mean 'mjj'"):
        next(iter_columns(any_file, ["pt", "mj"]))


def test_a_truncated_file_is_named(any_file: Path) -> None:
    if any_file.suffix == ".csv":
        pytest.skip("a CSV that ends early is a shorter CSV")
    whole = any_file.read_bytes()
    any_file.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match=rf"{any_file.name}.*cannot be read.*truncated"):
        list(iter_columns(any_file, ["pt"]))


def test_a_file_of_another_kind_than_its_name_says_is_named(any_file: Path) -> None:
    any_file.write_bytes(b"\x00\x01 this is no table \xff" * 100)
    with pytest.raises(InputError, match=any_file.name):
        list(iter_columns(any_file, ["pt"]))


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "events.xlsx").touch()
    with pytest.raises(InputError, match=r"events.xlsx.*unknown format.*\.parquet.*\.root"):
        column_names(tmp_path / "events.xlsx")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.h5.*exists"):
        column_names(tmp_path / "nowhere.h5")


def test_chunks_of_no_rows_are_refused(any_file: Path) -> None:
    with pytest.raises(InputError, match="rows_per_chunk=0"):
        next(iter_columns(any_file, ["pt"], rows_per_chunk=0))


def test_csv_skips_comments_and_takes_decimals_after_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "spectrum.csv"
    path.write_text("# a paper\n# and its page\nx,y\n" + "1,2\n" * 500_000 + "1.5,\n")
    y, x = (joined(path, [name], rows=400_000)[name] for name in ("y", "x"))
    assert x[-1] == 1.5
    assert np.isnan(y[-1])
    assert len(x) == 500_001


def test_csv_without_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="numbers in the first line"):
        column_names(path)


def test_csv_of_text_names_the_column_and_the_value(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_text("a,b\n1,barrel\n")
    with pytest.raises(InputError, match=r"text.csv.*barrel"):
        list(iter_columns(path, ["b"]))


def test_an_empty_csv_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputError, match=r"empty.csv: Got an empty file"):
        column_names(tmp_path / "empty.csv")


def test_a_gzipped_csv_that_was_cut_is_no_shorter_csv(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n2\n3\n" * 10_000)[:-20])
    with pytest.raises(InputError, match=r"cut.csv.gz.*cannot be read"):
        list(iter_columns(path, ["a"]))


def test_parquet_lists_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "jagged.parquet"
    pyarrow.parquet.write_table(pa.table({"pt": [[1.0], [2.0, 3.0]]}), path)
    with pytest.raises(InputError, match=r"'pt'.*one number a row"):
        next(iter_columns(path, ["pt"]))


def test_parquet_nulls_become_nan(tmp_path: Path) -> None:
    path = tmp_path / "nulls.parquet"
    pyarrow.parquet.write_table(pa.table({"n": pa.array([1, None, 3])}), path)
    np.testing.assert_array_equal(next(iter_columns(path, ["n"]))["n"], [1.0, np.nan, 3.0])


def test_npz_with_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, a=np.array([1.0, "x", None], dtype=object))
    with pytest.raises(InputError, match=r"objects.npz.*allow_pickle"):
        list(iter_columns(path, ["a"]))


def test_arrays_with_two_axes_give_numbered_columns(tmp_path: Path) -> None:
    x = np.arange(12.0).reshape(4, 3)
    np.savez(tmp_path / "x.npz", x=x, m=np.arange(4.0))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["m"] = x, np.arange(4.0)
    for path in (tmp_path / "x.npz", tmp_path / "x.h5"):
        assert sorted(column_names(path)) == ["m", "x_0", "x_1", "x_2"]
        np.testing.assert_array_equal(joined(path, ["x_2"], rows=3)["x_2"], x[:, 2])


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_columns_of_different_lengths_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ragged.{suffix}"
    if suffix == "npz":
        np.savez(path, a=np.ones(3), b=np.ones(4))
    else:
        with h5py.File(path, "w") as file:
            file["a"], file["b"] = np.ones(3), np.ones(4)
    with pytest.raises(InputError, match="lengths"):
        list(iter_columns(path, ["a", "b"]))


def test_several_tables_need_a_name(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["data/pt"], file["simulation/pt"] = np.zeros(2), np.ones(2)
    with pytest.raises(InputError, match=r"tables data, simulation.*two.h5:data"):
        column_names(path)
    assert next(iter_columns(f"{path}:simulation", ["pt"]))["pt"][0] == 1
    with pytest.raises(InputError, match="Did you mean 'simulation'"):
        column_names(f"{path}:simulatoin")


def test_several_trees_need_a_name(tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "two.root"
    with uproot.recreate(path) as file:
        file["data"], file["mc/nominal"] = {"pt": np.zeros(2)}, {"pt": np.ones(2)}
    with pytest.raises(InputError, match=r"2 trees.*two.root:data"):
        column_names(path)
    assert next(iter_columns(f"{path}:mc/nominal", ["pt"]))["pt"][0] == 1


def test_a_jagged_branch_is_refused_by_name(tmp_path: Path) -> None:
    uproot, ak = pytest.importorskip("uproot"), pytest.importorskip("awkward")
    path = tmp_path / "jagged.root"
    with uproot.recreate(path) as file:
        file["events"] = {"jet": ak.Array([[1.0], [2.0, 3.0]]), "met": np.ones(2)}
    with pytest.raises(InputError, match=r"'jet'.*one number a row"):
        next(iter_columns(path, ["jet"]))
    assert next(iter_columns(path, ["met"]))["met"].sum() == 2


def test_a_missing_extra_prints_its_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.root").touch()
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(MissingExtraError, match=r'pip install "serendip\[root\]"'):
        column_names(tmp_path / "a.root")


def test_the_lhc_olympics_file_holds_its_published_columns(real_data: Path) -> None:
    path = real_data / "lhco/lhco_rnd_100k.features.h5"
    assert column_names(path)[:4] == ["pxj1", "pyj1", "pzj1", "mj1"]
    assert joined(path, ["label"], rows=30_000)["label"].sum() == 9059


def test_an_empty_entry_of_a_csv_is_nan(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("a,b\n1,2\n,4\n5,\n")
    (chunk,) = iter_columns(path, ["a", "b"])
    assert np.array_equal(chunk["a"], [1, np.nan, 5], equal_nan=True)
    assert np.array_equal(chunk["b"], [2, 4, np.nan], equal_nan=True)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"serendip\[parquet\]"):
        column_names(path)
