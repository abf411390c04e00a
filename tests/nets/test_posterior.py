import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import trapezoid

from serendip.nets.posterior import Posterior

draw, density_of = eqx.filter_jit(Posterior.from_latent), eqx.filter_jit(Posterior.log_prob)
marginal, quantile = eqx.filter_jit(Posterior.log_marginal), eqx.filter_jit(Posterior.marginal_from_latent)


@pytest.fixture(scope="module")
def posterior():
    """With random outputs in place of zeros, so that no map is the identity."""
    model = eqx.filter_jit(Posterior)(3, 5, 4, 8, 1, 6, key=jr.key(1))
    leaves, tree = jax.tree.flatten(eqx.filter(model, eqx.is_inexact_array))
    rng = np.random.default_rng(2)
    leaves = [np.asarray(leaf) + 0.2 * rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves]
    return eqx.combine(jax.tree.map(jnp.asarray, jax.tree.unflatten(tree, leaves)), model)


@pytest.fixture(scope="module")
def events():
    return jr.normal(jr.key(3), (6, 5))


def test_the_marginal_of_the_first_parameter_is_the_integral_over_the_others(posterior, events):
    z = jr.normal(jr.key(4), (100_000, 3))
    x = jnp.broadcast_to(events[:1], (len(z), 5))
    first = np.asarray(draw(posterior, z, x))[:, 0]
    grid = np.linspace(first.min(), first.max(), 21)
    fine = np.linspace(grid[0], grid[-1], 2001)
    density = np.exp(marginal(posterior, jnp.asarray(fine)[None], events[:1]))[0]
    counts = np.histogram(first, grid)[0]
    expected = [trapezoid(density[i * 100 : i * 100 + 101], fine[i * 100 : i * 100 + 101]) for i in range(20)]
    assert counts / len(z) == pytest.approx(np.array(expected), abs=0.006)


def test_quantiles_of_the_marginal_are_where_its_density_puts_them(posterior, events):
    z = jnp.broadcast_to(jnp.linspace(-2, 2, 9), (6, 9))
    theta = quantile(posterior, z, events)
    h = 1e-2
    slope = (quantile(posterior, z + h, events) - quantile(posterior, z - h, events)) / (2 * h)
    of_normal = -0.5 * (z**2 + jnp.log(2 * jnp.pi))
    np.testing.assert_allclose(marginal(posterior, theta, events), of_normal - jnp.log(slope), atol=0.05)


def test_draws_and_density_are_of_the_same_map(posterior, events):
    z = jr.normal(jr.key(5), (6, 3))
    theta = draw(posterior, z, events)
    one = jnp.broadcast_to(events[:1], (3, 5))
    step = 1e-2 * jnp.eye(3)
    jacobian = (draw(posterior, z[:1] + step, one) - draw(posterior, z[:1] - step, one)) / 2e-2
    expected = -0.5 * jnp.sum(z[0] ** 2 + jnp.log(2 * jnp.pi)) - jnp.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(density_of(posterior, theta, events)[0], expected, atol=0.05)
