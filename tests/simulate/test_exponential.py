import numpy as np
import pytest
from scipy import integrate, stats

from serendip.errors import InputError
from serendip.simulate import ideal_log_ratio, simulate_exponential
from serendip.simulate.exponential import LEARNING_SIGNALS, WIDTH_SIGNALS, Excess, Peak, published_signal

SIGNALS = tuple(LEARNING_SIGNALS.values())


@pytest.mark.parametrize("rate", [8.0, 1.0])
def test_the_background_is_exponential(rate):
    events, truth = simulate_exponential(20_000, rate=rate, seed=1)
    assert not truth.is_signal.any()
    assert stats.kstest(events.columns["x"], "expon", args=(0, 1 / rate)).pvalue > 0.01


@pytest.mark.parametrize("signal", [*SIGNALS, *WIDTH_SIGNALS, Excess(5, 0.5, 3.0)])
def test_a_signal_is_drawn_from_its_density(signal):
    grid = np.linspace(-1, 12, 200_001)
    density = np.exp(signal.log_density(grid))
    assert integrate.trapezoid(density, grid) == pytest.approx(1, rel=1e-3)
    x = signal.draw(np.random.default_rng(1), 5000)
    cumulative = integrate.cumulative_trapezoid(density, grid, initial=0)
    assert stats.kstest(np.interp(x, grid, cumulative), "uniform").pvalue > 0.01


def test_the_published_signals_have_their_published_sizes():
    events, truth = simulate_exponential(2000, SIGNALS, seed=3)
    assert (len(events), truth.is_signal.sum()) == (2135, 10 + 90 + 35)
    assert published_signal("tail_peak") == Peak(10, 0.8, 0.02)


def test_poisson_counts_fluctuate_each_by_itself():
    drawn = [simulate_exponential(100, [Peak(40, 3, 0.1)], counts="poisson", seed=seed)[1] for seed in range(300)]
    counts = np.array([[np.sum(~truth.is_signal), np.sum(truth.is_signal)] for truth in drawn])
    np.testing.assert_allclose(counts.mean(axis=0), [100, 40], rtol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), [100, 40], rtol=0.3)
    assert abs(np.corrcoef(counts.T)[0, 1]) < 0.2


def test_the_ideal_ratio_is_that_of_the_densities():
    """Reweighting the background by it gives the number of signal events (arXiv:1806.02350, section 2)."""
    x = simulate_exponential(400_000, seed=5)[0].columns["x"]
    for signal in SIGNALS:
        weights = np.expm1(ideal_log_ratio(x, 2000, [signal])) * 2000 / len(x)
        error = np.sqrt(np.sum(weights**2))
        assert abs(weights.sum() - signal.events) < 5 * error
    assert ideal_log_ratio(x, 2000, []).max() == 0
    assert np.isfinite(ideal_log_ratio(np.array([-0.1, 0.0, 200.0]), 2000, SIGNALS)).all()


def test_the_same_seed_gives_the_same_events():
    first, second, other = (simulate_exponential(50, SIGNALS, seed=seed)[0].columns["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: simulate_exponential(-1),
        lambda: simulate_exponential(10, rate=0.0),
        lambda: simulate_exponential(0),
        lambda: Peak(1, 0.5, 0),
        lambda: Peak(-1, 0.5, 1),
        lambda: Peak(1, np.nan, 1),
        lambda: Excess(1, -1.0),
        lambda: published_signal("tail_pek"),
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        wrong()
