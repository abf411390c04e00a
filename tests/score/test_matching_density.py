import pickle

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from serendip.errors import FitError, InputError, TooFewEventsError
from serendip.score.densities import make_density
from serendip.score.matching_density import FARTHEST, MatchingDensity

FAST = {"hidden": (32, 32), "epochs": 10, "batch": 256, "tolerance": 1e-5}
COVARIANCE = np.array([[1.0, 0.6], [0.6, 1.5]])


def sample(n=8000, seed=0):
    """In units far from one, with a mean that moves with the mass (in GeV)."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(2000, 4000, n)
    return 100 * (rng.multivariate_normal([5, 0], COVARIANCE, n) + np.outer(m / 1000 - 3, [1, -2])), m


def true_log_density(x, m):
    centre = np.array([5.0, 0.0]) + np.outer(m / 1000 - 3, [1, -2])
    return multivariate_normal([0, 0], COVARIANCE).logpdf(x / 100 - centre) - 2 * np.log(100)


@pytest.fixture(scope="module")
def density():
    return make_density("flow_matching", seed=1, **FAST).fit(*sample())


def test_log_density_in_the_features_units(density):
    x, m = sample(2000, seed=1)
    off = density.log_prob(x, m) - true_log_density(x, m)
    assert abs(off.mean()) < 0.05
    assert np.abs(off).mean() < 0.15


def test_draws_have_the_moments_of_each_mass(density):
    for mass in (2200.0, 3800.0):
        drawn = density.sample(np.full(3000, mass), seed=2) / 100
        assert np.allclose(drawn.mean(axis=0), [5 + (mass / 1000 - 3), -2 * (mass / 1000 - 3)], atol=0.15)
        assert np.allclose(np.cov(drawn.T), COVARIANCE, atol=0.35)


def test_there_and_back(density):
    x, m = sample(500, seed=3)
    z = density.to_latent(x, m)
    assert np.allclose(z.std(axis=0), 1, atol=0.15)
    assert np.allclose(density.from_latent(z, m), x, atol=1.0)


def test_far_events_are_finite_and_ever_rarer(density):
    far = np.outer([10.0, 1e2, 1e4, 1e6], [100, 100]) * FARTHEST
    log_prob = density.log_prob(far, np.full(4, 3000.0))
    assert np.isfinite(log_prob).all()
    assert (np.diff(log_prob) < 0).all()


def test_same_seed_same_draws(density):
    m = np.full(200, 3000.0)
    assert np.array_equal(density.sample(m, seed=5), density.sample(m, seed=5))
    assert not np.array_equal(density.sample(m, seed=5), density.sample(m, seed=6))


def test_saves_and_pickles_bit_for_bit(density, tmp_path):
    x, m = sample(300, seed=4)
    density.save(tmp_path / "density.npz")
    expected = density.log_prob(x, m)
    assert np.array_equal(MatchingDensity.load(tmp_path / "density.npz").log_prob(x, m), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(density)).log_prob(x, m), expected)


def test_pairs_of_opposite_weight_cancel():
    x, _ = sample(3000)
    extra = 300 + 50 * np.random.default_rng(9).normal(size=(600, 2))
    w = np.concatenate([np.ones(3600), -np.ones(600)])
    density = MatchingDensity(**FAST).fit(np.concatenate([x, extra, extra]), None, w)
    drawn = density.sample(3000, seed=1)
    assert np.allclose(drawn.mean(axis=0), x.mean(axis=0), atol=20)
    assert np.allclose(drawn.std(axis=0), x.std(axis=0), rtol=0.15)


def test_refuses_what_it_cannot_learn_from(density):
    x, m = sample(300)
    with pytest.raises(TooFewEventsError):
        MatchingDensity().fit(x[:50], m[:50])
    with pytest.raises(InputError, match="NaN"):
        MatchingDensity().fit(np.where(x > x.max() - 1, np.nan, x), m)
    with pytest.raises(InputError, match="constant"):
        MatchingDensity().fit(x * [1, 0], m)
    with pytest.raises(InputError, match="weights that cancel"):
        MatchingDensity().fit(x, m, np.where(np.arange(300) % 2 == 0, 1.0, -1.5))
    with pytest.raises(InputError, match="tolerance: Got 0"):
        MatchingDensity(tolerance=0).fit(x, m)
    with pytest.raises(InputError, match="Got no mass"):
        density.log_prob(x)


def test_says_when_the_integration_does_not_end(density):
    x, m = sample(200)
    nowhere = pickle.loads(pickle.dumps(density))
    nowhere.model_ = jax.tree.map(lambda leaf: 1e6 * leaf if eqx.is_inexact_array(leaf) else leaf, density.model_)
    with pytest.raises(FitError, match="Raise the tolerance"):
        nowhere.log_prob(x, m)
