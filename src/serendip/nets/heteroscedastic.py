"""A variational autoencoder whose decoder says, event by event, how far each value scatters.

Sources: Kingma and Welling 2013, arXiv:1312.6114; Nix and Weigend 1994, doi:10.1109/ICNN.1994.374138 (learned variance);
Kingma et al. 2016, arXiv:1606.04934, appendix C.8 (free bits).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.flows import LOG_2PI
from serendip.nets.mlp import Mlp
from serendip.nets.variational import LEAST_LOG_SIGMA, start_narrow, start_quiet

FREE_BITS = 0.25  # nats that a latent dimension may carry before the training charges for them


class HeteroscedasticVae(eqx.Module):
    """Encoder to a normal posterior, decoder to a normal likelihood with a mean and a spread for each value.

    Args:
        features: d, each of spread about 1.
        latent: numbers in the passage.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        least_spread: of the likelihood. Without it a value that is the same in many events has an infinite density.
        beta: what the divergence of posterior from prior counts; only 1 makes the bound a bound.
        key: of the first weights.
    """

    encoder: Mlp
    decoder: Mlp
    latent: int = eqx.field(static=True)
    least_spread: float = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        latent: int,
        *,
        hidden: tuple[int, ...],
        least_spread: float,
        beta: float = 1.0,
        key: PRNGKeyArray,
    ) -> None:
        k_encoder, k_decoder = jr.split(key)
        self.encoder = start_narrow(Mlp((features, *hidden, 2 * latent), k_encoder, activation="silu"))
        self.decoder = start_quiet(Mlp((latent, *hidden[::-1], 2 * features), k_decoder, activation="silu"))
        self.latent, self.least_spread, self.beta = latent, float(least_spread), float(beta)

    def encode(self, x: Float[Array, "n d"]) -> Float[Array, "n latent"]:
        """Means of the posteriors."""
        return self._posterior(x)[0]

    def draw_latent(self, x: Float[Array, "n d"], noise: Float[Array, "n latent"]) -> Float[Array, "n latent"]:
        """What this standard normal noise becomes in each event's posterior."""
        mean, log_spread = self._posterior(x)
        return mean + jnp.exp(log_spread) * noise

    def draw(self, z: Float[Array, "n latent"], noise: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """What this standard normal noise becomes in the likelihood at z."""
        mean, log_sigma = self._likelihood(z)
        return mean + jnp.exp(log_sigma) * noise

    def parts(
        self, x: Float[Array, "n d"], noise: Float[Array, "n latent"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, "n latent"]]:
        """Pull ½ Σ ((x − μ) / σ)², volume Σ ln(σ √2π), and each latent dimension's divergence from a standard normal.

        The first two add up to −ln p(x | z) at the z that this standard normal noise becomes.
        """
        mean, log_spread = self._posterior(x)
        pull, volume = self._misfit(x, mean + jnp.exp(log_spread) * noise)
        return pull, volume, 0.5 * (mean**2 + jnp.exp(2 * log_spread) - 1) - log_spread

    def at_draw(self, x: Float[Array, "n d"], noise: Float[Array, "n latent"]) -> Float[Array, "n 3+latent"]:
        """Pull, volume, ln q(z | x), and the z that this standard normal noise becomes."""
        mean, log_spread = self._posterior(x)
        z = mean + jnp.exp(log_spread) * noise
        log_q = -jnp.sum(0.5 * (noise**2 + LOG_2PI) + log_spread, axis=1)
        return jnp.concatenate([jnp.stack([*self._misfit(x, z), log_q], axis=1), z], axis=1)

    def _posterior(self, x: Array) -> tuple[Array, Array]:
        mean, log_spread = jnp.split(self.encoder(x), 2, axis=1)
        return mean, jnp.clip(log_spread, LEAST_LOG_SIGMA, -LEAST_LOG_SIGMA)

    def _likelihood(self, z: Array) -> tuple[Array, Array]:
        """Mean and log spread; the latter is near 0 before training."""
        mean, excess = jnp.split(self.decoder(z), 2, axis=1)
        room = jnp.log(1 / self.least_spread)
        return mean, jax.nn.softplus(room + excess) - room

    def _misfit(self, x: Array, z: Array) -> tuple[Array, Array]:
        centre, log_sigma = self._likelihood(z)
        pull = 0.5 * jnp.sum(((x - centre) * jnp.exp(-log_sigma)) ** 2, axis=1)
        return pull, jnp.sum(log_sigma + 0.5 * LOG_2PI, axis=1)


def free_bits_loss(model: HeteroscedasticVae, x: Float[Array, "b d"], key: PRNGKeyArray) -> Float[Array, " b"]:
    """−ELBO of each event from one draw, latent dimensions being free of charge until they carry `FREE_BITS`."""
    pull, volume, divergence = model.parts(x, jr.normal(key, (len(x), model.latent)))
    charged = jnp.where(divergence.mean(axis=0) > FREE_BITS, divergence, FREE_BITS)
    return pull + volume + model.beta * charged.sum(axis=1)
