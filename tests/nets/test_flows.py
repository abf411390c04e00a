import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from serendip.nets import maf, spline_coupling, spline_maf
from serendip.nets.flows import LEAST, negative_log_prob
from serendip.nets.training import Training, train

SMALL = {"blocks": 2, "hidden": 12, "layers": 1}
FLOWS = {"maf": maf, "spline_maf": spline_maf, "spline_coupling": spline_coupling}


def built(build, features, context):
    return eqx.filter_jit(build)(features, context, **SMALL, key=jr.key(0))


def bent(n, seed=0):
    """Events whose mean and spread follow a condition, and whose features depend on each other."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1, 1, (n, 1))
    first = c[:, 0] + 0.5 * rng.normal(size=n)
    second = first**2 - 1 + 0.3 * (1.5 + c[:, 0]) * rng.normal(size=n)
    return np.column_stack([first, second]), c


@pytest.fixture(params=sorted(FLOWS), scope="module")
def trained(request):
    settings = Training(epochs=15, batch=128, learning_rate=1e-2, schedule="one_cycle", patience=0)
    flow = built(FLOWS[request.param], 2, 1)
    return train(flow, negative_log_prob, bent(4000), settings=settings).model


def test_learns_a_bent_density(trained):
    x, c = bent(4000, seed=1)
    truth = -0.5 * ((x[:, 0] - c[:, 0]) / 0.5) ** 2 - np.log(0.5 * 0.3 * (1.5 + c[:, 0])) - np.log(2 * np.pi)
    truth -= 0.5 * ((x[:, 1] - x[:, 0] ** 2 + 1) / (0.3 * (1.5 + c[:, 0]))) ** 2
    found = eqx.filter_jit(trained.log_prob)(jnp.asarray(x, jnp.float32), jnp.asarray(c, jnp.float32))
    assert np.mean(truth - found) < 0.1  # a normal distribution of the same covariance is worse by 0.75


def test_density_integrates_to_one(trained):
    side = jnp.linspace(-8.0, 8.0, 400)
    x = jnp.stack(jnp.meshgrid(side, side), axis=-1).reshape(-1, 2)
    total = jnp.exp(eqx.filter_jit(trained.log_prob)(x, jnp.full((len(x), 1), 0.5))).sum() * (side[1] - side[0]) ** 2
    assert float(total) == pytest.approx(1, abs=0.01)


def test_draws_follow_the_density(trained):
    c = jnp.full((20_000, 1), 0.5)
    x = np.asarray(eqx.filter_jit(trained.sample)(jr.key(1), 20_000, c))
    z = np.asarray(eqx.filter_jit(trained.to_latent)(x, c))
    assert np.abs(z.mean(0)).max() < 0.03
    assert np.abs(np.cov(z.T) - np.eye(2)).max() < 0.05
    assert x[:, 0].mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("build", FLOWS.values(), ids=FLOWS)
def test_starts_as_the_standard_normal(build):
    flow = built(build, 3, 0)
    x = jr.normal(jr.key(1), (50, 3))
    np.testing.assert_allclose(
        eqx.filter_jit(flow.log_prob)(x), -0.5 * (x**2).sum(1) - 1.5 * np.log(2 * np.pi), rtol=1e-4
    )


def test_one_feature_is_enough():
    for build in FLOWS.values():
        flow = built(build, 1, 1)
        x, c = jr.normal(jr.key(1), (20, 1)), jnp.ones((20, 1))
        again = eqx.filter_jit(lambda f, x, c: f.from_latent(f.to_latent(x, c), c))(flow, x, c)
        np.testing.assert_allclose(again, x, atol=1e-4)


def test_loss_of_an_absurd_event_is_bounded_and_pulls_at_nothing():
    flow = built(maf, 2, 0)
    x = jnp.full((1, 2), 1e4)
    value, gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda f: negative_log_prob(f, x, key=jr.key(0)).sum()))(
        flow
    )
    assert float(value) == pytest.approx(LEAST + np.log(2 * np.pi))
    assert all(
        np.all(np.asarray(g) == 0)
        for g in eqx.filter(gradient, eqx.is_inexact_array).bijection.blocks.parts[1].network.biases
    )
