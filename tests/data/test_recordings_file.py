from pathlib import Path

import h5py
import numpy as np
import pytest

from serendip.data import read
from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.data.recordings_file import (
    RecordingsWriter,
    count_recordings,
    iter_recordings,
    read_detector,
    read_recordings,
    write_recordings,
)
from serendip.errors import InputError

DETECTOR = {"name": "darwin", "g1": 0.12, "pmts": 955}


def recordings(n: int = 50, *, pulses: bool = True, first: int = 0) -> Recordings:
    rng = np.random.default_rng(first)
    columns = {name: rng.normal(size=n) for name in ("s1", "s2", "x")}
    events = Events(columns, observers={"row": first + np.arange(n)}, units={"s1": "PE", "x": "cm"})
    truth = {"is_nr": (rng.random(n) < 0.5).astype(np.int8), "recoil_energy": rng.random(n)}
    drawn = (rng.random((n, k)).astype(np.float32) for k in (20, 30, 7))
    return Recordings(events, *(drawn if pulses else (None, None, None)), truth=truth)


def assert_equal(one: Recordings, other: Recordings) -> None:
    for a, b in ((one.events.columns, other.events.columns), (one.truth, other.truth)):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
            assert a[name].dtype == b[name].dtype
    np.testing.assert_array_equal(one.events.observers["row"], other.events.observers["row"])
    assert one.has_pulses == other.has_pulses
    if one.has_pulses:
        for a, b in zip(one.require_pulses(), other.require_pulses(), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype == np.float32


@pytest.mark.parametrize("pulses", [True, False])
def test_what_is_written_is_read(tmp_path: Path, pulses: bool) -> None:
    sample = recordings(pulses=pulses)
    path = write_recordings(tmp_path / "a.h5", sample, DETECTOR)
    assert_equal(read_recordings(path), sample)
    assert read_recordings(path).events.units == {"s1": "PE", "x": "cm"}
    assert read_detector(path) == DETECTOR
    assert count_recordings(path) == 50


def test_chunks_come_one_after_the_other(tmp_path: Path) -> None:
    parts = [recordings(30), recordings(11, first=30)]
    with RecordingsWriter(tmp_path / "a.h5", DETECTOR) as file:
        for part in parts:
            file.append(part)
    assert_equal(read_recordings(tmp_path / "a.h5", start=30), parts[1])
    assert [len(part) for part in iter_recordings(tmp_path / "a.h5", 20)] == [20, 20, 1]


def test_pulses_can_be_left_out(tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "a.h5", recordings(), DETECTOR)
    assert not read_recordings(path, pulses=False).has_pulses


def test_the_columns_are_those_of_any_event_file_and_the_truth_is_not(tmp_path: Path) -> None:
    sample = recordings()
    path = write_recordings(tmp_path / "a.h5", sample, DETECTOR)
    events = read(path, features=["s1", "s2"], where="x > 0")
    np.testing.assert_array_equal(events.columns["s1"], sample.events.columns["s1"][sample.events.columns["x"] > 0])
    np.testing.assert_array_equal(read(f"{path}:/", features=["s1"]).columns["s1"], sample.events.columns["s1"])
    for name in ("is_nr", "pattern_0"):
        with pytest.raises(InputError, match=name):
            read(path, features=[name])


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with RecordingsWriter(tmp_path / "a.h5", DETECTOR) as file:
            file.append(recordings())
            assert not (tmp_path / "a.h5").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_chunks_with_other_arrays_are_refused(tmp_path: Path) -> None:
    def write(other: Recordings) -> None:
        with RecordingsWriter(tmp_path / "a.h5", DETECTOR) as file:
            file.append(recordings())
            file.append(other)

    with pytest.raises(InputError, match="other arrays"):
        write(recordings(pulses=False))
    sample = recordings()
    with pytest.raises(InputError, match="pulses/pattern: Got rows of"):
        write(Recordings(sample.events, sample.s1, sample.s2, sample.pattern[:, :5], sample.truth))


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    sample = recordings()
    path = write_recordings(tmp_path / "a.h5", sample, DETECTOR)
    (tmp_path / "file").write_text("")
    for bad, message in (
        (path, "exists"),
        (tmp_path / "a.csv", r"expected \.h5"),
        (tmp_path / "file" / "b.h5", "cannot be"),
    ):
        with pytest.raises(InputError, match=message):
            write_recordings(bad, sample, DETECTOR)
    with pytest.raises(InputError, match="no event to write"), RecordingsWriter(tmp_path / "c.h5", DETECTOR):
        pass
    assert not (tmp_path / "c.h5").exists()


def test_files_that_hold_no_recordings_are_refused(tmp_path: Path) -> None:
    whole = write_recordings(tmp_path / "whole.h5", recordings(5000), DETECTOR).read_bytes()
    (tmp_path / "text.h5").write_text("no file of numbers")
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["s1"] = np.arange(3.0)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.attrs.update({"kind": "recordings", "version": 1})
    cases = {"missing": "file that exists", "text": "cannot be read", "cut": "cannot be read"}
    for name, message in (cases | {"other": "no recordings", "empty": "cannot be read"}).items():
        with pytest.raises(InputError, match=message):
            read_recordings(tmp_path / f"{name}.h5")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("s1", np.array([b"text"] * 50), "in /s1, but expected numbers"),
        ("s1", np.zeros((50, 2)), "in /s1, but expected numbers"),
        ("pulses/s2", np.zeros(50, np.float32), "in /pulses/s2, but expected numbers"),
        ("truth/is_nr", np.zeros(49), "is_nr: Got 49 rows"),
        ("x", np.zeros(49), "x: Got shape"),
    ],
)
def test_arrays_that_were_tampered_with_are_refused(
    tmp_path: Path, name: str, values: np.ndarray, message: str
) -> None:
    path = write_recordings(tmp_path / "a.h5", recordings(), DETECTOR)
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    with pytest.raises(InputError, match=message):
        read_recordings(path)
