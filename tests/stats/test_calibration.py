import math

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.calibration import calibrate, fit_chi_squared, fitted_dof, log_chi_squared_tail
from serendip.stats.uniformity import uniformity


def chi_squared(dof=5.4, n=300, seed=0):
    return np.random.default_rng(seed).chisquare(dof, n)


@pytest.mark.parametrize("dof", [0.5, 1, 5.39, 9.58, 300.0])
def test_finds_the_degrees_of_freedom_within_their_error(dof):
    toys = np.random.default_rng(1).chisquare(dof, (400, 300))
    error = fit_chi_squared(toys[0], resamples=1).error
    pulls = (fitted_dof(toys) - dof) / error
    assert abs(pulls.mean()) < 0.2
    assert pulls.std() == pytest.approx(1, abs=0.12)


def test_fit_is_scipys_maximum_likelihood():
    toys = chi_squared()
    best = stats.chi2.fit(toys, floc=0, fscale=1)[0]
    assert fitted_dof(toys[None])[0] == pytest.approx(best, rel=1e-3)


def test_tail_of_two_and_four_degrees_is_exact_where_p_underflows():
    t = np.array([0.0, 3.0, 100.0, 1400.0, 5000.0])
    np.testing.assert_allclose(log_chi_squared_tail(t, 2.0), -t / 2, rtol=1e-12)
    np.testing.assert_allclose(log_chi_squared_tail(t, 4.0), np.log1p(t / 2) - t / 2, rtol=1e-12)


def test_tail_joins_smoothly_where_the_continued_fraction_takes_over():
    for dof in (0.3, 9.58, 400.0):
        t = stats.chi2.isf(1e-290, dof) * np.linspace(0.999, 1.001, 21)
        slope = np.diff(log_chi_squared_tail(t, dof))
        np.testing.assert_allclose(slope, slope.mean(), rtol=1e-3)


def test_p_of_the_fit_is_a_chi_squareds():
    fit = fit_chi_squared(chi_squared())
    p = fit.p_value(20.0)
    assert p.p == pytest.approx(stats.chi2.sf(20.0, fit.dof))
    assert p.interval[0] <= stats.chi2.sf(20.0, fit.dof - fit.error)
    assert p.interval[1] >= stats.chi2.sf(20.0, fit.dof + fit.error)
    assert p.how == "χ² fit"


def test_the_free_scale_is_that_of_greatest_likelihood():
    toys = 1.3 * chi_squared()
    shape, _, scale = stats.gamma.fit(toys, floc=0)
    assert fit_chi_squared(toys).free == pytest.approx((2 * shape, scale / 2), rel=1e-4)


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
def test_the_interval_holds_the_true_z_far_out_where_the_spread_is_not_a_chi_squareds(scale):
    """In 68 % or more; dof ± error alone never holds it at a scale of 0.9 or 1.1."""
    rng, observed = np.random.default_rng(4), float(scale * stats.chi2.isf(1e-4, 30))
    fits = [fit_chi_squared(scale * rng.chisquare(30, 300), resamples=1).p_value(observed) for _ in range(150)]
    covered = np.mean([p.interval[0] <= 1e-4 <= p.interval[1] for p in fits])
    assert covered > 0.68 - 2 * math.sqrt(0.68 * 0.32 / 150)
    assert np.mean([p.z_interval[1] - p.z_interval[0] for p in fits]) < 1


def test_far_observation_keeps_z_finite_and_ordered():
    fit = fit_chi_squared(chi_squared())
    near, far = fit.p_value(3000.0), fit.p_value(5000.0)
    assert near.p == far.p == 5e-324
    assert math.isfinite(near.z) and near.z < far.z  # noqa: PT018
    assert far.z == pytest.approx(math.sqrt(5000), rel=0.02)


def test_goodness_of_the_fit_is_uniform_although_the_dof_is_fitted():
    p = np.array([fit_chi_squared(chi_squared(n=100, seed=i), seed=i, resamples=99).ks_p for i in range(300)])
    between_steps = p - np.random.default_rng(0).random(300) / 100
    assert uniformity(between_steps).uniform


def test_textbook_ks_p_would_be_too_large():
    toys = [chi_squared(n=100, seed=i) for i in range(300)]
    naive = [stats.kstest(t, stats.chi2(fitted_dof(t[None])[0]).cdf).pvalue for t in toys]
    assert np.mean(naive) > 0.55


