"""An invertible map that carries events from one mass to another, learned by optimal transport between samples.

Sources: Raine et al. 2022, arXiv:2203.09470 (the map); Feydy et al. 2018, arXiv:1810.08278 (Sinkhorn divergence).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.bijections import Batch, Bijection, Chain, Permutation
from serendip.nets.flows import spline_coupling

BLUR = 0.1  # regularisation, in units of the number of features (a squared distance of standardised ones)
ITERATIONS = 10
SETTLING = 0.5  # part of the iterations that are done at the final regularisation


class Transport(eqx.Module):
    """Carries events of mass m_from to mass m_to > m_from, and back; the identity before it is trained."""

    bijection: Bijection

    def up(self, x: Batch, m_from: Float[Array, " n"], m_to: Float[Array, " n"]) -> Batch:
        """Events to a higher mass."""
        return self.bijection.forward(x, jnp.stack([m_from, m_to], axis=1))[0]

    def down(self, x: Batch, m_from: Float[Array, " n"], m_to: Float[Array, " n"]) -> Batch:
        """Events to a lower mass."""
        return self.bijection.inverse(x, jnp.stack([m_to, m_from], axis=1))


def transport(features: int, *, blocks: int = 4, hidden: int = 64, key: PRNGKeyArray) -> Transport:
    """A map of spline couplings.

    Args:
        features: of an event, standardised.
        blocks: couplings.
        hidden: units of a hidden layer.
        key: of the first weights.
    """
    couplings = spline_coupling(features, 2, blocks=blocks, hidden=hidden, key=key).bijection
    reordered, _ = couplings.forward(jnp.arange(features, dtype=float)[None], jnp.zeros((1, 2)))
    return Transport(Chain((couplings, Permutation(jnp.argsort(reordered[0])))))  # untrained, they only reorder


def transport_loss(
    model: Transport, x_low: Batch, m_low: Array, x_high: Batch, m_high: Array, *, key: PRNGKeyArray
) -> Float[Array, " n"]:
    """How far low events carried up are from the high ones, and high ones carried down from the low; a batch's property."""
    up = model.up(x_low, m_low, m_high)
    down = model.down(x_high, m_high, m_low)
    distance = sinkhorn_divergence(_beside(up, m_high), _beside(x_high, m_high))
    distance += sinkhorn_divergence(_beside(down, m_low), _beside(x_low, m_low))
    return jnp.broadcast_to(distance, len(x_low))


def _beside(x: Batch, m: Float[Array, " n"]) -> Batch:
    """The mass as one more feature, so that events are compared with events of about their mass."""
    return jnp.concatenate([x, m[:, None]], axis=1)


def sinkhorn_divergence(x: Batch, y: Batch) -> Float[Array, ""]:
    """Entropic transport cost between two samples of equal weights, less what each has to itself; 0 for equal ones.

    Its gradient takes the dual potentials as constants, which is exact where the iterations have converged.
    """
    blur = BLUR * x.shape[1]
    return _cost(x, y, blur) - 0.5 * _cost(x, x, blur) - 0.5 * _cost(y, y, blur)


def _cost(x: Batch, y: Batch, blur: float) -> Float[Array, ""]:
    squares = jnp.sum(x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1) - 2 * x @ y.T
    costs = 0.5 * squares
    f, g = _potentials(jax.lax.stop_gradient(costs), blur)
    plan = jnp.exp((f[:, None] + g - costs) / blur)
    return jnp.mean(f) + jnp.mean(g) - blur * (jnp.mean(plan) - 1)


def _potentials(costs: Float[Array, "n m"], blur: float) -> tuple[Array, Array]:
    """Symmetric Sinkhorn iterations, with a regularisation that falls from the largest cost."""
    largest = jnp.maximum(costs.max(), blur)

    def soft_minimum(potential: Array, costs: Array, blur: Array | float) -> Array:
        return -blur * (jax.nn.logsumexp((potential - costs) / blur, axis=1) - jnp.log(costs.shape[1]))

    def step(i: Array, potentials: tuple[Array, Array]) -> tuple[Array, Array]:
        f, g = potentials
        now = largest * (blur / largest) ** jnp.minimum(i / ((1 - SETTLING) * ITERATIONS), 1.0)
        new = soft_minimum(g, costs, now), soft_minimum(f, costs.T, now)
        return 0.5 * (f + new[0]), 0.5 * (g + new[1])

    start = jnp.zeros(costs.shape[0]), jnp.zeros(costs.shape[1])
    f, g = jax.lax.fori_loop(0, ITERATIONS, step, start)
    return soft_minimum(g, costs, blur), soft_minimum(f, costs.T, blur)
