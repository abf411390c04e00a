import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from serendip.nets.transport import sinkhorn_divergence, transport, transport_loss

N, D = 64, 3


@pytest.fixture(scope="module")
def pairs():
    x = jr.normal(jr.key(0), (2, N, D))
    m = jnp.sort(jr.uniform(jr.key(1), (2, N)), axis=0)
    return x[0], m[0], x[1], m[1]


@pytest.fixture(scope="module")
def untrained(pairs):
    """Events carried up and down by an untrained map, and its loss."""

    @eqx.filter_jit
    def carried(model, x, m_low, x_high, m_high):
        loss = transport_loss(model, x, m_low, x_high, m_high, key=jr.key(3))
        return model.up(x, m_low, m_high), model.down(x, m_high, m_low), loss

    return carried(transport(D, blocks=2, hidden=8, key=jr.key(2)), *pairs)


@pytest.fixture(scope="module")
def at_shift(pairs):
    """The divergence between a sample and itself shifted, and its gradient in the shift."""
    return jax.jit(jax.value_and_grad(lambda shift: sinkhorn_divergence(pairs[0] + shift, pairs[0])))


def test_an_untrained_map_is_the_identity(pairs, untrained):
    assert np.allclose(untrained[0], pairs[0], atol=1e-5)
    assert np.allclose(untrained[1], pairs[0], atol=1e-5)


def test_the_loss_is_one_of_the_batch(untrained):
    assert untrained[2].shape == (N,)
    assert np.ptp(untrained[2]) == 0


def test_a_sample_is_at_no_distance_from_itself(at_shift):
    assert float(at_shift(jnp.zeros(D))[0]) == pytest.approx(0, abs=1e-5)


def test_a_shift_costs_half_its_square(at_shift):
    shift = jnp.array([0.8, 0.0, -0.6])
    value, gradient = at_shift(shift)
    assert float(value) == pytest.approx(0.5, rel=0.01)
    assert np.allclose(gradient, shift, atol=0.06)  # ten iterations have not quite converged
