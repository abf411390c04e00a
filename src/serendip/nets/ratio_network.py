"""Small sigmoid networks f of bounded weights, each the log-ratio of two samples, fitted to whole samples and many at once.

Not `training.train`: there the loss is of an event and steps are of batches, while here each of 1e4 steps needs the exact
sum over all events, a bound on the weights, and no validation. Features stand in rows, (d, n), three times as fast as in
columns for layers of a few units.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.special import expit

Layers = tuple[
    tuple[Array | np.ndarray, Array | np.ndarray], ...
]  # weights (*fits, outputs, inputs), biases (*fits, outputs)


class Block(NamedTuple):
    """Events and what they add to the loss Σ a (e^f − 1) − Σ b f; shared by all fits where there is no axis of fits.

    Attributes:
        x: features.
        a: the weight of e^f − 1; None for none.
        b: the weight of f; None for none.
    """

    x: Float[Array, "*fits d n"]
    a: Float[Array, "*fits n"] | None
    b: Float[Array, "*fits n"] | None


def parameter_count(widths: tuple[int, ...]) -> int:
    """Weights and biases of a network with these widths, from its input to its output."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))


def start_network(widths: tuple[int, ...], key: PRNGKeyArray) -> Layers:
    """A network before the fit: Glorot's uniform weights (Glorot and Bengio 2010), biases 0."""
    keys = jr.split(key, len(widths) - 1)
    limits = [(6 / (i + o)) ** 0.5 for i, o in pairwise(widths)]
    return tuple(
        (jr.uniform(k, (o, i), minval=-limit, maxval=limit), jnp.zeros(o))
        for k, i, o, limit in zip(keys, widths[:-1], widths[1:], limits)
    )


def log_ratio(layers: Layers, x: Float[Array, "d n"]) -> Float[Array, " n"]:
    """f of each event: sigmoids between dense layers."""
    *hidden, last = layers
    for weight, bias in hidden:
        x = jax.nn.sigmoid(weight @ x + bias[:, None])
    return (last[0] @ x + last[1][:, None])[0]


def log_ratio_float64(layers: Layers, x: Float[np.ndarray, "d n"]) -> Float[np.ndarray, " n"]:
    """The same in double precision, by NumPy."""
    *hidden, last = [(np.asarray(weight, float), np.asarray(bias, float)) for weight, bias in layers]
    for weight, bias in hidden:
        x = expit(weight @ x + bias[:, None])
    return (last[0] @ x + last[1][:, None])[0]


def one_network(layers: Layers, fit: int) -> Layers:
    """That of one fit."""
    return tuple((weight[fit], bias[fit]) for weight, bias in layers)


@jax.jit
def fit_networks(
    start: Layers, blocks: tuple[Block, ...], clip: float | Array, rate: float | Array, epochs: int | Array
) -> Layers:
    """One network a fit, all from the same start, by Adam on all events in each of `epochs` steps.

    The rate falls to 0 as a cosine; after each step weights, not biases, are moved back to within ± `clip`.
    At least one array of `blocks` has an axis of fits.
    """
    axes = [Block(_axis(x, 3), _axis(a, 2), _axis(b, 2)) for x, a, b in blocks]  # type: ignore[arg-type]  # of its arrays
    fit = partial(_fit, start, clip=clip, rate=rate, epochs=epochs)
    return jax.vmap(fit, in_axes=axes)(*blocks)


def _axis(array: Array | None, dimensions: int) -> int | None:
    return 0 if array is not None and array.ndim == dimensions else None


def _fit(start: Layers, *blocks: Block, clip: float | Array, rate: float | Array, epochs: int | Array) -> Layers:
    adam = optax.scale_by_adam()

    def step(i: Array, state: tuple[Layers, optax.OptState]) -> tuple[Layers, optax.OptState]:
        layers, moments = state
        direction, moments = adam.update(jax.grad(_loss)(layers, blocks), moments)
        now = 0.5 * rate * (1 + jnp.cos(jnp.pi * i / epochs))
        moved = jax.tree.map(lambda value, change: value - now * change, layers, direction)
        return tuple((jnp.clip(weight, -clip, clip), bias) for weight, bias in moved), moments

    return jax.lax.fori_loop(0, epochs, step, (start, adam.init(start)))[0]


def _loss(layers: Layers, blocks: tuple[Block, ...]) -> Float[Array, ""]:
    loss = jnp.zeros(())
    for x, a, b in blocks:
        f = log_ratio(layers, x)
        loss += 0.0 if a is None else jnp.sum(a * jnp.expm1(f))
        loss -= 0.0 if b is None else jnp.sum(b * f)
    return loss
