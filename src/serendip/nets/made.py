"""The autoregressive network: parameters for feature i from the features before it, all in one pass.

Source: Germain et al. 2015, MADE, arXiv:1502.03509; with a context, Papamakarios et al. 2017, arXiv:1705.07057.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from serendip.nets.mlp import ACTIVATIONS

Context = Float[Array, "n k"] | None


class Made(eqx.Module):
    """A network whose hidden units stand in d groups: group i sees the context and the features before i.

    The outputs of feature i read groups 0 … i. Groups stand in order, so that weights are block triangular, and an
    inverse that goes feature by feature needs each unit once: d steps cost no more than one pass.

    Args:
        features: d.
        context: how many numbers describe the condition, 0 for none.
        outputs: numbers for each feature.
        hidden: units of a layer; at least one a feature.
        layers: hidden ones.
        activation: a key of `ACTIVATIONS`; a smooth one makes smooth densities, and better ones.
        key: of the first weights; outputs begin at 0.
    """

    first: Float[Array, "inputs h"]
    deeper: list[Float[Array, "h h"]]
    last: Float[Array, "h outputs"]
    biases: list[Float[Array, " h"]]
    bias: Float[Array, " outputs"]
    sizes: tuple[int, ...] = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        context: int,
        outputs: int,
        hidden: int,
        layers: int,
        activation: str = "silu",
        *,
        key: PRNGKeyArray,
    ) -> None:
        self.sizes = tuple(len(part) for part in np.array_split(np.arange(max(hidden, features)), features))
        self.outputs = outputs
        self.activation = activation
        h = sum(self.sizes)
        keys = jr.split(key, layers)
        self.first = jr.normal(keys[0], (context + features, h)) / math.sqrt(context + features)
        self.deeper = [jr.normal(k, (h, h)) * math.sqrt(2 / h) for k in keys[1:]]
        self.last = jnp.zeros((h, features * outputs))
        self.biases = [jnp.zeros(h) for _ in keys]
        self.bias = jnp.zeros(features * outputs)

    def __call__(self, x: Float[Array, "n d"], c: Context = None) -> Float[Array, "n d p"]:
        """Parameters of every feature."""
        activate = ACTIVATIONS[self.activation]
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        level = self._levels()
        h = activate(_joined(c, x) @ (self.first * (level[:, None] <= group)) + self.biases[0])
        for weights, bias in zip(self.deeper, self.biases[1:], strict=True):
            h = activate(h @ (weights * (group[:, None] <= group)) + bias)
        feature = np.repeat(np.arange(len(self.sizes)), self.outputs)
        out = h @ (self.last * (group[:, None] <= feature)) + self.bias
        return out.reshape(*x.shape, self.outputs)

    def _levels(self) -> np.ndarray:
        """The first group that sees each input: the context is seen by all, feature i by those after i."""
        features = len(self.sizes)
        return np.concatenate([np.zeros(len(self.first) - features, int), np.arange(1, features + 1)])

    def start(self) -> list[list[Array]]:
        """What `step` knows before the first feature: nothing, for every layer."""
        return [[] for _ in self.biases]

    def step(
        self, i: int, known: list[list[Array]], x: Float[Array, "n i"], c: Context = None
    ) -> tuple[Float[Array, "n p"], list[list[Array]]]:
        """Parameters of feature i from the i features before it, and the units for the next step."""
        activate = ACTIVATIONS[self.activation]
        start = sum(self.sizes[:i])
        own = slice(start, start + self.sizes[i])
        seen = _joined(c, x)
        units = activate(seen @ self.first[: seen.shape[1], own] + self.biases[0][own])
        grown = [[*known[0], units]]
        for layer, weights in enumerate(self.deeper):
            below = jnp.concatenate(grown[-1], axis=1)
            units = activate(below @ weights[: own.stop, own] + self.biases[layer + 1][own])
            grown.append([*known[layer + 1], units])
        out = slice(i * self.outputs, (i + 1) * self.outputs)
        return jnp.concatenate(grown[-1], axis=1) @ self.last[: own.stop, out] + self.bias[out], grown


def _joined(c: Context, x: Float[Array, "n d"]) -> Float[Array, "n inputs"]:
    return x if c is None else jnp.concatenate([c, x], axis=1)
