import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.simulate.gaussian_mixture import correlated_mixture


def test_density_is_that_of_its_components():
    mixture = correlated_mixture(3, components=2, seed=1)
    x = mixture.sample(50, rng_for(1, "test"))
    parts = [
        share * stats.multivariate_normal(mean, factor @ factor.T).pdf(x)
        for share, mean, factor in zip(mixture.shares, mixture.means, mixture.factors)
    ]
    np.testing.assert_allclose(mixture.log_prob(x), np.log(sum(parts)), rtol=1e-10)


def test_samples_have_the_moments_of_the_mixture():
    mixture = correlated_mixture(4, seed=2)
    x = mixture.sample(40_000, rng_for(2, "test"))
    mean = mixture.shares @ mixture.means
    np.testing.assert_allclose(x.mean(0), mean, atol=5 * x.std(0).max() / 200)
    second = sum(
        share * (factor @ factor.T + np.outer(m - mean, m - mean))
        for share, m, factor in zip(mixture.shares, mixture.means, mixture.factors)
    )
    np.testing.assert_allclose(np.cov(x.T), second, atol=0.25)


def test_components_are_correlated_within_the_stated_spreads():
    mixture = correlated_mixture(6, seed=3)
    covariance = mixture.factors @ mixture.factors.transpose(0, 2, 1)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert (sd >= 0.2).all()
    assert (sd <= 1.0).all()
    correlation = covariance / sd[:, :, None] / sd[:, None, :]
    assert np.abs(correlation[:, 0, 1:]).max() > 0.3


def test_refuses_no_dimension():
    with pytest.raises(InputError, match="d: Got 0"):
        correlated_mixture(0)
