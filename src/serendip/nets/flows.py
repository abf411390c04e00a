"""Normalising flows: an invertible map to a standard normal, and with it a density one can draw from.

Sources: Papamakarios et al. 2017, arXiv:1705.07057 (masked autoregressive flows); Durkan et al. 2019,
arXiv:1906.04032 (spline flows).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from serendip.nets.bijections import (
    Autoregressive,
    Batch,
    Bijection,
    Chain,
    Coupling,
    Elementwise,
    LogDet,
    Permutation,
    ShiftScale,
    Stack,
)
from serendip.nets.made import Context, Made
from serendip.nets.mlp import Mlp
from serendip.nets.splines import RationalQuadratic

LOG_2PI = 1.8378770664093453
LEAST = 50.0  # a loss goes no further above the peak of the standard normal, see `negative_log_prob`


class Flow(eqx.Module):
    """The density of events that a bijection maps to a standard normal."""

    bijection: Bijection
    features: int = eqx.field(static=True)

    def log_prob(self, x: Batch, c: Context = None) -> LogDet:
        """ln p(x | c) of each event."""
        z, log_det = self.bijection.forward(x, c)
        return log_det - 0.5 * jnp.sum(z**2 + LOG_2PI, axis=1)

    def sample(self, key: PRNGKeyArray, n: int, c: Context = None) -> Batch:
        """n events, one for each row of the context where there is one."""
        return self.from_latent(jr.normal(key, (n, self.features)), c)

    def to_latent(self, x: Batch, c: Context = None) -> Batch:
        """Where the events lie in the latent space."""
        return self.bijection.forward(x, c)[0]

    def from_latent(self, z: Batch, c: Context = None) -> Batch:
        """The events at these places of the latent space."""
        return self.bijection.inverse(z, c)


def negative_log_prob(model: Flow, x: Batch, c: Context = None, *, key: PRNGKeyArray) -> LogDet:
    """The loss of each event for `train`.

    It is bounded, or events of negative weight would drive it to minus infinity by a density that vanishes there.
    """
    return jnp.minimum(-model.log_prob(x, c), LEAST + 0.5 * LOG_2PI * model.features)


def maf(
    features: int,
    context: int = 0,
    *,
    blocks: int = 8,
    hidden: int = 64,
    layers: int = 2,
    activation: str = "silu",
    key: PRNGKeyArray,
) -> Flow:
    """Affine masked autoregressive flow.

    Args:
        features: of an event.
        context: numbers that describe the condition, 0 for none.
        blocks: autoregressive maps; the order of the features is reversed or drawn anew between them.
        hidden: units of a hidden layer.
        layers: hidden layers of a block.
        activation: of hidden units, a key of `ACTIVATIONS`.
        key: of the first weights.
    """
    return _autoregressive(ShiftScale(), features, context, blocks, hidden, layers, activation, key)


def spline_maf(
    features: int,
    context: int = 0,
    *,
    blocks: int = 4,
    hidden: int = 64,
    layers: int = 2,
    bins: int = 8,
    reach: float = 5.0,
    activation: str = "silu",
    key: PRNGKeyArray,
) -> Flow:
    """Masked autoregressive flow of rational-quadratic splines; see `maf`, and `RationalQuadratic` for the others."""
    return _autoregressive(RationalQuadratic(bins, reach), features, context, blocks, hidden, layers, activation, key)


def spline_coupling(
    features: int,
    context: int = 0,
    *,
    blocks: int = 6,
    hidden: int = 64,
    layers: int = 2,
    bins: int = 8,
    reach: float = 5.0,
    activation: str = "silu",
    key: PRNGKeyArray,
) -> Flow:
    """Coupling flow of rational-quadratic splines: as fast to draw from as to evaluate; see `spline_maf`."""
    element, half = RationalQuadratic(bins, reach), features // 2

    def block(order: Array, k: PRNGKeyArray) -> Chain:
        widths = (context + half, *[hidden] * layers, (features - half) * element.parameters)
        network = Mlp(widths, k, activation=activation)
        zero = jnp.zeros_like(network.weights[-1])
        network = eqx.tree_at(lambda net: net.weights[-1], network, zero)  # begin at the identity
        return Chain((Permutation(order), Coupling(network, element)))

    return Flow(_stacked(block, features, blocks, key), features)


def _autoregressive(
    element: Elementwise,
    features: int,
    context: int,
    blocks: int,
    hidden: int,
    layers: int,
    activation: str,
    key: PRNGKeyArray,
) -> Flow:
    def block(order: Array, k: PRNGKeyArray) -> Chain:
        network = Made(features, context, element.parameters, hidden, layers, activation, key=k)
        return Chain((Permutation(order), Autoregressive(network, element)))

    return Flow(_stacked(block, features, blocks, key), features)


def _stacked(block, features: int, blocks: int, key: PRNGKeyArray) -> Stack:
    k_order, k_blocks = jr.split(key)
    return Stack(eqx.filter_vmap(block)(_orders(features, blocks, k_order), jr.split(k_blocks, blocks)))


def _orders(features: int, blocks: int, key: PRNGKeyArray) -> Array:
    """Permutations between blocks: reversed every other time, so that the last feature soon comes first, else random."""
    keys = jr.split(key, blocks)
    random = jax.vmap(lambda k: jr.permutation(k, features))(keys)
    reverse = jnp.arange(features)[::-1]
    return jnp.where((jnp.arange(blocks) % 2 == 1)[:, None], reverse, random)
