"""Counts in cells: the cells, χ² and the likelihood ratio against closed forms."""

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.binned import BinnedChi2, BinnedLikelihood
from serendip.stats.sample_tests.cells import fit_cells

GRID = Sample((np.arange(100_000) + 0.5)[:, None] / 100_000)
EACH = [BinnedChi2, BinnedLikelihood]


def uniform(n, i):
    return Sample(rng_for(i, "binned").uniform(size=(n, 1)))


@pytest.mark.parametrize("partition", ["features", "boxes"])
def test_cells_hold_as_many_events_each(partition):
    reference = Sample(rng_for(0, "cells").lognormal(size=(6400, 3)))
    cells = fit_cells(reference, 16, partition)
    counts = np.bincount(cells.of(reference.x).ravel(), minlength=cells.total)
    assert cells.total == (48 if partition == "features" else 16)
    assert np.all(np.abs(counts - 400) <= 1)


def test_boxes_split_every_feature_and_hold_events_from_anywhere():
    reference = Sample(rng_for(1, "cells").normal(size=(4000, 2)))
    cells = fit_cells(reference, 16, "boxes")
    assert set(cells.feature) == {0, 1}
    far = cells.of(np.array([[1e6, 1e6], [-1e6, -1e6], [1e6, -1e6], [-1e6, 1e6]]))
    assert len(np.unique(far)) == 4
    assert far.min() >= 0
    assert far.max() < 16


def test_few_values_make_few_bins():
    reference = Sample(np.repeat([0.0, 1.0, 2.0], 100)[:, None])
    cells = fit_cells(reference, 20, "features")
    assert cells.total == 3
    assert np.array_equal(cells.of(np.array([[0.0], [1.0], [2.0]]))[:, 0], [0, 1, 2])


def test_chi2_is_pearsons_for_a_large_reference():
    sample = uniform(2000, 1)
    t = BinnedChi2(bins=20).prepare(GRID, 1.0).statistics([sample])[0, 0]
    observed = np.histogram(sample.x, np.linspace(0, 1, 21))[0]
    assert t == pytest.approx(stats.chisquare(observed).statistic, rel=0.03)


def test_chi2_has_its_law_with_a_reference_as_small_as_the_data():
    rng = rng_for(2, "law")
    reference = Sample(rng.uniform(size=(2000, 1)))
    edges = BinnedChi2(bins=10).prepare(GRID, 1.0)
    from dataclasses import replace

    from serendip.stats.sample_tests.binned import _counts

    t = []
    for _ in range(300):
        x = rng.uniform(size=(2000, 1))
        counts = _counts(edges.cells.of(x), np.ones(2000), 10)
        t.append(replace(edges, reference=counts).statistics([Sample(rng.uniform(size=(2000, 1)))])[0, 0])
    assert len(reference) == 2000
    assert stats.kstest(t, stats.chi2(9).cdf).pvalue > 0.01


def test_the_likelihood_ratio_has_its_law_under_poisson_counts():
    prepared = BinnedLikelihood(bins=10).prepare(GRID, 2000.0)
    t = prepared.statistics([uniform(rng_for(i, "n").poisson(2000), i) for i in range(300)])[:, 0]
    assert stats.kstest(t, stats.chi2(10).cdf).pvalue > 0.01


def test_the_likelihood_ratio_is_that_of_two_poisson_counts():
    x, y = np.repeat([0.0, 1.0], [30, 70]), np.repeat([0.0, 1.0], [500, 500])
    t = BinnedLikelihood(bins=2).prepare(Sample(y[:, None]), 80.0).statistics([Sample(x[:, None])])[0, 0]
    expected = 0.0
    for d in (30, 70):
        mean = (d + 500) / (1 + 0.08)
        logs = [stats.poisson(k).logpmf(k) - stats.poisson(m).logpmf(k) for k, m in ((d, 0.08 * mean), (500, mean))]
        expected += 2 * sum(logs)
    assert t == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("test", EACH)
def test_one_weight_for_all_events_changes_shapes_not(test):
    sample, weighted = uniform(500, 1), Sample(uniform(500, 1).x, np.full(500, 2.0))
    prepared = test(bins=10).prepare(GRID, 500.0)
    doubled = test(bins=10).prepare(GRID, 1000.0)
    assert prepared.statistics([sample])[0, 0] == pytest.approx(doubled.statistics([weighted])[0, 0])


@pytest.mark.parametrize("test", EACH)
def test_negative_counts_in_a_cell_are_finite(test):
    sample = Sample(np.array([[0.01], [0.5], [0.6], [0.7], [0.8]]), np.array([-1.0, 1.0, 1.0, 1.0, 1.0]))
    assert np.isfinite(test(bins=10).prepare(GRID, 3.0).statistics([sample])).all()


@pytest.mark.parametrize("partition", ["features", "boxes"])
@pytest.mark.parametrize("test", EACH)
def test_finds_a_correlation_only_in_boxes(test, partition):
    rng = rng_for(3, "correlation")
    reference = Sample(rng.normal(size=(20_000, 2)))
    z = rng.normal(size=(40, 1000, 2))
    correlated = z[:10].copy()
    correlated[..., 1] = 0.4 * z[:10, :, 0] + np.sqrt(1 - 0.16) * z[:10, :, 1]
    prepared = test(bins=16, partition=partition).prepare(reference, 1000.0)
    null, found = (prepared.statistics([Sample(x) for x in xs])[:, 0] for xs in (z[10:], correlated))
    assert (np.median(found) > null.max()) == (partition == "boxes")


@pytest.mark.parametrize("bins", [1, 21])
def test_refuses_too_few_and_too_many_bins(bins):
    with pytest.raises(InputError, match=r"test\.bins"):
        BinnedChi2(bins=bins).prepare(uniform(100, 1), 1.0)


def test_the_likelihood_needs_the_expected_number():
    with pytest.raises(InputError, match="expected"):
        BinnedLikelihood().prepare(GRID, 0.0)
