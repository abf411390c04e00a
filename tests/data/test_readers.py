import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from serendip.data import Events, Recipe, read, read_labelled, read_recipe
from serendip.errors import InputError, TooFewEventsError

Written = Callable[[str, dict], Path]


def test_every_format_reads_to_the_same_events(any_file: Path, columns: dict) -> None:
    events = read(
        any_file,
        features={"log_pt": "log(pt)", "eta": "eta"},
        mass="mjj",
        observers=["event"],
        where="abs(eta) < 1",
        units={"mjj": "GeV"},
        rows_per_chunk=170,
    )
    keep = np.flatnonzero(np.abs(columns["eta"]) < 1)
    np.testing.assert_allclose(events.columns["log_pt"], np.log(columns["pt"][keep]))
    np.testing.assert_array_equal(events.m, columns["mjj"][keep])
    np.testing.assert_array_equal(events.observers["event"], columns["event"][keep])
    np.testing.assert_array_equal(events.observers["row"], keep)
    assert events.observers["event"].dtype.kind == "i"
    assert (events.mass_name, events.units["mjj"]) == ("mjj", "GeV")
    assert (events.w == 1).all()


@pytest.mark.parametrize("rows", [1, 7, 999, 1000, 10_000])
def test_the_chunk_changes_nothing(written: Written, columns: dict, rows: int) -> None:
    path = written("a.parquet", columns)
    recipe = Recipe({"x": "pt / (1 + abs(eta))"}, mass="mjj", truth="label", where="mjj > 3000")
    one, other = read_recipe(path, recipe), read_recipe(path, recipe, rows_per_chunk=rows)
    np.testing.assert_array_equal(one.events.x(), other.events.x())
    np.testing.assert_array_equal(one.events.observers["row"], other.events.observers["row"])
    np.testing.assert_array_equal(one.truth.is_signal, other.truth.is_signal)
    assert (one.rows, one.selected) == (other.rows, other.selected)


def test_the_selection_may_use_features_and_the_mass(written: Written, columns: dict) -> None:
    events = read(
        written("a.parquet", columns),
        features={"double": "2 * pt"},
        mass="1000 * mjj",
        mass_name="m_in_MeV",
        where="double > 60 and m_in_MeV >= 3e6",
    )
    keep = (columns["pt"] > 30) & (columns["mjj"] >= 3000)
    np.testing.assert_array_equal(events.observers["row"], np.flatnonzero(keep))


def test_files_are_read_in_order_and_their_rows_counted_on(written: Written, columns: dict, tmp_path: Path) -> None:
    written("run_2.parquet", {name: values[600:] for name, values in columns.items()})
    written("run_1.parquet", {name: values[:600] for name, values in columns.items()})
    by_pattern = read(tmp_path / "run_*.parquet", features=["pt"], rows_per_chunk=250)
    by_list = read([tmp_path / "run_1.parquet", tmp_path / "run_2.parquet"], features=["pt"])
    for events in (by_pattern, by_list):
        np.testing.assert_array_equal(events.columns["pt"], columns["pt"])
        np.testing.assert_array_equal(events.observers["row"], np.arange(1000))


def test_truth_stands_apart(written: Written, columns: dict) -> None:
    events, truth = read_labelled(
        written("a.parquet", columns), truth="label", features=["pt", "eta"], mass="mjj", observers=["event"]
    )
    np.testing.assert_array_equal(truth.is_signal, columns["label"] == 1)
    seen = [*events.columns.values(), events.m, events.w, *events.observers.values()]
    assert not any(np.array_equal(values, columns["label"]) for values in seen)
    assert "is_signal" not in {field.name for field in fields(Events)}


