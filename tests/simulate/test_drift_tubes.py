import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.simulate import simulate_drift_tubes
from serendip.simulate.drift_tubes import (
    CELL_WIDTH,
    COLUMNS,
    DRIFT_VELOCITY,
    LONGEST,
    MAX_ANGLE,
    UNITS,
    drift_time,
)

HEALTHY = simulate_drift_tubes(40_000, seed=1)
TIMES = COLUMNS[:4]


def mean_time(events):
    """(t1 + t3) / 2 + t2 where the track passes the wires on alternating sides: the longest drift, whatever the track."""
    t1, t2, t3 = (events.columns[name] for name in TIMES[:3])
    return (t1 + t3) / 2 + t2


def test_the_columns_are_four_times_and_an_angle():
    assert tuple(HEALTHY.columns) == COLUMNS
    assert HEALTHY.units == UNITS
    assert np.isfinite(HEALTHY.x()).all()


def test_times_are_nearly_uniform_up_to_the_longest_drift():
    """Tracks cross a cell anywhere, and the velocity is the same everywhere."""
    for name in TIMES:
        t = HEALTHY.columns[name]
        assert np.percentile(t, 99) == pytest.approx(LONGEST, rel=0.02)
        middle = t[(t > 50) & (t < 340)]
        counts, _ = np.histogram(middle, 10)
        assert counts.std() / counts.mean() < 0.06


def test_nominal_drift_is_linear_with_the_known_velocity():
    d = np.linspace(0, CELL_WIDTH / 2, 7)
    np.testing.assert_allclose(drift_time(d), d / DRIFT_VELOCITY, rtol=1e-12)


def test_the_mean_timer_of_four_layers_is_the_longest_drift():
    """Tracks that alternate sides, the most frequent pattern, make a peak there: median within half a resolution of it."""
    value = mean_time(HEALTHY)
    near = value[np.abs(value - LONGEST) < 30]
    assert len(near) > 0.4 * len(value)
    assert np.median(near) == pytest.approx(LONGEST, abs=3)


def test_angles_fall_as_the_square_of_the_cosine():
    theta = np.radians(HEALTHY.columns["theta"])
    low, high = np.radians([-MAX_ANGLE, MAX_ANGLE])

    def cumulative(t):
        return (2 * t + np.sin(2 * t) - 2 * low - np.sin(2 * low)) / (
            2 * high + np.sin(2 * high) - 2 * low - np.sin(2 * low)
        )

    assert stats.kstest(cumulative(np.clip(theta, low, high)), "uniform").statistic < 0.02


@pytest.mark.parametrize("cathode", [0.75, 0.5, 0.25])
def test_a_lowered_cathode_makes_long_drifts_longer(cathode):
    d = np.linspace(1, CELL_WIDTH / 2, 20)
    ratio = drift_time(d, cathode) / drift_time(d)
    assert (np.diff(ratio) > 0).all()
    assert 1 < ratio[-1] < 1.3
    sick = simulate_drift_tubes(40_000, cathode=cathode, seed=2)
    assert np.mean(sick.columns["t2"] > 400) > 3 * np.mean(HEALTHY.columns["t2"] > 400)


@pytest.mark.parametrize("threshold", [0.75, 0.5, 0.25])
def test_a_lowered_threshold_makes_times_shorter(threshold):
    sick = simulate_drift_tubes(40_000, threshold=threshold, seed=2)
    for name in TIMES:
        test = stats.ks_2samp(sick.columns[name], HEALTHY.columns[name], alternative="greater")
        assert test.pvalue < 1e-3


@pytest.mark.parametrize("setting", ["cathode", "threshold"])
def test_what_is_lowered_further_is_further_from_healthy(setting):
    distances = [
        stats.ks_2samp(
            simulate_drift_tubes(40_000, **{setting: value}, seed=2).columns["t2"], HEALTHY.columns["t2"]
        ).statistic
        for value in (1.0, 0.75, 0.5, 0.25)
    ]
    assert distances[0] < 0.012
    assert (np.diff(distances) > 0.005).all()
    assert distances[-1] < 0.15  # no easy prey for a look at one feature


def test_early_hits_break_the_mean_timer():
    """δ electrons and noise do, and noise the more the lower the threshold."""
    shares = [
        np.mean(np.abs(mean_time(simulate_drift_tubes(40_000, threshold=value, seed=2)) - LONGEST) < 30)
        for value in (1.0, 0.75, 0.5, 0.25)
    ]
    assert (np.diff(shares) < -0.01).all()


def test_the_same_seed_gives_the_same_muons():
    first, second, other = (simulate_drift_tubes(50, seed=seed).x() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("wrong", [{"events": 0}, {"cathode": 0.0}, {"cathode": 3.0}, {"threshold": -1.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: Got"):
        simulate_drift_tubes(**{"events": 10, **wrong})