@pytest.mark.parametrize(
    ("toys", "words"),
    [
        (3 * chi_squared(), "KS p"),
        (np.random.default_rng(0).normal(30, 2, 300), "KS p"),
        (np.concatenate([chi_squared(n=970), 12 + chi_squared(n=30)]), "beyond its 95 % quantile"),
        (np.concatenate([chi_squared(n=290), -np.ones(10)]), "3.3% of the toys are not above 0"),
    ],
)
def test_flags_a_poor_fit_and_says_why(toys, words):
    fit = fit_chi_squared(toys)
    assert fit.flagged
    assert words in fit.reason


def test_flags_true_chi_squared_toys_rarely():
    flagged = [fit_chi_squared(chi_squared(n=200, seed=i), seed=i, resamples=99).flagged for i in range(100)]
    assert np.mean(flagged) < 0.11


def test_a_few_toys_below_zero_change_little():
    toys = chi_squared(n=1000)
    fit = fit_chi_squared(np.concatenate([toys, [-0.3, -0.1]]))
    assert not fit.flagged
    assert fit.dof == pytest.approx(fit_chi_squared(toys).dof)


def test_quotes_toys_where_ten_reach():
    toys = chi_squared()
    result = calibrate(float(np.sort(toys)[-10]), toys)
    assert result.quoted == result.p
    assert result.p.p == pytest.approx(11 / 301)
    assert result.tail is None
    assert "10 of 300 toys" in result.why


def test_quotes_the_chi_squared_beyond_the_toys():
    result = calibrate(45.0, chi_squared())
    assert result.quoted == result.chi2_p
    assert result.p.is_limit
    assert "none of 300 toys" in str(result)
    assert "degrees of freedom" in str(result)


def test_quotes_the_tail_where_the_chi_squared_is_flagged():
    toys = 3 * chi_squared(n=1000)
    result = calibrate(float(toys.max() * 1.05), toys)
    assert result.chi2.flagged
    assert result.quoted == result.tail.p
    assert "χ² flagged" in result.why


def test_quotes_the_limit_where_no_fit_is_good():
    result = calibrate(100.0, 3 * chi_squared(n=100))
    assert result.quoted == result.p
    assert result.quoted.is_limit
    assert "fewer than 200" in result.why


def test_statistic_in_steps_is_calibrated_by_toys_alone():
    result = calibrate(1.0, np.repeat([0.0, 0.5], 150))
    assert result.chi2 is None
    assert result.tail is None
    assert result.quoted.is_limit


def test_quoted_p_is_as_rarely_small_as_it_says():
    rng, n = np.random.default_rng(3), 250
    p = np.array([calibrate(rng.chisquare(6), rng.chisquare(6, 60)).quoted.p for _ in range(n)])
    for level in (0.01, 0.05, 0.2, 0.5):
        assert abs(np.mean(p <= level) - level) < 3 * math.sqrt(level * (1 - level) / n) + 1 / 61


def test_fit_is_right_far_beyond_its_toys():
    rng, observed = np.random.default_rng(3), float(stats.chi2.isf(1e-6, 6))
    z = [fit_chi_squared(rng.chisquare(6, 300), resamples=1).p_value(observed).z for _ in range(100)]
    assert np.mean(z) == pytest.approx(stats.norm.isf(1e-6), abs=0.04)


def test_same_seed_gives_the_same_result():
    toys = chi_squared()
    assert calibrate(30.0, toys, seed=4) == calibrate(30.0, toys, seed=4)


@pytest.mark.parametrize(
    ("observed", "toys", "words"),
    [
        (1.0, np.array([]), "no toys"),
        (math.nan, np.ones(30), "observed=nan"),
        (1.0, np.array([1.0, math.inf]), "1 toys not finite"),
    ],
)
def test_refuses_what_cannot_be_calibrated(observed, toys, words):
    with pytest.raises(InputError, match=words):
        calibrate(observed, toys)


def test_refuses_to_fit_few_toys():
    with pytest.raises(InputError, match="expected at least 20"):
        fit_chi_squared(chi_squared(n=19))


def test_a_chi_squared_that_few_toys_test_is_not_quoted():
    toys = rng_for(1, "few toys").chisquare(5, 100)
    assert calibrate(80.0, toys).quoted.how == "χ² fit"
    assert "far beyond where toys test it" in calibrate(80.0, toys).why
    few = calibrate(80.0, toys[:99])
    assert few.chi2.flagged
    assert few.quoted.is_limit
    assert "only 99 toys" in few.why
