import numpy as np
import pytest

from serendip.data import Events, Truth
from serendip.data.readers import read_labelled
from serendip.data.write import write_events
from serendip.errors import InputError
from serendip.seeds import rng_for


def sample():
    rng = rng_for(1, "write")
    w = rng.choice([1.0, -0.5, 2.0], 200)
    w[0] = 2.0
    events = Events(
        {"a": rng.normal(size=200), "b": rng.random(200)}, m=rng.exponential(500, 200), w=w, mass_name="mjj"
    )
    return events, Truth(rng.random(200) < 0.2)


@pytest.mark.parametrize("ending", ["h5", "parquet", "csv", "npz"])
def test_what_was_written_is_read_back(tmp_path, ending):
    events, truth = sample()
    path = write_events(tmp_path / f"events.{ending}", events, truth)
    back, truth_back = read_labelled(
        str(path), features=["a", "b"], mass="mjj", mass_name="mjj", weight="weight", truth="label"
    )
    assert np.allclose(back.x(), events.x(), rtol=1e-12)
    assert np.allclose(back.m, events.m, rtol=1e-12)
    assert np.array_equal(back.w, events.w)
    assert np.array_equal(truth_back.is_signal, truth.is_signal)


def test_a_file_that_exists_is_never_overwritten(tmp_path):
    events, truth = sample()
    path = tmp_path / "events.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match="Got a file that exists"):
        write_events(path, events, truth)
    assert path.read_text() == "mine"


def test_an_unknown_ending_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"expected one of: \.csv, \.h5, \.npz, \.parquet"):
        write_events(tmp_path / "events.xls", sample()[0])
