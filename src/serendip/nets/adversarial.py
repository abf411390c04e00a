"""Networks that tell classes apart by what two domains have in common: a second head looks for the domain, in vain.

Source: Ganin et al. 2016, Domain-adversarial training of neural networks, arXiv:1505.07818.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.mlp import Mlp

Inputs = Float[Array, "n d"]
PerEvent = Float[Array, " n"]


@jax.custom_vjp
def reverse_gradient(x: Array) -> Array:
    """x itself; its gradient comes back with the other sign."""
    return x


def _forward(x: Array) -> tuple[Array, None]:
    return x, None


def _backward(_: None, gradient: Array) -> tuple[Array]:
    return (-gradient,)


reverse_gradient.defvjp(_forward, _backward)


class AdversarialMlp(eqx.Module):
    """Hidden layers that two heads share: one for the class, one for the domain.

    Args:
        inputs: features of an event.
        hidden: widths of the shared layers; the domain's head has one layer more, as wide as the last.
        key: of the first weights.
    """

    shared: Mlp
    kind: Mlp
    domain: Mlp

    def __init__(self, inputs: int, hidden: tuple[int, ...], *, key: PRNGKeyArray) -> None:
        k_shared, k_kind, k_domain = jr.split(key, 3)
        self.shared = Mlp((inputs, *hidden), k_shared, activation="silu")
        self.kind = Mlp((hidden[-1], hidden[-1], 1), k_kind, activation="silu")
        self.domain = Mlp((hidden[-1], hidden[-1], hidden[-1], 1), k_domain, activation="silu")

    def __call__(self, x: Inputs) -> PerEvent:
        """Logit of class 1."""
        return self.kind(self._common(x))[:, 0]

    def logits(self, x: Inputs) -> tuple[PerEvent, PerEvent]:
        """Of class 1, and of domain 1 behind the reversal."""
        common = self._common(x)
        return self.kind(common)[:, 0], self.domain(reverse_gradient(common))[:, 0]

    def _common(self, x: Inputs) -> Float[Array, "n h"]:
        # Bounded: else the shared layers could confuse the domain's head by growing without end.
        return jnp.tanh(self.shared(x))


@eqx.filter_jit
def stacked_adversaries(
    seed: int | np.unsignedinteger | Array, members: int, inputs: int, hidden: tuple[int, ...]
) -> AdversarialMlp:
    """An ensemble before training: each array has a leading axis of members."""
    keys = jr.split(jr.key(seed), members)
    return eqx.filter_vmap(lambda key: AdversarialMlp(inputs, hidden, key=key))(keys)


def adversarial_loss(
    model: AdversarialMlp,
    x: Inputs,
    kind: PerEvent,
    domain: PerEvent,
    w_kind: PerEvent,
    w_domain: PerEvent,
    *,
    key: PRNGKeyArray,
) -> PerEvent:
    """Logistic losses of both heads; an event counts in one with `w_kind` and in the other with `w_domain`.

    A common factor of `w_domain` is the strength of the fight: the domain's own head, under Adam, learns as fast with any.

    The domain's part has a gradient and no value: epochs are chosen by how well they tell the kind, for a domain that is
    told well is what is fought, and one told badly may be the head's fault.
    """
    of_kind, of_domain = model.logits(x)
    apart = w_domain * _logistic(of_domain, domain)
    return w_kind * _logistic(of_kind, kind) + apart - jax.lax.stop_gradient(apart)


def _logistic(logit: PerEvent, y: PerEvent) -> PerEvent:
    return jax.nn.softplus(logit) - y * logit


@eqx.filter_jit
def mean_kind_logit(model: AdversarialMlp, x: Inputs) -> PerEvent:
    """Mean logit of class 1 over an ensemble."""
    return eqx.filter_vmap(lambda member: member(x))(model).mean(axis=0)
