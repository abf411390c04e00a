"""Variational autoencoders, with a normal posterior or one that a flow reshapes.

Sources: Kingma and Welling 2013, arXiv:1312.6114; Kingma et al. 2016, arXiv:1606.04934 (inverse autoregressive flow as
a posterior); Burgess et al. 2018, arXiv:1804.03599 (β).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.bijections import Bijection
from serendip.nets.flows import LOG_2PI, maf
from serendip.nets.mlp import Mlp

LEAST_LOG_SIGMA = -7.0  # 1e-3 of a standard feature: a constant or doubled one shall not end in an infinite density

# Of all posteriors at first: at 0 some collapse, at −2 short trainings end far from the optimum.
FIRST_LOG_SPREAD = -1.0
QUIET = 0.3  # what the decoder's first weights are shrunk by, so that the first steps do not undo random output


class VariationalAutoencoder(eqx.Module):
    """Encoder to a posterior, decoder to a normal likelihood whose spread per feature is learned.

    Args:
        features: d.
        latent: numbers in the passage.
        hidden: widths of the encoder's hidden layers, at least one; the decoder has them in reverse.
        flow: autoregressive layers that reshape the posterior; 0 keeps it normal.
        beta: what the divergence of posterior from prior counts; 1 makes the bound a bound.
        key: of the first weights.
    """

    trunk: Mlp
    posterior: Mlp
    decoder: Mlp
    flow: Bijection | None
    log_sigma: Float[Array, " d"]
    latent: int = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        latent: int,
        *,
        hidden: tuple[int, ...],
        flow: int = 0,
        beta: float = 1.0,
        key: PRNGKeyArray,
    ) -> None:
        k_trunk, k_posterior, k_decoder, k_flow = jr.split(key, 4)
        self.trunk = Mlp((features, *hidden), k_trunk, activation="silu")
        self.posterior = start_narrow(Mlp((hidden[-1], 2 * latent), k_posterior))
        self.decoder = start_quiet(Mlp((latent, *hidden[::-1], features), k_decoder, activation="silu"))
        self.flow = maf(latent, hidden[-1], blocks=flow, layers=1, key=k_flow).bijection if flow else None
        self.log_sigma = jnp.zeros(features)
        self.latent, self.beta = latent, float(beta)

    def encode(self, x: Float[Array, "n d"]) -> Float[Array, "n latent"]:
        """Means of the posteriors, before the flow."""
        return self._posterior(x)[1]

    def _posterior(self, x: Float[Array, "n d"]) -> tuple[Array, Array, Array]:
        """Context for the flow, mean and log spread of the normal posterior."""
        c = jax.nn.silu(self.trunk(x))
        mean, log_spread = jnp.split(self.posterior(c), 2, axis=1)
        return c, mean, jnp.clip(log_spread, LEAST_LOG_SIGMA, -LEAST_LOG_SIGMA)

    def negative_elbo(self, x: Float[Array, "n d"], noise: Float[Array, "n latent"]) -> Float[Array, " n"]:
        """−log p(x | z) + β (log q(z | x) − log p(z)) at the z that this standard normal noise becomes."""
        c, mean, log_spread = self._posterior(x)
        z = mean + jnp.exp(log_spread) * noise
        log_q = -jnp.sum(0.5 * (noise**2 + LOG_2PI) + log_spread, axis=1)
        if self.flow is not None:
            # The pass that is fast in this direction: autoregressive in the draws, as inverse autoregressive flows are.
            z, log_det = self.flow.forward(z, c)
            log_q = log_q - log_det
        log_prior = -0.5 * jnp.sum(z**2 + LOG_2PI, axis=1)
        log_sigma = jnp.maximum(self.log_sigma, LEAST_LOG_SIGMA)
        pull = (x - self.decoder(z)) * jnp.exp(-log_sigma)
        log_likelihood = -jnp.sum(0.5 * (pull**2 + LOG_2PI) + log_sigma, axis=1)
        return -log_likelihood + self.beta * (log_q - log_prior)


def start_narrow(posterior: Mlp) -> Mlp:
    """A network for means and log spreads whose spreads are `FIRST_LOG_SPREAD` for every event before training.

    With wide ones a decoder learns to ignore its input before it has said anything; with random ones it takes short
    trainings too long to forget them.
    """
    latent = posterior.biases[-1].shape[0] // 2
    is_mean = jnp.arange(2 * latent) < latent
    start = jnp.where(is_mean, 0.0, FIRST_LOG_SPREAD), posterior.weights[-1] * is_mean
    return eqx.tree_at(lambda part: (part.biases[-1], part.weights[-1]), posterior, start)


def start_quiet(decoder: Mlp) -> Mlp:
    """A network whose first output is near 0."""
    return eqx.tree_at(lambda part: part.weights[-1], decoder, QUIET * decoder.weights[-1])


def elbo_loss(model: VariationalAutoencoder, x: Float[Array, "b d"], key: PRNGKeyArray) -> Float[Array, " b"]:
    """−ELBO of each event from one draw of its posterior."""
    return model.negative_elbo(x, jr.normal(key, (len(x), model.latent)))


def mean_negative_elbo(
    model: VariationalAutoencoder, x: Float[Array, "n d"], noise: Float[Array, "draws latent"]
) -> Float[Array, " n"]:
    """−ELBO of each event, averaged over the same draws for all: an event's score knows no other event."""
    one_draw = lambda e: model.negative_elbo(x, jnp.broadcast_to(e, (len(x), model.latent)))  # noqa: E731
    return jax.lax.map(one_draw, noise).mean(axis=0)
