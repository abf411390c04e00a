"""Autoencoders: what a narrow passage cannot carry was not learned.

Source: Hinton and Salakhutdinov 2006, doi:10.1126/science.1127647.
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.mlp import Mlp


class Autoencoder(eqx.Module):
    """An encoder to a few numbers and a decoder back, both perceptrons.

    Args:
        features: d.
        latent: numbers in the passage.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        bounded: whether the latent numbers lie in (−1, 1), so that the latent space has a volume.
        key: of the first weights.
    """

    encoder: Mlp
    decoder: Mlp
    latent: int = eqx.field(static=True)
    bounded: bool = eqx.field(static=True)

    def __init__(
        self, features: int, latent: int, *, hidden: tuple[int, ...], bounded: bool = False, key: PRNGKeyArray
    ) -> None:
        k_encoder, k_decoder = jr.split(key)
        self.encoder = Mlp((features, *hidden, latent), k_encoder, activation="silu")
        self.decoder = Mlp((latent, *hidden[::-1], features), k_decoder, activation="silu")
        self.latent, self.bounded = latent, bounded

    def encode(self, x: Float[Array, "*n d"]) -> Float[Array, "*n latent"]:
        """The numbers in the passage."""
        z = self.encoder(x)
        return jnp.tanh(z) if self.bounded else z

    def error(self, x: Float[Array, "*n d"]) -> Float[Array, "*n"]:
        """Squared distance of events from their reconstructions, summed over the features."""
        return jnp.sum((x - self.decoder(self.encode(x))) ** 2, axis=-1)


def reconstruction_loss(
    model: Autoencoder, x: Float[Array, "b d"], key: PRNGKeyArray | None = None
) -> Float[Array, " b"]:
    """The reconstruction error of each event: what it is trained on."""
    return model.error(x)
