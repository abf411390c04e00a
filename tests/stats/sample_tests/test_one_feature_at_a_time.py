"""Kolmogorov–Smirnov, Anderson–Darling and sliced Wasserstein: closed forms, ties, weights."""

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.anderson_darling import AndersonDarling
from serendip.stats.sample_tests.kolmogorov_smirnov import KolmogorovSmirnov
from serendip.stats.sample_tests.sliced_wasserstein import SlicedWasserstein

RNG = rng_for(0, "one feature")
X, Y = RNG.normal(0.2, 1, (200, 2)), RNG.normal(size=(1500, 2))
SIZE = 200 * 1500 / 1700
EACH = [KolmogorovSmirnov(), AndersonDarling(), SlicedWasserstein(directions=5)]


def anderson_darling(u):
    """A² of values that should be uniform (Anderson and Darling 1954)."""
    u, n = np.sort(u), len(u)
    i = np.arange(1, n + 1)
    return -n - np.mean((2 * i - 1) * (np.log(u) + np.log1p(-u[::-1])))


def test_ks_is_scipys():
    t = KolmogorovSmirnov().prepare(Sample(Y), 1.0).statistics([Sample(X)])[0]
    expected = [np.sqrt(SIZE) * stats.ks_2samp(x, y).statistic for x, y in zip(X.T, Y.T, strict=True)]
    assert t == pytest.approx(expected, rel=1e-12)


def test_ks_of_values_with_ties_is_scipys():
    x, y = RNG.integers(0, 4, (100, 1)).astype(float), RNG.integers(0, 4, (900, 1)).astype(float)
    t = KolmogorovSmirnov().prepare(Sample(y), 1.0).statistics([Sample(x)])[0, 0]
    assert t == pytest.approx(np.sqrt(90) * stats.ks_2samp(x[:, 0], y[:, 0]).statistic, rel=1e-12)


def test_ks_of_a_large_reference_has_kolmogorovs_law():
    prepared = KolmogorovSmirnov().prepare(Sample((np.arange(20_000) + 0.5)[:, None] / 20_000), 1.0)
    t = prepared.statistics([Sample(rng_for(i, "ks").uniform(size=(200, 1))) for i in range(300)])[:, 0]
    assert stats.kstest(t, stats.kstwobign(scale=1 - 0.12 / np.sqrt(200)).cdf).pvalue > 0.01


def test_ad_of_a_large_reference_is_its_closed_form():
    grid = (np.arange(200_000) + 0.5) / 200_000
    u = rng_for(1, "ad").uniform(size=200)
    t = AndersonDarling().prepare(Sample(grid[:, None]), 1.0).statistics([Sample(u[:, None])])[0, 0]
    assert t == pytest.approx(anderson_darling(u) * 200_000 / 200_200, rel=2e-3)


def test_ad_of_ties_alone_is_zero_where_their_shares_agree():
    x, y = np.repeat([0.0, 1.0, 2.0], [10, 20, 30]), np.repeat([0.0, 1.0, 2.0], [100, 200, 300])
    prepared = AndersonDarling().prepare(Sample(y[:, None]), 1.0)
    same, other = prepared.statistics([Sample(x[:, None]), Sample(np.minimum(x, 1)[:, None])])[:, 0]
    assert same == pytest.approx(0, abs=1e-3)  # a share of 0 counts as half an event
    assert other > 10


def test_ad_grows_with_events_beyond_the_reference():
    prepared = AndersonDarling().prepare(Sample(Y), 1.0)
    few, many = (Sample(np.concatenate([X[n:], np.full((n, 2), 50.0)])) for n in (2, 8))
    inside, a, b = prepared.statistics([Sample(X), few, many])[:, 0]
    assert inside < a < b < np.inf


