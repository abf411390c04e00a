import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from serendip.errors import InputError
from serendip.nets.autoencoder import Autoencoder, reconstruction_loss
from serendip.nets.chunks import CHUNK, in_chunks
from serendip.nets.normalised_autoencoder import Chains, EnergyAutoencoder, contrast_loss, draw, langevin
from serendip.nets.training import Training, train
from serendip.nets.variational import VariationalAutoencoder, elbo_loss, mean_negative_elbo

KEY = jr.key(0)
SETTINGS = Training(epochs=15, batch=256, learning_rate=1e-2, schedule="one_cycle", patience=0)


def replaced(module, name, part):
    return eqx.tree_at(lambda m: getattr(m, name), module, part)


AXIS, NOISE = np.array([1.0, 2.0, -1.0]), 0.4


def line(n=3000, seed=0):
    """Events around a line through three features."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * AXIS + NOISE * rng.normal(size=(n, 3))


def test_one_number_carries_a_line():
    x = line(20_000)
    trained = train(Autoencoder(3, 1, hidden=(16,), key=KEY), reconstruction_loss, (x,), settings=SETTINGS)
    error = in_chunks(Autoencoder.error, trained.model, line(seed=1))
    assert error.mean() == pytest.approx(2 * NOISE**2, rel=0.15)  # two of three directions are lost
    across = np.array([[2.0, 0.0, 2.0]])
    assert in_chunks(Autoencoder.error, trained.model, across)[0] > 2 * in_chunks(
        Autoencoder.error, trained.model, AXIS[None]
    )


def test_a_bounded_latent_space_is_a_box():
    model = Autoencoder(3, 2, hidden=(16,), bounded=True, key=KEY)
    assert np.abs(model.encode(1e3 * jr.normal(KEY, (100, 3)))).max() <= 1


@pytest.mark.parametrize("flow", [0, 2])
def test_elbo_is_the_evidence_where_the_posterior_is_the_prior(flow):
    # A decoder that ignores z: −ELBO averages to −log p(x) plus the divergence of posterior from prior.
    model = eqx.nn.inference_mode(VariationalAutoencoder(2, 1, hidden=(8,), flow=flow, key=KEY))
    for name in ("decoder", "posterior"):
        arrays, rest = eqx.partition(getattr(model, name), eqx.is_array)
        model = replaced(model, name, eqx.combine(jax.tree.map(jnp.zeros_like, arrays), rest))
    x = jr.normal(KEY, (50, 2))
    bound = mean_negative_elbo(model, x, jr.normal(jr.key(1), (4000, 1)))
    evidence = 0.5 * jnp.sum(x**2 + np.log(2 * np.pi), axis=1)
    # A fresh flow is a permutation; it leaves the standard normal as it is.
    assert np.allclose(bound, evidence, atol=1e-4)


@pytest.mark.parametrize("flow", [0, 2])
def test_elbo_reaches_the_evidence_of_a_linear_model(flow):
    # x = a z + noise has a normal posterior, so that the bound can be tight; and it can never beat the evidence.
    x = line(20_000)
    covariance = np.outer(AXIS, AXIS) + NOISE**2 * np.eye(3)
    test = line(3000, seed=1)
    solved = np.einsum("ni,ij,nj->n", test, np.linalg.inv(covariance), test)
    evidence = 0.5 * np.mean(solved + np.linalg.slogdet(2 * np.pi * covariance)[1])
    model = VariationalAutoencoder(3, 1, hidden=(16,), flow=flow, key=KEY)
    trained = train(model, elbo_loss, (x,), settings=SETTINGS)
    bound = in_chunks(mean_negative_elbo, trained.model, test, shared=(jr.normal(KEY, (16, 1)),)).mean()
    assert evidence - 0.02 < bound < evidence + 0.1


def test_langevin_steps_keep_a_normal_distribution():
    start = 2 + jr.normal(KEY, (4000, 1)) * 0.1
    end = np.asarray(langevin(lambda x: 0.5 * jnp.sum(x**2, axis=1), start, 0.3, 150, jnp.inf, KEY))
    assert end.mean() == pytest.approx(0, abs=0.1)
    assert end.std() == pytest.approx(1, abs=0.06)


@pytest.fixture(scope="module")
def identity():
    """E(x) = x_2² / T: the first feature passes through the box, the second is lost."""
    network = Autoencoder(2, 1, hidden=(), bounded=True, key=KEY)
    weights = (jnp.array([[20.0], [0.0]]),), (jnp.array([[2.0, 0.0]]),)
    network = replaced(network, "encoder", replaced(network.encoder, "weights", weights[0]))
    network = replaced(network, "decoder", replaced(network.decoder, "weights", weights[1]))
    return EnergyAutoencoder(network, jnp.asarray(0.02), 0.0, Chains(chains=2000, latent_steps=4, steps=20))


@pytest.fixture(scope="module")
def drawn(identity):
    return eqx.filter_jit(draw)(identity, KEY)


def test_draws_follow_the_energy(identity, drawn):
    # The encoder is a step, so that events are reconstructed at ±2 only: two wells, half a unit for each feature.
    x = np.asarray(drawn[0])
    assert np.asarray(identity.energy(x)).mean() == pytest.approx(1.0, abs=0.2)
    assert np.mean(x[:, 0] > 0) == pytest.approx(0.5, abs=0.05)
    assert np.quantile(np.abs(np.abs(x[:, 0]) - 2), 0.9) < 0.3


def test_the_integral_of_a_known_energy(drawn):
    # Two wells with ∫ exp(−r²/T) = π T each; the step itself adds a hundredth.
    assert float(drawn[1]) == pytest.approx(np.log(2 * np.pi * 0.02), abs=0.1)


def test_contrast_has_the_likelihood_as_value_and_leaves_the_temperature_alone(identity, drawn):
    x = jnp.array([[2.0, 0.0], [2.0, 1.0]])

    def total(temperature):
        losses = contrast_loss(replaced(identity, "temperature", temperature), x, KEY)
        return losses.sum(), losses

    slope, losses = jax.jit(jax.grad(total, has_aux=True))(jnp.asarray(0.02))
    assert np.allclose(losses, np.asarray(identity.energy(x)) + float(drawn[1]), atol=1e-2)
    assert slope == 0


def test_chains_name_the_wrong_setting():
    with pytest.raises(InputError, match="chains: Got 0"):
        Chains(chains=0)


def test_chunks_give_what_the_whole_gives():
    model, x = Autoencoder(3, 1, hidden=(8,), key=KEY), line(CHUNK + 500)
    assert np.allclose(in_chunks(Autoencoder.error, model, x), model.error(jnp.asarray(x)), rtol=1e-4, atol=1e-5)
    assert in_chunks(Autoencoder.error, model, x[:0]).shape == (0,)
