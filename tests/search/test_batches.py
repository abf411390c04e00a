"""Events of files come in batches: in order, none twice, none lost."""

import numpy as np
import pytest

from serendip.data import Events
from serendip.data.columns import Source
from serendip.data.recipe import Recipe
from serendip.data.write import write_events
from serendip.errors import InputError
from serendip.search.batches import Batch, FileEnd, Rows, cut, read_rows

RECIPE = Recipe({"x": "a", "y": "2 * a"})


def file_of(path, a):
    write_events(path, Events({"a": np.asarray(a, float)}))
    return Source(path, None)


def parts_of(sizes, chunk):
    """Files of these sizes in chunks; the feature counts on through all of them."""
    first = 0
    for number, size in enumerate(sizes):
        x = first + np.arange(size, dtype=float)
        for start in range(0, size, chunk):
            rows = np.arange(start, min(start + chunk, size))
            yield Rows(f"f{number}", x[rows, None], rows)
        yield FileEnd(f"f{number}", size, size, 0)
        first += size


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_across_files_every_event_is_in_one_batch_and_in_order(chunk):
    items = list(cut(parts_of([25, 3, 0, 40], chunk), 10, across_files=True))
    batches = [item for item in items if isinstance(item, Batch)]
    assert [len(batch.x) for batch in batches] == [10] * 6
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches])[:, 0], np.arange(60))
    assert [item.left for item in items if isinstance(item, FileEnd)] == [5, 8, 8, 8]
    assert batches[2].spans == [
        {"file": "f0", "start": 20, "stop": 25},
        {"file": "f1", "start": 0, "stop": 3},
        {"file": "f3", "start": 0, "stop": 2},
    ]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_within_files_a_batch_never_mixes_two_and_the_rest_is_told(chunk):
    items = list(cut(parts_of([25, 3, 40], chunk), 10, across_files=False))
    batches = [item for item in items if isinstance(item, Batch)]
    spans = [batch.spans for batch in batches]
    assert [len(one) for one in spans] == [1] * 6
    assert [one[0]["start"] for one in spans] == [0, 10, 0, 10, 20, 30]
    assert [item.left for item in items if isinstance(item, FileEnd)] == [5, 3, 0]


def test_rows_are_those_of_the_file_whatever_is_selected(tmp_path):
    source = file_of(tmp_path / "f.npz", range(100))
    recipe = Recipe({"x": "a"}, where="a > 49.5")
    rows, end = read_rows(source, recipe)
    np.testing.assert_array_equal(rows.rows, np.arange(50, 100))
    np.testing.assert_array_equal(rows.x[:, 0], np.arange(50, 100))
    assert (end.rows, end.stop) == (100, 100)


@pytest.mark.parametrize("chunk", [3, 1000])
def test_reading_goes_on_at_any_row(tmp_path, chunk):
    source = file_of(tmp_path / "f.h5", range(20))
    *parts, end = read_rows(source, RECIPE, start=8, chunk=chunk)
    x = np.concatenate([part.x for part in parts])
    np.testing.assert_array_equal(x, np.column_stack([np.arange(8, 20), 2 * np.arange(8, 20)]))
    assert end == FileEnd(str(source), 20, 20, 0)


def test_a_value_that_is_not_finite_is_named(tmp_path):
    source = file_of(tmp_path / "f.npz", [1, 2, np.nan, 4])
    with pytest.raises(InputError, match=r"f\.npz: Got nan for x in row 2"):
        list(read_rows(source, RECIPE))
    assert len(list(read_rows(source, RECIPE, start=3))) == 2  # judged before, or looked at already


def test_dropped_rows_are_counted(tmp_path):
    source = file_of(tmp_path / "f.npz", [1, np.inf, np.nan, 4])
    rows, end = read_rows(source, Recipe({"x": "a"}, non_finite="drop"))
    np.testing.assert_array_equal(rows.rows, [0, 3])
    assert end.dropped == 2