@pytest.mark.parametrize(
    ("where_it_hides", "key"),
    [
        ({"features": {"a": "pt + label"}}, "features.a"),
        ({"mass": "mjj + label"}, "mass"),
        ({"weight": "1 + label"}, "weight"),
        ({"observers": ["label"]}, "observers.label"),
    ],
)
def test_truth_is_found_wherever_it_hides(written: Written, columns: dict, where_it_hides: dict, key: str) -> None:
    asked = {"features": ["pt"], "mass": "mjj"} | where_it_hides
    with pytest.raises(InputError, match=rf"^{key}: Got column 'label', which is the truth"):
        read_labelled(written("a.parquet", columns), truth="label == 1", **asked)


def test_truth_of_other_values_than_0_and_1_is_refused(written: Written, columns: dict) -> None:
    path = written("a.parquet", columns | {"label": np.arange(1000) % 3})
    with pytest.raises(InputError, match=r"values 0, 1, 2.*label == "):
        read_labelled(path, truth="label", features=["pt"])
    _, truth = read_labelled(path, truth="label == 2", features=["pt"])
    assert truth.is_signal.sum() == 333


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"features": ["mjj"], "mass": "mjj"}, r"features.mjj: Got the name of the mass"),
        ({"features": {"m": "mjj"}, "mass": "mjj"}, r"features.m: Got the mass"),
        ({"features": {"m": "( pt*2 )"}, "mass": "pt * 2"}, r"features.m: Got the mass"),
        ({"features": {"a": "pt * eta"}, "weight": "eta"}, r"features.a: .*'eta', which is the weight"),
        ({"features": ["event"], "observers": ["event"]}, r"features.event: .*an observer"),
    ],
)
def test_a_column_has_one_role(written: Written, columns: dict, asked: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written("a.parquet", columns), **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"features": ["ptt"]}, r"features.ptt: .*a.parquet: Got column 'ptt'.*Did you mean 'pt'"),
        ({"features": ["pt"], "mass": "mj"}, r"mass: .*Did you mean 'mjj'"),
        ({"features": ["pt"], "observers": ["evnt"]}, r"observers: .*Did you mean 'event'"),
        ({"features": ["pt"], "where": "mjjj > 3"}, r"where: .*Did you mean 'mjj'"),
        ({"features": ["pt"], "where": "mjj"}, r"where: Got 'mjj', but expected a condition"),
        ({"features": ["pt"], "observers": ["row"]}, r"observers: Got 'row'"),
        ({"features": "pt"}, r"features: Got 'pt', but expected names"),
        ({"features": []}, r"features: Got \[\]"),
        ({"features": ["pt"], "non_finite": "ignore"}, r"non_finite: Got 'ignore'"),
    ],
)
def test_a_wrong_recipe_is_pointed_at(written: Written, columns: dict, asked: dict, message: str) -> None:
    # beartype stands before the check where the type alone is wrong; a user has no beartype.
    with pytest.raises(Exception, match=message if asked.get("non_finite") is None else "ignore"):
        read(written("a.parquet", columns), **asked)


@pytest.fixture
def holed(written: Written, columns: dict) -> Path:
    pt = columns["pt"].copy()
    pt[[400, 450, 800]] = np.nan
    eta = columns["eta"].copy()
    eta[[450, 900]] = np.inf
    return written("holed.parquet", columns | {"pt": pt, "eta": eta})


