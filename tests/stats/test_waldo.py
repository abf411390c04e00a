import numpy as np
import pytest
from scipy.stats import chi2, norm

from serendip.errors import InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.waldo import Waldo, fit_waldo, statistic

LOW, HIGH, SIGMA = 0.0, 10.0, 0.7


def gaussian(n, seed=0, theta=None):
    """θ, and an unbiased normal measurement of it with its variance."""
    rng = rng_for(seed, "waldo")
    theta = rng.uniform(LOW, HIGH, n) if theta is None else np.full(n, float(theta))
    return theta, theta + SIGMA * rng.normal(size=n), np.full(n, SIGMA**2)


def shrunk(n, seed=0, theta=None):
    """The posterior under a normal prior N(5, 1): its mean is biased towards 5 and its width too small."""
    theta, x, _ = gaussian(n, seed, theta)
    variance = 1 / (1 / SIGMA**2 + 1)
    return theta, variance * (x / SIGMA**2 + 5), np.full(n, variance)


@pytest.fixture(scope="module")
def exact():
    return fit_waldo(*gaussian(60_000, 1), pieces=6)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_critical_values_of_a_normal_measurement_are_quantiles_of_chi_squared(exact, level):
    theta = np.linspace(0.2, 9.8, 40)
    assert exact.critical(theta, level) == pytest.approx(chi2.ppf(level, 1), rel=0.08)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_intervals_of_a_normal_measurement_are_the_textbook_ones(exact, level):
    _, mean, variance = gaussian(500, 2, theta=5)
    half = norm.ppf(0.5 + level / 2) * SIGMA
    ends = exact.intervals(mean, variance, level)
    assert ends == pytest.approx(np.column_stack([mean - half, mean + half]), abs=0.06 * half)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_coverage_holds_everywhere_for_a_posterior_that_is_biased_and_too_narrow(level):
    theta, mean, variance = shrunk(60_000, 3)
    waldo = fit_waldo(theta, mean, variance)
    theta, mean, variance = shrunk(60_000, 4)
    credible = np.abs(theta - mean) < norm.ppf(0.5 + level / 2) * np.sqrt(variance)
    ends = waldo.intervals(mean, variance, level)
    covered = (ends[:, 0] <= theta) & (theta <= ends[:, 1])
    parts = np.digitize(theta, np.linspace(LOW, HIGH, 6)[1:-1])
    coverage = [covered[parts == part].mean() for part in range(5)]
    assert coverage == pytest.approx(np.full(5, level), abs=0.02)
    assert min(credible[parts == part].mean() for part in range(5)) < level - 0.2


def test_intervals_hold_what_their_criterion_accepts(exact):
    theta, mean, variance = gaussian(5000, 5)
    ends = exact.intervals(mean, variance, 0.68)
    inside = (ends[:, 0] <= theta) & (theta <= ends[:, 1])
    assert np.mean(inside != exact.covers(theta, mean, variance, 0.68)) < 1e-3


def test_intervals_narrower_than_the_grid_keep_their_width(exact):
    ends = exact.intervals(np.array([3.3333]), np.array([1e-8]), 0.95)
    assert ends[0] == pytest.approx(3.3333 + np.array([-1, 1]) * 1e-4 * norm.ppf(0.975), abs=1e-5)


def test_an_estimate_far_outside_the_range_has_an_empty_interval(exact):
    assert np.isnan(exact.intervals(np.array([15.0]), np.array([0.01]), 0.68)).all()


def test_intervals_end_where_the_calibration_ends(exact):
    (low, high), (_, top) = exact.intervals(np.array([0.1, 9.9]), np.array([SIGMA**2] * 2), 0.95)
    assert low == exact.low
    assert LOW < high < 2
    assert top == exact.high


def test_the_statistic_is_the_squared_pull():
    assert statistic(np.array([1.0]), np.array([3.0]), np.array([4.0])) == pytest.approx([1.0])


def test_refuses_what_cannot_be_calibrated(exact):
    theta, mean, variance = gaussian(2000)
    with pytest.raises(TooFewEventsError):
        fit_waldo(theta[:900], mean[:900], variance[:900])
    with pytest.raises(InputError, match="variance: Got 0"):
        fit_waldo(theta, mean, 0 * variance)
    with pytest.raises(InputError, match="mean: Got 2000 NaN"):
        fit_waldo(theta, mean * np.nan, variance)
    with pytest.raises(InputError, match="finite range"):
        fit_waldo(0 * theta, mean, variance)
    with pytest.raises(InputError, match=r"levels: Got 1\.5"):
        fit_waldo(theta, mean, variance, levels=(1.5,))
    with pytest.raises(InputError, match=r"level: Got 0\.9, .*\(0\.68, 0\.95\)"):
        exact.critical(theta[:1], 0.9)
    with pytest.raises(InputError, match="theta: Got 11, "):
        exact.critical(np.array([11.0]), 0.68)
    assert isinstance(exact, Waldo)
