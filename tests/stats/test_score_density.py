import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.score_density import ScoreDensity

SHAPES = {"normal": stats.norm(), "exponential": stats.expon(), "student": stats.t(4), "uniform": stats.uniform()}


def sample(name, n=20_000, seed=1):
    return SHAPES[name].rvs(n, random_state=rng_for(seed, name))


@pytest.mark.parametrize("name", SHAPES)
def test_density_is_normalised_and_its_own_distribution(name):
    density = ScoreDensity.fit(sample(name))
    grid = density.isf(np.concatenate([np.geomspace(1e-12, 0.5, 2001), 1 - np.geomspace(1e-12, 0.5, 2001)[::-1]]))
    grid = np.unique(grid)
    middle = 0.5 * (grid[1:] + grid[:-1])
    assert np.sum(np.exp(density.log_density(middle)) * np.diff(grid)) == pytest.approx(1, abs=2e-3)
    np.testing.assert_allclose(density.cdf(middle) + density.sf(middle), 1, atol=1e-12)
    assert np.all(np.diff(density.cdf(grid)) >= 0)


@pytest.mark.parametrize("name", SHAPES)
def test_log_density_is_finite_far_beyond_the_last_event(name):
    density = ScoreDensity.fit(sample(name))
    far = density.log_density(np.array([-1e6, -50.0, 50.0, 1e6]))
    assert np.isfinite(far).all()
    assert np.all(far < density.log_density(np.array([density.knots[50]])))


@pytest.mark.parametrize("name", ["normal", "exponential", "student"])
def test_tail_agrees_with_the_truth_within_its_error(name):
    truth = SHAPES[name]
    pulls = []
    for seed in range(8):
        density = ScoreDensity.fit(sample(name, seed=seed))
        at = truth.isf([1e-2, 1e-3, 1e-4])
        pulls.append(np.log(density.sf(at) / truth.sf(at)) / density.relative_error(at))
    assert np.abs(np.mean(pulls, axis=0)).max() < 1.5
    assert 0.4 < np.std(pulls) < 1.7


def test_error_grows_where_it_extrapolates():
    density = ScoreDensity.fit(sample("exponential"))
    inside, edge, beyond = density.relative_error(np.array([1.0, 5.0, 14.0]))
    assert inside < 0.02
    assert inside < edge < beyond
    assert beyond > 0.2


def test_weights_stand_for_events():
    ts = sample("normal")
    w = stats.norm.pdf(ts, 0.5, 0.8) / stats.norm.pdf(ts)
    density = ScoreDensity.fit(ts, w)
    at = stats.norm.isf([0.9, 0.5, 0.1, 0.01], 0.5, 0.8)
    np.testing.assert_allclose(density.sf(at), [0.9, 0.5, 0.1, 0.01], rtol=0.12)
    assert density.n_above[0] < 0.9 * len(ts)
    doubled = ScoreDensity.fit(np.repeat(ts, 2), np.full(2 * len(ts), 0.5))
    np.testing.assert_allclose(doubled.sf(at), ScoreDensity.fit(ts).sf(at), rtol=0.05)


def test_quantiles_in_the_tails_invert_the_distribution():
    density = ScoreDensity.fit(sample("student"))
    sf = np.array([1e-30, 1e-9, 1e-4, 0.3, 0.7, 1 - 1e-4])
    np.testing.assert_allclose(density.sf(density.isf(sf))[:3], sf[:3], rtol=1e-9)
    np.testing.assert_allclose(density.sf(density.isf(sf))[3:], sf[3:], rtol=1e-2)


def test_a_bounded_score_goes_on_as_an_exponential():
    density = ScoreDensity.fit(sample("uniform"))
    assert density.upper.shape < 0
    beyond = np.array([1.01, 1.02, 1.03])
    falls = np.diff(density.log_density(beyond))
    assert falls[0] == pytest.approx(falls[1])
    assert density.sf(np.array([1.01]))[0] < 1e-3


def test_density_is_the_derivative_of_the_distribution():
    density = ScoreDensity.fit(sample("normal"))
    for low, high in ((-4.5, -3.5), (-1.0, 1.0), (3.5, 4.5)):
        middle = low + (high - low) * (np.arange(4000) + 0.5) / 4000
        area = np.exp(density.log_density(middle)).mean() * (high - low)
        assert area == pytest.approx(float(np.diff(density.cdf(np.array([low, high])))[0]), rel=2e-3)


def test_scores_that_cannot_be_fitted_are_refused():
    with pytest.raises(TooFewEventsError, match="Got 399 events in the score"):
        ScoreDensity.fit(sample("normal")[:399])
    with pytest.raises(InputError, match="not finite"):
        ScoreDensity.fit(np.append(sample("normal"), np.nan))
    with pytest.raises(InputError, match="continuous"):
        ScoreDensity.fit(np.repeat([0.0, 1.0], 1000))
    with pytest.raises(InputError, match="negative weights"):
        ScoreDensity.fit(sample("normal"), np.full(20_000, -1.0))
