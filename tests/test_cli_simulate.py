"""`serendip simulate tpc` as a newcomer meets it."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from serendip.cli import main
from serendip.data import read
from serendip.data.recordings_file import read_detector, read_recordings

pytest.importorskip("nestpy")
pytest.importorskip("wimprates")


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["simulate", "tpc", *map(str, arguments)], catch_exceptions=False)


def test_a_file_holds_what_was_asked_for_and_the_last_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    done = simulate("--type", "wimp", "--mass", 50, "-n", 400, "-o", path, "--set", "drift_field=100")
    assert done.exit_code == 0
    assert "400 deposits of WIMPs of 50 GeV, 1e-47 cm²," in done.output
    recordings = read_recordings(path)
    assert f"{len(recordings)} triggered" in done.output
    assert recordings.pattern.shape == (len(recordings), 955)
    assert recordings.truth["is_nr"].all()
    assert read_detector(path)["drift_field"] == 100
    assert len(read(path, features=["cs1", "cs2"])) == len(recordings)


def test_quick_mode_and_threads_change_no_area(tmp_path: Path) -> None:
    for name, options in (("full", ()), ("quick", ("--quick", "--workers", 2))):
        path = tmp_path / f"{name}.h5"
        assert simulate("--type", "er", "--energy", 5, 8, "-n", 150, "-o", path, *options).exit_code == 0
    full, quick = (read_recordings(tmp_path / f"{name}.h5") for name in ("full", "quick"))
    assert not quick.has_pulses
    np.testing.assert_array_equal(full.events.columns["cs2"], quick.events.columns["cs2"])
    energy = full.truth["recoil_energy"]
    assert energy.min() >= 5
    assert energy.max() <= 8


def test_many_chunks_are_one_file_without_repeats(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert simulate("--type", "nr", "--quick", "-n", 25_000, "-o", path, "--seed", 4).exit_code == 0
    recordings = read_recordings(path)
    row = recordings.events.observers["row"]
    assert row[-1] > 24_000
    assert (np.diff(row) > 0).all()
    assert len(np.unique(recordings.truth["recoil_energy"])) == len(row)


def test_a_small_detector_is_filled_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert simulate("--type", "er", "--detector", "xenonnt", "--quick", "-n", 500, "-o", path).exit_code == 0
    truth = read_recordings(path).truth
    assert np.hypot(truth["true_x"], truth["true_y"]).max() > 60
    assert read_detector(path)["name"] == "xenonnt"


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("mine")
    done = simulate("--type", "er", "-n", 100, "-o", tmp_path / "a.h5")
    assert done.exit_code == 2
    assert "exists" in done.output
    assert (tmp_path / "a.h5").read_text() == "mine"


def test_accidental_pairs_have_a_type_of_their_own(tmp_path: Path) -> None:
    done = simulate("--type", "accidentals", "--quick", "-n", 500, "-o", tmp_path / "a.h5")
    assert done.exit_code == 0
    assert "paired by chance" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--type", "wimp"], "--mass: Got none"),
        (["--type", "wimp", "--mass", "3"], "mass: Got 3 GeV"),
        (["--type", "er", "--mass", "50"], "only --type wimp has one"),
        (["--type", "kripton85"], "Did you mean 'krypton85'"),
        (["--type", "er", "--set", "drift_field"], "expected KEY=NUMBER"),
        (["--type", "er", "--set", "drift_field=-5"], "detector.drift_field: Got -5"),
        (["--type", "er", "--set", "electron_lifetime=0"], "detector.electron_lifetime: Got 0"),
        (["--type", "er", "--set", "drift=5"], "Did you mean 'drift_field'"),
        (["--type", "er", "--set", "pmts=10.5"], "detector.pmts: Got 10.5, but expected a whole number"),
        (["--type", "er", "--set", "radius=inf"], "detector.radius: Got inf"),
        (["--type", "accidentals", "--energy", "1", "2"], "--energy: Got 1 to 2"),
        (["--type", "er", "--energy", "50", "1"], "energy: Got 50 to 1 keV"),
        (["--type", "er", "--detector", "lux"], "detector: Got preset 'lux'"),
        (["--type", "er", "--fiducial", "50"], "fiducial mass: Got 50 t"),
        (["--type", "nr", "--energy", "1", "1000"], "where NEST has yields"),
        (["--type", "pp", "--energy", "200", "300"], "overlaps the spectrum"),
        (["--type", "nr", "--energy", "0.2", "0.3"], "that triggers"),
    ],
)
def test_bad_input_exits_with_2_says_why_and_leaves_no_file(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = simulate(*arguments, "-n", 100, "--quick", "-o", tmp_path / "a.h5")
    assert done.exit_code == 2
    assert message in done.output
    assert list(tmp_path.iterdir()) == []
