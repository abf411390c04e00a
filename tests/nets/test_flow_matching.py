import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import multivariate_normal

from serendip.errors import InputError
from serendip.nets.chunks import in_chunks
from serendip.nets.flow_matching import FREQUENCIES, Integration, VelocityField, carry, log_density, matching_loss
from serendip.nets.training import Training, train

COVARIANCE = np.array([[1.0, 0.6], [0.6, 1.5]])


def shifted(n, seed):
    """A normal distribution whose mean moves with the condition."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1, 1, (n, 1))
    return rng.multivariate_normal([0, 0], COVARIANCE, n) + c * [1, -2], c


def true_log_density(x, c):
    return multivariate_normal([0, 0], COVARIANCE).logpdf(x - c * [1, -2])


@pytest.fixture(scope="module")
def trained():
    settings = Training(epochs=20, batch=256, learning_rate=3e-3, schedule="one_cycle", patience=0, best=3)
    model = VelocityField(2, 1, hidden=(32, 32), key=jr.key(0))
    return train(model, matching_loss, shifted(20_000, 0), settings=settings).model


@pytest.fixture(scope="module")
def linear():
    """v = A x + b, whose path is known."""
    model = VelocityField(2, 0, hidden=(), key=jr.key(0))
    a, b = np.array([[0.5, 0.3], [-0.2, -0.7]]), np.array([0.4, -1.0])
    weights = jnp.concatenate([jnp.asarray(a.T), jnp.zeros((2 * FREQUENCIES + 1, 2))]).astype(jnp.float32)
    where = lambda m: (m.network.weights, m.network.biases)  # noqa: E731
    return eqx.tree_at(where, model, ((weights,), (jnp.asarray(b, jnp.float32),))), a, b


@pytest.mark.parametrize("how", [Integration(), Integration(steps=20)])
def test_likelihood_of_a_linear_velocity_is_the_closed_form(linear, how):
    model, a, b = linear
    grown = expm(a)
    mean = np.linalg.solve(a, (grown - np.eye(2)) @ b)
    x = np.random.default_rng(1).normal(size=(200, 2)) * 2
    expected = multivariate_normal(mean, grown @ grown.T).logpdf(x)
    assert np.allclose(in_chunks(log_density, model, x, x[:, :0], shared=(how,)), expected, atol=1e-3)


def test_learns_a_normal_density_within_a_twentieth(trained):
    x, c = shifted(3000, 1)
    off = in_chunks(log_density, trained, x, c, shared=(Integration(),)) - true_log_density(x, c)
    assert abs(off.mean()) < 0.02
    assert np.abs(off).mean() < 0.05


def test_density_sums_to_one(trained):
    grid = np.stack(np.meshgrid(np.linspace(-6, 7, 60), np.linspace(-7, 5, 60)), axis=-1).reshape(-1, 2)
    density = np.exp(in_chunks(log_density, trained, grid, np.full((3600, 1), 0.3), shared=(Integration(),)))
    assert density.sum() * (13 / 59) * (12 / 59) == pytest.approx(1, abs=0.01)


def test_there_and_back(trained):
    x, c = shifted(500, 2)
    how = Integration()
    z = in_chunks(carry, trained, x, c, shared=(1.0, 0.0, how))
    assert np.abs(in_chunks(carry, trained, z, c, shared=(0.0, 1.0, how)) - x).max() < 5e-3
    assert np.abs(np.cov(z.T) - np.eye(2)).max() < 0.25


def test_an_event_does_not_depend_on_the_others(trained):
    x, c = shifted(500, 3)
    together = in_chunks(log_density, trained, x, c, shared=(Integration(),))
    alone = in_chunks(log_density, trained, x[:1], c[:1], shared=(Integration(),))
    assert together[0] == pytest.approx(alone[0], abs=1e-4)


@pytest.mark.parametrize("wrong", [{"tolerance": 0.0}, {"steps": -1}])
def test_names_the_wrong_setting(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: Got"):
        Integration(**wrong)
