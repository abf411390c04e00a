"""Multi-layer perceptrons on whole batches, and the classifier's loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

ACTIVATIONS = {"relu": jax.nn.relu, "silu": jax.nn.silu, "gelu": jax.nn.gelu, "elu": jax.nn.elu, "tanh": jnp.tanh}


class Mlp(eqx.Module):
    """Dense layers with an activation between them; takes a batch, not one event.

    Args:
        widths: of the input, the hidden layers and the output.
        key: of the initial weights (He et al. 2015, arXiv:1502.01852, uniform; biases 0).
        activation: a key of `ACTIVATIONS`.
        dropout: part of the hidden units that is switched off in training.
    """

    weights: tuple[Float[Array, "inputs outputs"], ...]
    biases: tuple[Float[Array, " outputs"], ...]
    dropout: eqx.nn.Dropout
    activation: str = eqx.field(static=True)

    def __init__(
        self, widths: tuple[int, ...], key: PRNGKeyArray, *, activation: str = "relu", dropout: float = 0.0
    ) -> None:
        keys = jr.split(key, len(widths) - 1)
        self.weights = tuple(_he_uniform(k, i, o) for k, i, o in zip(keys, widths[:-1], widths[1:]))
        self.biases = tuple(jnp.zeros(width) for width in widths[1:])
        self.dropout = eqx.nn.Dropout(dropout)
        self.activation = activation

    def __call__(self, x: Float[Array, "*batch d"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*batch out"]:
        """The last layer's values; `key` is needed in training with dropout."""
        *hidden, last = zip(self.weights, self.biases)
        for i, (weight, bias) in enumerate(hidden):
            x = ACTIVATIONS[self.activation](x @ weight + bias)
            x = self.dropout(x, key=None if key is None else jr.fold_in(key, i))
        return x @ last[0] + last[1]


@eqx.filter_jit
def stacked_mlps(
    seed: int | np.unsignedinteger | Array, members: int, widths: tuple[int, ...], activation: str, dropout: float
) -> Mlp:
    """An ensemble before training: each array has a leading axis of members."""
    keys = jr.split(jr.key(seed), members)
    return eqx.filter_vmap(lambda key: Mlp(widths, key, activation=activation, dropout=dropout))(keys)


def _he_uniform(key: PRNGKeyArray, inputs: int, outputs: int) -> Float[Array, "inputs outputs"]:
    limit = (6 / inputs) ** 0.5
    return jr.uniform(key, (inputs, outputs), minval=-limit, maxval=limit)


def cross_entropy(
    model: Mlp, x: Float[Array, "b d"], y: Float[Array, " b"], *, key: PRNGKeyArray
) -> Float[Array, " b"]:
    """Logistic loss of each event."""
    logit = model(x, key=key)[:, 0]
    return jax.nn.softplus(logit) - y * logit


@eqx.filter_jit
def mean_logit(model: Mlp, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Mean output of an ensemble, whose arrays are stacked, with dropout off."""
    still = eqx.nn.inference_mode(model)
    return eqx.filter_vmap(lambda member: member(x)[:, 0])(still).mean(axis=0)