def test_ad_of_a_labelling_is_scipys():
    pool = np.concatenate([X[:, :1], Y[:100, :1]])
    is_data = np.arange(300) < 200
    t = AndersonDarling().pooled_statistics(pool, is_data[None])[0, 0]
    expected = anderson_darling_of_two(X[:, 0], Y[:100, 0])
    assert t == pytest.approx(expected, rel=1e-2)


def anderson_darling_of_two(x, y):
    """Scholz and Stephens 1987, eq. 3, for two samples without ties."""
    pool = np.sort(np.concatenate([x, y]))[:-1]
    j, total = np.arange(1, len(pool) + 1), len(pool) + 1
    parts = [
        np.sum((total * np.searchsorted(np.sort(s), pool, side="right") - j * len(s)) ** 2 / (j * (total - j))) / len(s)
        for s in (x, y)
    ]
    return sum(parts) / total


def test_wasserstein_is_scipys():
    t = SlicedWasserstein().prepare(Sample(Y[:, :1]), 1.0).statistics([Sample(X[:, :1])])[0, 0]
    sd = Y[:, 0].std()
    assert t == pytest.approx(np.sqrt(SIZE) * stats.wasserstein_distance(X[:, 0] / sd, Y[:, 0] / sd), rel=1e-2)


def test_wasserstein_of_weights_is_scipys():
    v = RNG.uniform(0.2, 2, 200)
    t = SlicedWasserstein().prepare(Sample(Y[:, :1]), 1.0).statistics([Sample(X[:, :1], v)])[0, 0]
    n, sd = v.sum() ** 2 / (v @ v), Y[:, 0].std()
    distance = stats.wasserstein_distance(X[:, 0] / sd, Y[:, 0] / sd, u_weights=v)
    assert t == pytest.approx(np.sqrt(n * 1500 / (n + 1500)) * distance, rel=1e-2)


def test_wasserstein_sees_how_far_beyond_the_reference_events_are():
    prepared = SlicedWasserstein().prepare(Sample(Y), 1.0)
    near, far = (Sample(np.concatenate([X[5:], np.full((5, 2), place)])) for place in (10.0, 1000.0))
    assert np.diff(prepared.statistics([near, far])[:, 0])[0] > 100


@pytest.mark.parametrize("test", EACH, ids=lambda test: type(test).__name__)
def test_an_integer_weight_is_so_many_events_of_ties(test):
    w = RNG.integers(1, 4, 200).astype(float)
    prepared = test.prepare(Sample(Y), 1.0)
    weighted, repeated = prepared.statistics([Sample(X, w), Sample(np.repeat(X, w.astype(int), axis=0))])
    effective = w.sum() ** 2 / (w @ w)
    ratio = (effective * (w.sum() + 1500)) / (w.sum() * (effective + 1500))
    power = 1.0 if isinstance(test, AndersonDarling) else 0.5
    assert weighted == pytest.approx(repeated * ratio**power, rel=1e-9)


@pytest.mark.parametrize("test", EACH[::2], ids=lambda test: type(test).__name__)
def test_a_labelling_gives_what_its_two_samples_give(test):
    pool = np.concatenate([X, Y])
    is_data = np.arange(len(pool)) < len(X)
    t = test.pooled_statistics(pool, is_data[None])[0]
    expected = test.prepare(Sample(Y), 1.0, seed=0).statistics([Sample(X)])[0]
    assert t == pytest.approx(expected, rel=0.03)  # a pool has a scale of its own


def test_more_toys_than_are_held_at_once_change_nothing():
    pool = np.concatenate([X, Y[:300]])
    first = np.arange(len(pool)) < len(X)
    labels = np.stack([rng_for(i, "many").permutation(first) for i in range(150)])
    for test in EACH:
        t = test.pooled_statistics(pool, labels)
        assert np.allclose(t[100:], test.pooled_statistics(pool, labels[100:]), rtol=1e-12)


def test_refuses_no_directions():
    with pytest.raises(InputError, match="directions"):
        SlicedWasserstein(directions=0)
