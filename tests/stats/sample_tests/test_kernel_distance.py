"""MMD, energy distance and point-to-point: closed forms, brute force, and what does not change them."""

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.energy import Energy
from serendip.stats.sample_tests.mmd import Mmd
from serendip.stats.sample_tests.point_to_point import PointToPoint

RNG = rng_for(0, "kernel distance")
X, Y = RNG.normal(size=(70, 2)), RNG.normal(0.3, 1.2, size=(300, 2))
V, W = RNG.uniform(0.5, 1.5, 70), RNG.uniform(0.5, 1.5, 300)
EACH = [Mmd(widths=(0.5, 2.0)), Energy(), PointToPoint(share=0.1)]


def u_statistic(kernel, x, y, v, w):
    """By the definition, pair by pair, with the effective sizes in front."""

    def mean(a, b, u, s, same):
        values, weights = kernel(np.linalg.norm(a[:, None] - b[None], axis=-1)), u[:, None] * s[None]
        if same:
            np.fill_diagonal(weights, 0.0)
        return np.sum(values * weights) / np.sum(weights)

    n, m = v.sum() ** 2 / (v @ v), w.sum() ** 2 / (w @ w)
    return n * m / (n + m) * (mean(x, x, v, v, True) - 2 * mean(x, y, v, w, False) + mean(y, y, w, w, True))


def scaled(x):
    mean = W @ Y / W.sum()
    return (x - mean) / np.sqrt(W @ (Y - mean) ** 2 / W.sum())


def test_mmd_is_its_definition():
    t = Mmd(widths=(0.5, 2.0)).prepare(Sample(Y, W), 1.0).statistics([Sample(X, V)])[0]
    for value, width in zip(t, (0.5, 2.0), strict=True):
        expected = u_statistic(lambda r, s=width: np.exp(-(r**2) / (2 * s**2)), scaled(X), scaled(Y), V, W)
        assert value == pytest.approx(expected, abs=2e-5)


def test_energy_is_its_definition():
    t = Energy().prepare(Sample(Y, W), 1.0).statistics([Sample(X, V)])[0, 0]
    assert t == pytest.approx(u_statistic(lambda r: -r, scaled(X), scaled(Y), V, W), abs=2e-5)


def test_energy_is_scipys_for_large_samples():
    rng = rng_for(1, "energy")
    x, y = rng.normal(0.5, 1, 3000), rng.normal(size=8000)
    t = Energy().prepare(Sample(y[:, None]), 1.0).statistics([Sample(x[:, None])])[0, 0]
    size = 3000 * 8000 / 11000
    expected = size * stats.energy_distance(x / y.std(), y / y.std()) ** 2
    assert t == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("test", EACH, ids=lambda test: type(test).__name__)
def test_the_mean_of_the_null_is_zero(test):
    rng = rng_for(2, "null")
    t = np.concatenate(
        [
            test.prepare(Sample(rng.exponential(size=(200, 1))), 1.0).statistics(
                [Sample(rng.exponential(size=(40, 1)))]
            )
            for _ in range(150)
        ]
    )
    assert np.all(np.abs(t.mean(axis=0)) < 4 * t.std(axis=0) / np.sqrt(len(t)))


@pytest.mark.parametrize("test", EACH, ids=lambda test: type(test).__name__)
def test_a_labelling_gives_what_its_two_samples_give(test):
    pool, w = np.concatenate([X, Y]), np.concatenate([V, W])
    is_data = np.arange(len(pool)) < len(X)
    labels = np.stack([is_data, rng_for(3, "labels").permutation(is_data)])
    kernel = test._kernel(Sample(pool, w)) if hasattr(test, "_kernel") else None
    t = test.pooled_statistics(pool, labels, w)
    if kernel is None:
        mean = w @ pool / w.sum()
        z = (pool - mean) / np.sqrt(w @ (pool - mean) ** 2 / w.sum())
        expected = [[u_statistic(lambda r: -r, z[a], z[~a], w[a], w[~a])] for a in labels]
    else:
        from serendip.stats.sample_tests.kernel_distance import prepare_distance

        expected = [
            prepare_distance(kernel, Sample(pool[~a], w[~a])).statistics([Sample(pool[a], w[a])])[0] for a in labels
        ]
    assert np.allclose(t, expected, atol=1e-4)


def test_blocks_of_pairs_leave_none_out():
    rng = rng_for(4, "blocks")
    reference = Sample(rng.normal(size=(5000, 1)))
    sample = Sample(rng.normal(size=(600, 1)))
    prepared = Mmd(widths=(1.0,)).prepare(reference, 1.0)
    parts = [Sample(sample.x[i::2]) for i in (0, 1)]
    whole, *halves = prepared.statistics([sample, *parts])[:, 0]
    size = lambda n: n * 5000 / (n + 5000)  # noqa: E731
    across = [w / size(n) for w, n in zip((whole, *halves), (600, 300, 300), strict=True)]
    z = prepared.kernel.embed(sample.x)[:, 0]
    k = np.exp(-0.5 * (z[:, None] - z[None]) ** 2)
    within = (k.sum() - 600) / (600 * 599)
    within_halves = [(k[i::2, i::2].sum() - 300) / (300 * 299) for i in (0, 1)]
    assert across[0] - within == pytest.approx(np.mean(across[1:]) - np.mean(within_halves), abs=1e-6)


def test_takes_so_many_of_a_large_reference_by_the_seed():
    reference = Sample(rng_for(5, "large").normal(size=(3000, 1)))
    test, sample = Energy(reference_events=500), [Sample(X[:, :1])]
    one, again, other = (test.prepare(reference, 1.0, seed=s).statistics(sample)[0, 0] for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_the_range_of_point_to_point_grows_where_events_are_rare():
    reference = Sample(rng_for(6, "range").exponential(size=(5000, 1)))
    kernel = PointToPoint(share=0.05).prepare(reference, 1.0).kernel
    bulk, tail = kernel.embed(np.array([[1.0], [4.0]]))[:, -1]
    assert tail / bulk == pytest.approx(np.exp(3), rel=0.6)
    half_width = 0.05 / (2 * np.exp(-1)) / reference.x.std()
    assert bulk == pytest.approx(half_width, rel=0.4)


def test_the_median_distance_is_the_default_width():
    reference = Sample(rng_for(7, "median").normal(size=(4000, 1)))
    (width,) = Mmd().prepare(reference, 1.0).kernel.widths
    assert width == pytest.approx(np.sqrt(2) * stats.norm.ppf(0.75), rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mmd(widths=(0.0,)),
        lambda: Mmd(widths=(1.0, -1.0)),
        lambda: Energy(reference_events=0),
        lambda: PointToPoint(share=1.0),
        lambda: PointToPoint(share=0.0),
    ],
)
def test_refuses_settings_that_cannot_be(make):
    with pytest.raises(InputError, match=r"^test\."):
        make()
