import numpy as np
import pytest
from scipy import special, stats

from serendip.errors import InputError, TooFewEventsError
from serendip.stats.tail import fit_tail, log_tail, tail_p_value

WINDOWS = 50


def exponential(rng, n):
    return rng.exponential(size=n)


def largest_of_gaussians(rng, n):
    return special.ndtri(rng.random(n) ** (1 / WINDOWS))


def smallest_log_p(rng, n):
    return -np.log(-np.expm1(np.log(rng.random(n)) / WINDOWS))


QUANTILES = {
    exponential: lambda p: -np.log(p),
    largest_of_gaussians: lambda p: -special.ndtri(-np.expm1(np.log1p(-p) / WINDOWS)),
    smallest_log_p: lambda p: -np.log(-np.expm1(np.log1p(-p) / WINDOWS)),
}


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.4])
def test_fit_matches_scipy(xi):
    y = stats.genpareto.rvs(xi, scale=2.0, size=(3, 400), random_state=1)
    shapes, scales = fit_tail(y)
    for row, shape, scale in zip(y, shapes, scales):
        assert (shape, scale) == pytest.approx(stats.genpareto.fit(row, floc=0)[::2], abs=2e-3)


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.4])
def test_log_tail_matches_scipy(xi):
    y = np.linspace(0.0, 10.0, 20)
    np.testing.assert_allclose(log_tail(y, xi, 2.0), stats.genpareto.logsf(y, xi, scale=2.0), rtol=1e-10)


@pytest.mark.parametrize(
    ("draw", "family"),
    [
        (exponential, "pareto"),
        (exponential, "exponential"),
        (largest_of_gaussians, "pareto"),
        (smallest_log_p, "pareto"),
        (smallest_log_p, "exponential"),
    ],
)
def test_interval_covers_a_closed_form_tail_at_its_level(draw, family):
    rng, truth, trials = np.random.default_rng(5), 1e-5, 80
    observed, covered, fitted = float(QUANTILES[draw](truth)), 0, 0
    for _ in range(trials):
        p = tail_p_value(observed, draw(rng, 5000), family=family, resamples=1).p
        fitted += p.how == "tail fit"
        covered += p.how == "tail fit" and p.interval[0] <= truth <= p.interval[1]
    assert fitted > 0.8 * trials
    assert abs(covered / fitted - 0.683) < 3.3 * np.sqrt(0.683 * 0.317 / fitted)


def test_goodness_is_uniform_where_the_tail_is_right():
    rng = np.random.default_rng(6)
    goodness = [tail_p_value(9.0, exponential(rng, 1000), resamples=50, seed=i).goodness for i in range(100)]
    assert stats.kstest(goodness, "uniform").pvalue > 0.01


def test_flags_a_tail_of_two_parts():
    rng = np.random.default_rng(7)
    toys = np.where(rng.random(10_000) < 0.05, rng.normal(8, 0.3, 10_000), rng.exponential(size=10_000))
    result = tail_p_value(12.0, toys, n_tail=2000)
    assert result.flagged
    assert "the fit is poor" in result.reason
    assert result.goodness < 0.05


def test_flags_an_observation_beyond_the_end_of_the_tail_and_falls_back_on_toys():
    result = tail_p_value(50.0, np.random.default_rng(8).random(5000))
    assert result.flagged
    assert "ends before the observation" in result.reason
    assert result.p.how == "toys"
    assert result.p.is_limit


def test_flags_a_bold_extrapolation():
    result = tail_p_value(30.0, np.random.default_rng(9).exponential(size=2000), family="exponential")
    assert result.flagged
    assert "1000 times beyond" in result.reason
    assert np.isfinite(result.p.z)


def test_takes_the_toys_where_enough_reach_the_observation():
    toys = np.random.default_rng(10).exponential(size=5000)
    result = tail_p_value(3.0, toys, resamples=10)
    assert result.p.how == "toys"
    assert result.p.p == pytest.approx((np.sum(toys >= 3.0) + 1) / 5001)
    assert not result.flagged


def test_depends_on_its_seed_alone():
    toys = np.random.default_rng(11).exponential(size=2000)
    assert tail_p_value(9.0, toys, seed=1) == tail_p_value(9.0, toys[::-1].copy(), seed=1)


def test_fit_and_p_do_not_depend_on_units():
    toys = np.random.default_rng(12).exponential(size=2000)
    one, thousand = tail_p_value(9.0, toys, resamples=1), tail_p_value(9000.0, 1000 * toys, resamples=1)
    assert thousand.p.p == pytest.approx(one.p.p, rel=1e-6)
    assert thousand.scale == pytest.approx(1000 * one.scale, rel=1e-6)


def test_refuses_few_toys():
    with pytest.raises(TooFewEventsError, match="100 events in the toys"):
        tail_p_value(3.0, np.ones(100))


@pytest.mark.parametrize(
    ("toys", "n_tail", "message"),
    [
        (np.full(500, np.nan), None, "500 toys not finite"),
        (np.ones(500), None, "all equal"),
        (np.arange(500.0), 500, "Got n_tail=500"),
    ],
)
def test_refuses_what_cannot_be_fitted(toys, n_tail, message):
    with pytest.raises(InputError, match=message):
        tail_p_value(3.0, toys, n_tail=n_tail)
