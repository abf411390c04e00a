import jax
import jax.numpy as jnp
import numpy as np
import pytest

from serendip.nets import Training, VariationalAutoencoder, train
from serendip.nets.heteroscedastic import HeteroscedasticVae, free_bits_loss
from serendip.nets.variational import elbo_loss

SHORT = Training(epochs=4, batch=256, learning_rate=3e-3, schedule="one_cycle", clip=1.0, patience=0, validation=0.1)
NORMAL = 0.5 * np.log(2 * np.pi * np.e)  # nats that one standard normal number costs at best


def scattered(n=6000, seed=0):
    """Two numbers that scatter more where a third is large."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1.5, 1.5, n)
    return np.column_stack([t, *(t + 0.3 * np.exp(t) * rng.normal(size=(2, n)))]).astype(np.float32)


def test_no_start_leaves_a_short_training_far_from_the_optimum():
    x = np.random.default_rng(0).normal(size=(6000, 3)).astype(np.float32)
    losses = []
    for seed in range(10):
        model = VariationalAutoencoder(3, 2, hidden=(16, 16), key=jax.random.key(seed))
        losses.append(train(model, elbo_loss, (x,), settings=SHORT, seed=seed).validation_loss[-1])
    assert max(losses) < 3 * NORMAL + 1
    assert max(losses) - min(losses) < 0.75


def test_every_start_is_as_wide_for_every_event():
    x = jnp.asarray(scattered(50))
    for seed in range(3):
        model = HeteroscedasticVae(3, 2, hidden=(8,), least_spread=0.01, key=jax.random.key(seed))
        spread = model.draw_latent(x, jnp.ones((50, 2))) - model.encode(x)
        assert np.allclose(spread, spread[0, 0], rtol=1e-4)


def test_the_decoder_learns_where_values_scatter():
    x = scattered()
    model = HeteroscedasticVae(3, 2, hidden=(32, 32), least_spread=0.01, key=jax.random.key(0))
    settings = Training(epochs=12, batch=256, learning_rate=3e-3, schedule="one_cycle", clip=1.0, patience=0)
    model = train(model, free_bits_loss, (x,), settings=settings, seed=1).model
    rng = np.random.default_rng(2)
    z = jnp.repeat(model.encode(jnp.asarray([[-1.2, -1.2, -1.2], [1.2, 1.2, 1.2]])), 500, axis=0)
    drawn = np.asarray(model.draw(z, jnp.asarray(rng.normal(size=(1000, 3)), jnp.float32)))
    quiet, loud = drawn[:500, 2].std(), drawn[500:, 2].std()
    assert loud > 2 * quiet


@pytest.mark.parametrize("free", [True, False])
def test_free_bits_charge_only_what_is_carried(free):
    x = jnp.asarray(scattered(64))
    model = HeteroscedasticVae(3, 2, hidden=(8,), least_spread=0.01, beta=1.0 if free else 0.0, key=jax.random.key(0))
    key = jax.random.key(1)
    pull, volume, divergence = model.parts(x, jax.random.normal(key, (64, 2)))
    charge = np.asarray(free_bits_loss(model, x, key) - pull - volume)
    assert np.allclose(charge.mean(), np.maximum(divergence.mean(axis=0), 0.25).sum() if free else 0.0, atol=1e-3)
