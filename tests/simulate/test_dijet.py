import time

import numpy as np
import pytest
from scipy import integrate, special, stats

from serendip.errors import InputError
from serendip.simulate import background_cdf, background_density, feature_log_ratio, simulate_dijet
from serendip.simulate.dijet import BACKGROUND, CORRELATION, SIGNAL

SAMPLE = simulate_dijet(100_000, 5_000, seed=1)


def test_background_masses_are_uniform_in_their_cumulative_density() -> None:
    events, truth = SAMPLE
    u = background_cdf(events.m[~truth.is_signal])
    assert stats.kstest(u, "uniform").pvalue > 0.01


@pytest.mark.parametrize("mass_range", [(2000.0, 6500.0), (500.0, 13_000.0)])
def test_the_density_integrates_to_1_and_is_the_slope_of_the_cumulative(mass_range: tuple) -> None:
    m = np.linspace(*mass_range, 20_001)
    density = background_density(m, mass_range)
    assert integrate.simpson(density, x=m) == pytest.approx(1, rel=1e-6)
    slope = np.gradient(background_cdf(m, mass_range), m)
    np.testing.assert_allclose(slope[5:5000], density[5:5000], rtol=1e-3)
    assert (np.diff(density) < 0).all()
    assert background_density(np.array([mass_range[0] - 1, mass_range[1] + 1]), mass_range).sum() == 0


@pytest.mark.parametrize("law", [*BACKGROUND.values(), *SIGNAL.values()])
def test_every_law_is_a_density_with_its_quantiles(law) -> None:
    grid = law.quantile(np.linspace(-8, 8, 20_001))
    assert integrate.trapezoid(np.exp(law.log_density(grid)), grid) == pytest.approx(1, rel=1e-4)
    n = np.linspace(-3, 3, 9)
    np.testing.assert_allclose(law.normal(law.quantile(n)), n, atol=1e-9)


def test_background_features_are_correlated_as_stated_and_independent_of_the_mass() -> None:
    events, truth = SAMPLE
    background = events[~truth.is_signal]
    normals = np.column_stack([law.normal(background.columns[name]) for name, law in BACKGROUND.items()])
    np.testing.assert_allclose(np.corrcoef(normals.T), CORRELATION, atol=0.015)
    for name in BACKGROUND:
        assert abs(stats.spearmanr(background.columns[name], background.m).statistic) < 0.015


def test_the_mass_correlation_shifts_the_jet_masses_alone() -> None:
    plain, _ = simulate_dijet(1000, 10, seed=4)
    shifted, _ = simulate_dijet(1000, 10, seed=4, mass_correlation=0.1)
    np.testing.assert_allclose(shifted.columns["dmj"], plain.columns["dmj"] + 0.1 * plain.m)
    np.testing.assert_array_equal(shifted.columns["tau21_1"], plain.columns["tau21_1"])


def test_the_signal_is_localised_in_the_mass() -> None:
    events, truth = simulate_dijet(1000, 20_000, signal_mass=4200.0, signal_width=80.0, seed=2)
    m = events.m[truth.is_signal]
    assert m.mean() == pytest.approx(4200, abs=3)
    assert m.std() == pytest.approx(80, rel=0.03)


def test_a_resonance_at_the_edge_stays_in_the_range() -> None:
    events, _ = simulate_dijet(0, 1000, signal_mass=2010.0, signal_width=100.0)
    assert events.m.min() >= 2000.0


def test_the_log_ratio_is_one_of_normalised_densities() -> None:
    # Both means are ∫ p_S p_B / (p_S + p_B), bounded, so that no single event decides.
    events, truth = simulate_dijet(100_000, 100_000, seed=6)
    share = special.expit(feature_log_ratio(events))
    one, other = share[~truth.is_signal].mean(), 1 - share[truth.is_signal].mean()
    assert one == pytest.approx(other, rel=0.05)


def test_no_single_feature_comes_near_the_log_ratio() -> None:
    events, truth = SAMPLE
    best = significance_improvement(feature_log_ratio(events), truth.is_signal)
    for name, sign in (("dmj", 1), ("tau21_1", -1), ("tau21_2", -1)):
        assert best > 2 * significance_improvement(sign * events.columns[name], truth.is_signal)
    assert best == pytest.approx(8.7, abs=0.5)


def significance_improvement(score: np.ndarray, is_signal: np.ndarray, background: float = 0.01) -> float:
    cut = np.quantile(score[~is_signal], 1 - background)
    return float(np.mean(score[is_signal] > cut) / np.sqrt(background))


def test_noise_features_say_nothing() -> None:
    events, truth = simulate_dijet(5000, 5000, features=7, seed=3)
    assert list(events.columns)[4:] == ["noise_1", "noise_2", "noise_3"]
    assert stats.ks_2samp(*(events.columns["noise_2"][truth.is_signal == s] for s in (True, False))).pvalue > 0.01


def test_the_seed_decides_everything() -> None:
    one, other, third = (simulate_dijet(500, 50, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x(), other.x())
    assert not np.array_equal(one.m, third.m)


def test_signal_and_background_are_shuffled() -> None:
    _, truth = SAMPLE
    assert truth.is_signal.sum() == 5000
    assert abs(truth.is_signal[:50_000].mean() - truth.is_signal[50_000:].mean()) < 0.01


def test_a_hundred_thousand_events_take_under_a_second() -> None:
    started = time.perf_counter()
    simulate_dijet(100_000, 1000, seed=8)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_background": -1},
        {"n_background": 0, "n_signal": 0},
        {"features": 0},
        {"signal_mass": 1000.0},
        {"signal_width": 0.0},
        {"mass_range": (3000.0, 2000.0)},
        {"mass_range": (2000.0, 14_000.0)},
    ],
)
def test_impossible_requests_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError):
        simulate_dijet(**({"n_background": 10, "n_signal": 5} | wrong))
