"""Quick draws of counts and charges have the distributions they stand for."""

import numpy as np
import pytest
from scipy import stats

from serendip.seeds import rng_for
from serendip.simulate.tpc._kernels_areas import charge, coincidence
from serendip.simulate.tpc._kernels_charge import (
    ONE_BY_ONE,
    binomial_of,
    charge_of_count,
    charge_of_mean,
    poisson_below,
    share_out,
)
from serendip.simulate.tpc._kernels_random import start

N = 20_000


def distance(counts: np.ndarray, cdf: np.ndarray) -> float:
    """Kolmogorov's, between counts drawn and a distribution at 0, 1, …"""
    seen = np.cumsum(np.bincount(counts, minlength=len(cdf))[: len(cdf)]) / len(counts)
    return float(np.max(np.abs(seen - cdf)))


@pytest.mark.parametrize("mean", [0.03, 0.7, 3.1, 11.13, 19.9])
def test_counts_of_small_mean_are_poissons(mean):
    u = rng_for(1, "poisson", int(100 * mean)).random((2, N))
    counts = np.array([poisson_below(*pair, mean) for pair in u.T])
    assert distance(counts, stats.poisson.cdf(np.arange(80), mean)) < 1.95 / np.sqrt(N)  # p > 0.001


@pytest.mark.parametrize(
    ("left", "chance"), [(3, 0.4), (40, 0.05), (1000, 0.015), (100, 0.35), (5000, 0.01), (60, 0.9)]
)
def test_binomials_are_exact_below_and_close_above_a_mean_of_twenty(left, chance):
    rng = rng_for(1, "binomial", left)
    counts = np.array([binomial_of(u, z, left, chance) for u, z in zip(rng.random(N), rng.normal(size=N))])
    assert distance(counts, stats.binom.cdf(np.arange(left + 1), left, chance)) < 1.95 / np.sqrt(N)


def test_charges_of_few_photons_match_those_drawn_one_by_one():
    state, rng = start(1, 2, 3), rng_for(1, "charge")
    for photons in (1, 3, 5, 7, 20):
        quick = [charge_of_count(photons, u, z, 0.2, 0.35) for u, z in zip(rng.random(N), rng.normal(size=N))]
        exact = [charge(state, photons, 0.2, 0.35) for _ in range(N)]
        assert np.mean(quick) == pytest.approx(1.2 * photons, rel=0.01)
        assert stats.ks_2samp(quick, exact).pvalue > 1e-3


def test_one_photon_in_five_frees_two_electrons():
    state = start(5, 2, 3)
    electrons = np.array([charge(state, 1, 0.2, 0.0) for _ in range(N)])
    assert np.mean(electrons == 2) == pytest.approx(0.2, abs=0.012)
    assert set(electrons) == {1.0, 2.0}


@pytest.mark.parametrize("mean", [19.9, 20.1, 60.0])
def test_charges_of_large_mean_keep_mean_width_and_skewness(mean):
    rng = rng_for(2, "charge", int(mean))
    quick = np.array([charge_of_mean(mean, *u, z, 0.2, 0.35) for u, z in zip(rng.random((N, 3)), rng.normal(size=N))])
    second, third = 1 + 0.6 + 1.2 * 0.35**2, 1 + 1.4 + 3 * 1.6 * 0.35**2
    assert quick.mean() == pytest.approx(1.2 * mean, rel=0.01)
    assert quick.var() == pytest.approx(mean * second, rel=0.05)
    assert stats.skew(quick) == pytest.approx(third / second**1.5 / np.sqrt(mean), abs=0.08)


@pytest.mark.parametrize("photons", [60, ONE_BY_ONE, ONE_BY_ONE + 1, 5000])
def test_photons_are_shared_by_their_chances_and_charges_sum_to_the_area(photons):
    state, chances = start(1, 1, 1), np.array([0.5, 0.3, 0.15, 0.05, 0.0])
    drawn = np.zeros((400, 5))
    for values in drawn:
        share_out(state, photons, 1.2 * photons, chances.copy(), 0.2, 0.35, values)
    np.testing.assert_allclose(drawn.sum(1), 1.2 * photons)
    error = drawn.std(0) / np.sqrt(len(drawn)) + 1e-12
    assert np.all(np.abs(drawn.mean(0) - 1.2 * photons * chances) < 4.5 * error)
    assert np.all(drawn[:, 4] == 0)
    one = 1.2**2 + 0.16 + 1.2 * 0.35**2  # of a photon's squared charge; of a share of the sum, both vary
    expected = photons * one * chances * (1 - chances)
    np.testing.assert_allclose(drawn.var(0)[:4], expected[:4], rtol=0.35)


def test_coincidence_counts_tubes_not_photons():
    times = np.array([0.0, 10.0, 20.0, 30.0, 150.0, 215.0])
    assert coincidence(6, times, np.array([1, 2, 3, 3, 4, 5]), 4, 200.0) == (0, 4)
    assert coincidence(6, times, np.array([1, 1, 3, 3, 4, 5]), 4, 200.0) == (-1, 3)
    assert coincidence(6, times, np.array([9, 1, 3, 3, 9, 5]), 4, 206.0) == (1, 4)
