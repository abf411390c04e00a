import math

import numpy as np
import pytest
from scipy import special, stats

from serendip.errors import InputError
from serendip.stats.combination import COMBINATIONS, combine
from serendip.stats.p_value import toy_p_value
from serendip.stats.uniformity import uniformity

EVERY = sorted(COMBINATIONS)
BOTH = ["empirical", "chi2"]


def correlated(rows, k=4, dof=6, seed=0):
    """χ² columns of which each shares two thirds of its terms with all others."""
    rng = np.random.default_rng(seed)
    shared = rng.chisquare(4, (rows, 1))
    return shared + rng.chisquare(dof - 4, (rows, k))


def between_steps(k, n, u):
    """The p between k / (n + 1) and (k + 1) / (n + 1)."""
    return (k + u) / (n + 1)


@pytest.mark.parametrize("local", BOTH)
@pytest.mark.parametrize("how", EVERY)
def test_global_p_is_uniform_for_correlated_columns(how, local):
    rng, p = np.random.default_rng(5), []
    for seed in range(200):
        rows = correlated(31, seed=seed)
        k = round(combine(rows[0], rows[1:], how, local=local).p.p * 31) - 1
        p.append(between_steps(k, 30, rng.random()))
    assert uniformity(np.array(p)).uniform


@pytest.mark.parametrize("how", EVERY)
def test_a_poor_chi_squared_keeps_p_uniform(how):
    rng, p = np.random.default_rng(6), []
    for seed in range(300):
        rows = np.exp(correlated(31, seed=seed) / 3)  # nothing like a χ²
        k = round(combine(rows[0], rows[1:], how, local="chi2").p.p * 31) - 1
        p.append(between_steps(k, 30, rng.random()))
    assert uniformity(np.array(p)).uniform


@pytest.mark.parametrize("local", BOTH)
def test_one_column_gives_its_own_p(local):
    toys = correlated(200, k=1)
    for how in EVERY:
        for observed in (np.array([3.0]), np.array([9.0])):
            combined = combine(observed, toys, how, local=local)
            assert combined.p.p == pytest.approx(toy_p_value(int((toys >= observed).sum()), 200).p)


def test_product_of_independent_columns_is_fishers():
    k, n = 3, 4000
    toys = np.random.default_rng(1).chisquare(6, (n, k))
    observed = stats.chi2.isf([0.05, 0.2, 0.01], 6)
    fisher = stats.combine_pvalues([0.05, 0.2, 0.01]).pvalue
    for local in BOTH:
        combined = combine(observed, toys, "prod-p", local=local)
        assert combined.p.p == pytest.approx(fisher, abs=3 * math.sqrt(fisher / n))
        assert combined.statistic == pytest.approx(-math.log(0.05 * 0.2 * 0.01), rel=0.05)


def test_smallest_of_independent_columns_is_tippetts():
    n = 4000
    toys = np.random.default_rng(2).chisquare(6, (n, 5))
    observed = stats.chi2.isf([0.5, 0.5, 0.5, 0.5, 0.004], 6)
    expected = 1 - (1 - 0.004) ** 5
    assert combine(observed, toys, "min-p", local="chi2").p.p == pytest.approx(
        expected, abs=3 * math.sqrt(expected / n)
    )


def test_statistics_are_the_published_ones():
    rows = correlated(51)
    observed, toys = rows[0], rows[1:]
    p = ((toys >= observed).sum(axis=0) + 1) / 51
    found = {how: combine(observed, toys, how).statistic for how in EVERY}
    assert found == pytest.approx(
        {
            "avg-p": -math.log(p.mean()),
            "min-p": -math.log(p.min()),
            "prod-p": -np.log(p).sum(),
            "smax-t": special.logsumexp(observed) - math.log(4),
        }
    )


def power(how, local, shift, experiments=80):
    found = 0
    for seed in range(experiments):
        rows = np.random.default_rng(seed).chisquare(6, (101, 8))
        rows[0] += shift
        found += combine(rows[0], rows[1:], how, local=local).p.p < 0.05
    return found / experiments


def test_smallest_p_sees_a_signal_in_one_column_and_the_product_one_in_all():
    one, everywhere = np.array([16.0, *np.zeros(7)]), np.full(8, 3.0)
    assert power("min-p", "chi2", one) > power("prod-p", "chi2", one) > 0.3
    assert power("prod-p", "chi2", everywhere) > power("min-p", "chi2", everywhere) + 0.2
    assert power("min-p", "chi2", np.zeros(8)) < 0.1


@pytest.mark.parametrize("local", BOTH)
def test_finds_a_signal_in_one_column(local):
    toys = correlated(300)
    combined = combine(np.array([6.0, 6.0, 60.0, 6.0]), toys, "min-p", local=local)
    assert combined.best == 2
    assert combined.p.p < 0.02
    assert len(combined.local) == 4


def test_empirical_local_p_saturates_where_a_chi_squared_does_not():
    toys = correlated(300)
    near, far = np.full(4, 60.0), np.full(4, 90.0)
    assert combine(near, toys).statistic == combine(far, toys).statistic
    assert combine(near, toys, local="chi2").statistic < combine(far, toys, local="chi2").statistic
    assert combine(far, toys, local="chi2").local[0].z > 7


def test_ties_of_the_smallest_p_are_decided_by_the_product():
    toys = np.random.default_rng(0).chisquare(6, (300, 4))
    lonely = combine(np.array([60.0, 1.0, 1.0, 1.0]), toys)
    crowned = combine(np.array([60.0, 9.0, 9.0, 9.0]), toys)
    assert lonely.statistic == crowned.statistic
    assert crowned.p.p < lonely.p.p <= 5 / 301


def test_equal_columns_are_one_column():
    rows = correlated(100, k=1)
    twice = np.repeat(rows, 3, axis=1)
    for how in EVERY:
        assert combine(twice[0], twice[1:], how).p.p == combine(rows[0], rows[1:], how).p.p


def test_statistics_in_steps_count_ties_as_reached():
    toys = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0)
    assert combine(np.array([1.0, 1.0]), toys).p.p == pytest.approx(51 / 101)


@pytest.mark.parametrize(
    ("observed", "toys", "more", "words"),
    [
        (np.ones(2), np.ones((9, 3)), {}, r"2 statistics and toys of shape \(9, 3\)"),
        (np.ones(2), np.ones((0, 2)), {}, "expected \\(toys, statistics\\)"),
        (np.array([1.0, math.nan]), np.ones((9, 2)), {}, "1 rows"),
        (np.ones(2), np.ones((9, 2)), {"how": "minp"}, "'min-p'"),
        (np.ones(2), np.ones((9, 2)), {"local": "chi2"}, 'local="empirical"'),
    ],
)
def test_refuses_what_cannot_be_combined(observed, toys, more, words):
    with pytest.raises(InputError, match=words):
        combine(observed, toys, **more)
