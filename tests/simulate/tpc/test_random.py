"""The kernels' random numbers follow their laws, and depend on seed, event and stream alone."""

import numpy as np
import pytest
from scipy import stats

from serendip.simulate.tpc._kernels_random import STATE, binomial, exponential, normal, poisson, restart, start, uniform

N = 20_000


def draws(law, *arguments, n=N):
    state = start(1, 2, 3)
    return np.array([law(state, *arguments) for _ in range(n)])


def p_of_counts(found, law):
    """χ² of a sample of counts, in cells that expect at least 20."""
    values = np.arange(int(law.ppf(1e-6)), int(law.ppf(1 - 1e-6)) + 1)
    cells = np.minimum((np.cumsum(law.pmf(values)) * N // 40).astype(int), int(N / 40))
    expected = np.bincount(cells, law.pmf(values) * N)
    observed = np.bincount(cells[np.clip(found - values[0], 0, len(values) - 1)], minlength=len(expected))
    full = expected > 5
    return stats.chi2.sf(np.sum((observed - expected)[full] ** 2 / expected[full]), full.sum() - 1)


@pytest.mark.parametrize(
    ("law", "truth"), [(uniform, stats.uniform()), (normal, stats.norm()), (exponential, stats.expon())]
)
def test_continuous_numbers_follow_their_law(law, truth):
    assert stats.kstest(draws(law), truth.cdf).pvalue > 1e-3


def test_the_normal_has_both_tails_as_far_as_its_law():
    """One in 690 lies beyond the ziggurat's outermost layer but one at 3.2, where an error of its base would show."""
    found = draws(normal, n=200_000)
    for cut in (2.0, 3.2, 3.7):
        expected = len(found) * stats.norm.sf(cut)
        for tail in (found > cut, found < -cut):
            assert abs(tail.sum() - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize("mean", [0.05, 1.0, 9.9, 10.0, 37.0, 4000.0])
def test_poisson_counts_follow_their_law_on_both_sides_of_the_change_of_method(mean):
    assert p_of_counts(draws(poisson, mean), stats.poisson(mean)) > 1e-3


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.3), (12, 0.95), (30, 0.2), (30, 0.4), (80, 0.12), (1000, 0.003), (1000, 0.88), (100_000, 0.63)]
)
def test_binomial_counts_follow_their_law_on_both_sides_of_the_change_of_method(n, p):
    found = draws(binomial, n, p)
    assert found.max() <= n
    assert p_of_counts(found, stats.binom(n, p)) > 1e-3


def test_impossible_and_certain_things_are_counted_so():
    state = start(0, 0, 0)
    assert [poisson(state, mean) for mean in (0.0, -1.0, np.nan)] == [0, 0, 0]
    assert [binomial(state, n, p) for n, p in ((0, 0.5), (7, 0.0), (7, -0.1), (7, np.nan), (7, 1.0))] == [0, 0, 0, 0, 7]


def test_an_event_has_its_own_numbers_whatever_came_before():
    reused = start(5, 0, 0)
    for _ in range(100):
        normal(reused)
    restart(reused, 5, 17, 2)
    assert np.array_equal(reused, start(5, 17, 2))


def test_seeds_events_and_streams_do_not_share_numbers():
    states = {tuple(start(seed, event, stream)) for seed in range(8) for event in range(40) for stream in range(8)}
    assert len(states) == 8 * 40 * 8
    assert all(len(state) == STATE for state in states)
    first = np.array([[uniform(start(seed, event, 0)) for event in range(500)] for seed in (0, 1)])
    assert stats.kstest(first.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(*first)[0, 1]) < 0.15
    assert abs(np.corrcoef(first[0, 1:], first[0, :-1])[0, 1]) < 0.15