def test_non_finite_values_are_counted_over_the_whole_file(holed: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(holed, features=["pt", "eta"], rows_per_chunk=300)
    for part in ("holed.parquet", "3 of pt", "2 of eta", "nan in row 400", "non_finite: drop", "ratio_or"):
        assert part in str(caught.value)


def test_the_first_bad_row_is_counted_within_its_own_file(written: Written, columns: dict, holed: Path) -> None:
    whole = written("whole.parquet", columns)
    with pytest.raises(InputError, match=r"holed.parquet.*in row 400"):
        read([whole, holed], features=["pt"], rows_per_chunk=300)


def test_dropping_says_how_many_and_keeps_the_rest(holed: Path, caplog: pytest.LogCaptureFixture) -> None:
    reading = read_recipe(holed, Recipe(["pt", "eta"], non_finite="drop"), rows_per_chunk=300)
    assert reading.dropped == {"pt": 3, "eta": 2}
    assert (reading.rows, reading.selected, len(reading.events)) == (1000, 1000, 996)
    assert not np.isin([400, 450, 800, 900], reading.events.observers["row"]).any()
    assert "3 of pt, 2 of eta" in caplog.text


def test_the_selection_cuts_bad_values_away_first(holed: Path) -> None:
    events = read(holed, features=["pt"], where="isfinite(pt)")
    assert len(events) == 997


def test_ratio_or_is_the_way_out_for_a_zero_denominator(written: Written) -> None:
    path = written("jets.parquet", {"tau1": np.array([0.0, 0.4]), "tau2": np.array([0.0, 0.1])})
    with pytest.raises(InputError, match="ratio_or"):
        read(path, features={"tau21": "tau2 / tau1"})
    events = read(path, features={"tau21": "ratio_or(tau2, tau1, 1)"})
    np.testing.assert_allclose(events.columns["tau21"], [1.0, 0.25])


def test_weights_of_either_sign_are_read(written: Written, columns: dict) -> None:
    w = np.where(np.arange(1000) % 10 == 0, -1.0, 1.0)
    events = read(written("a.parquet", columns | {"w": w}), features=["pt"], weight="w / 2")
    np.testing.assert_array_equal(events.w, w / 2)


def test_weights_that_sum_to_0_are_refused(written: Written, columns: dict) -> None:
    w = np.where(np.arange(1000) % 2 == 0, -0.1, 0.1)
    with pytest.raises(InputError, match=r"weight: Got weights 'w' that sum to 0"):
        read(written("a.parquet", columns | {"w": w}), features=["pt"], weight="w")


def test_no_event_selected_says_so(written: Written, columns: dict) -> None:
    with pytest.raises(TooFewEventsError, match=r"no event of 1000 with where='mjj > 9000'"):
        read(written("a.parquet", columns), features=["pt"], mass="mjj", where="mjj > 9000")


def test_an_empty_file_is_named(written: Written, columns: dict) -> None:
    whole = written("whole.parquet", columns)
    empty = written("empty.parquet", {name: values[:0] for name, values in columns.items()})
    with pytest.raises(InputError, match=r"empty.parquet: Got no rows"):
        read([whole, empty], features=["pt"])


def test_a_pattern_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run_\*.root.*at least one file"):
        read(tmp_path / "run_*.root", features=["pt"])


def test_memory_is_bounded_by_the_chunk_and_not_by_the_file(written: Written) -> None:
    def peak(rows: int) -> int:
        path = written(f"{rows}.parquet", {"x": np.arange(float(rows)), "y": np.ones(rows)})
        tracemalloc.start()
        events = read(path, features={"z": "sqrt(x) + y"}, where="x < 1000", rows_per_chunk=20_000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(events) == 1000
        return found

    assert peak(800_000) < 1.2 * peak(100_000)


def test_the_dijet_mass_of_the_lhc_olympics_is_that_of_the_extended_file(real_data: Path) -> None:
    folder = real_data / "lhco"
    jets = ("j1", "j2")
    momenta = ", ".join(f"px{jet}, py{jet}, pz{jet}, m{jet}" for jet in jets)
    features = {"mj_light": "min(mj1, mj2)", "tau21": "ratio_or(tau2j1, tau1j1, 0)"}
    events, truth = read_labelled(
        folder / "lhco_rnd_100k.features.h5",
        truth="label",
        features=features,
        mass=f"pair_mass({momenta})",
        mass_name="mjj",
        where="2800 <= mjj < 6500",
    )
    extended = folder / "lhco_rnd_100k.extended.parquet"
    known, known_truth = read_labelled(extended, truth="label", features=["pt_1"], mass="mjj")
    row = events.observers["row"]
    np.testing.assert_allclose(events.m, known.m[row], rtol=1e-6)
    np.testing.assert_array_equal(truth.is_signal, known_truth.is_signal[row])
