"""Normalised autoencoders: the reconstruction error as an energy, trained so that nothing but the data has it low.

An autoencoder that reconstructs simple events better than those it was trained on calls them normal. Here p(x) ∝
exp(−E(x)), and the loss raises the energy wherever the model itself draws events that the data do not hold.

Sources: Yoon, Noh, Park 2021, arXiv:2105.05735 (the idea, on-manifold initialisation); Dillon et al. 2022,
arXiv:2206.14225 (for jets).
"""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.errors import InputError
from serendip.nets.autoencoder import Autoencoder
from serendip.nets.flows import LOG_2PI

PROPOSALS = 4  # for each chain, of which those to start from are drawn


@dataclass(frozen=True)
class Chains:
    """How events are drawn from the model.

    Attributes:
        chains: Markov chains of a training step.
        latent_steps: Langevin steps in the latent space, before decoding.
        latent_step: their size, in units of the latent box (−1, 1).
        steps: Langevin steps among the features, after decoding.
        step: their size, in units of the square root of the temperature.
    """

    chains: int = 128
    latent_steps: int = 8
    latent_step: float = 0.05
    steps: int = 8
    step: float = 0.2

    def __post_init__(self) -> None:
        for name, least in (("chains", 1), ("latent_steps", 0), ("steps", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: Got {getattr(self, name)}, but expected at least {least}.")


class EnergyAutoencoder(eqx.Module):
    """An autoencoder with bounded latent space, read as p(x) ∝ exp(−error(x) / temperature).

    Args:
        network: with `bounded`, so that the latent chains have a box to live in.
        temperature: the error that counts as one unit of energy; not trained.
        penalty: what the squared energies count, which keeps both terms of the loss from running away.
        sampling: how events are drawn from the model.
    """

    network: Autoencoder
    temperature: Float[Array, ""]
    penalty: float = eqx.field(static=True)
    sampling: Chains = eqx.field(static=True)

    def energy(self, x: Float[Array, "*n d"]) -> Float[Array, "*n"]:
        """Reconstruction error in units of the temperature."""
        return self.network.error(x) / jax.lax.stop_gradient(self.temperature)


def langevin(
    energy: Callable[[Array], Array],
    start: Float[Array, "n k"],
    step: Array | float,
    steps: int,
    limit: float,
    key: PRNGKeyArray,
) -> Float[Array, "n k"]:
    """Unadjusted Langevin steps x − step²/2 ∇E + step·N(0, 1), the drift cut at `step`, x at ±limit."""
    slope = jax.grad(lambda x: jnp.sum(energy(x)))

    def move(x: Array, k: PRNGKeyArray) -> tuple[Array, None]:
        drift = 0.5 * step**2 * slope(x)
        drift = drift * jnp.minimum(1.0, step / (jnp.linalg.norm(drift, axis=1, keepdims=True) + 1e-12))
        return jnp.clip(x - drift + step * jr.normal(k, x.shape), -limit, limit), None

    return jax.lax.scan(move, start, jr.split(key, steps))[0]


def draw(model: EnergyAutoencoder, key: PRNGKeyArray) -> tuple[Float[Array, "chains d"], Float[Array, ""]]:
    """Events from the model, and ln ∫ exp(−energy) dx.

    Uniform latent draws, resampled by their energy, move by Langevin steps on the manifold. Normal noise takes them off
    it; its density is known, so that importance weights give the integral, and the starts of the chains around it.
    Trap: the integral comes out too small where the latent space is too wide for so few draws.
    """
    how, decode = model.sampling, model.network.decoder
    k_start, k_pick, k_latent, k_leave, k_choose, k_features = jr.split(key, 6)

    def on_manifold(z: Array) -> Array:
        return model.energy(decode(z))

    z = jr.uniform(k_start, (PROPOSALS * how.chains, model.network.latent), minval=-1.0, maxval=1.0)
    z = z[jr.categorical(k_pick, -on_manifold(z), shape=(how.chains,))]
    z = langevin(on_manifold, z, how.latent_step, how.latent_steps, 1.0, k_latent)
    centres, spread = decode(z), jnp.sqrt(model.temperature)
    x = jnp.tile(centres, (PROPOSALS, 1))
    x = x + spread * jr.normal(k_leave, x.shape)
    log_weights = -model.energy(x) - _mixture_log_density(x, centres, spread)
    x = x[jr.categorical(k_choose, log_weights, shape=(how.chains,))]
    log_integral = logsumexp(log_weights) - jnp.log(len(log_weights))
    return langevin(model.energy, x, how.step * spread, how.steps, jnp.inf, k_features), log_integral


def _mixture_log_density(x: Float[Array, "n d"], centres: Float[Array, "k d"], spread: Array) -> Float[Array, " n"]:
    """Of normal distributions of one width around all centres."""
    squares = jnp.sum(((x[:, None] - centres[None]) / spread) ** 2, axis=2)
    return logsumexp(-0.5 * squares, axis=1) - jnp.log(len(centres)) - x.shape[1] * (0.5 * LOG_2PI + jnp.log(spread))


def contrast_loss(model: EnergyAutoencoder, x: Float[Array, "b d"], key: PRNGKeyArray) -> Float[Array, " b"]:
    """Gradient: of the energy of each event above that of the model's own draws. Value: −ln p of each event.

    The first is the gradient of the second, but its own value is as small before the training as after it, and can
    not tell the best epochs.
    """
    drawn, log_integral = jax.lax.stop_gradient(draw(model, key))
    seen, made = model.energy(x), model.energy(drawn)
    contrast = seen - made.mean() + model.penalty * (seen**2 + (made**2).mean())
    return contrast + jax.lax.stop_gradient(seen + log_integral - contrast)
