"""An epoch of the training loop, compiled: its steps, the validation loss, and the best epochs so far."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

WARM_UP, FIRST = 0.3, 0.04  # one_cycle: its rise, as part of all steps, and the rate that it starts from
ADAM = optax.scale_by_adam()


class State(eqx.Module):
    """What an epoch changes; `kept` are the parameters of the best epochs, in no order."""

    parameters: Any
    optimiser: Any
    kept: Any
    kept_loss: Float[Array, "*members best"]
    kept_epoch: Int[Array, "*members best"]


class Recipe(NamedTuple):
    """What the compiled code depends on, beside the shapes."""

    loss: Callable[..., Array]
    batch: int
    schedule: str
    alone: bool
    signed: bool


class Numbers(NamedTuple):
    """What it does not depend on: arguments."""

    epoch: Any
    epochs: Any
    trained: Any
    held: Any
    learning_rate: Any
    clip: Any
    weight_decay: Any


class Member(NamedTuple):
    """What each member has of its own: rows to train on (the first `trained`) and held out, and a key."""

    rows: Int[Array, "*members padded"]
    held_rows: Int[Array, "*members padded"]
    active: Bool[Array, "*members"]
    key: PRNGKeyArray


@eqx.filter_jit
def start(parameters: Any, best: int, alone: bool) -> State:
    """Adam at rest, and nothing kept but the start."""

    def of_member(parameters: Any) -> State:
        parameters = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), parameters)  # no weak types: they recompile
        kept = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], best, axis=0), parameters)
        nothing = jnp.full(best, jnp.inf), jnp.zeros(best, jnp.int32)
        return State(parameters, ADAM.init(parameters), kept, *nothing)

    return of_member(parameters) if alone else jax.vmap(of_member)(parameters)


@eqx.filter_jit
def run_epoch(
    state: State,
    static: Any,
    recipe: Recipe,
    numbers: Numbers,
    data: tuple[Array, ...],
    w: Float[Array, "*members padded"],
    member: Member,
) -> tuple[State, Float[Array, "*members 2"]]:
    """An epoch of one model, or of members side by side; the losses are those of training and of validation."""

    def of_member(state: State, static: Any, w: Array, member: Member) -> tuple[State, Array]:
        return _member_epoch(state, static, recipe, numbers, data, w, member)

    if recipe.alone:
        return of_member(state, static, w, member)
    axes = (eqx.if_array(0), eqx.if_array(0), None if w.ndim == 1 else 0, eqx.if_array(0))
    return eqx.filter_vmap(of_member, in_axes=axes)(state, static, w, member)


def _member_epoch(
    state: State, static: Any, recipe: Recipe, numbers: Numbers, data: tuple[Array, ...], w: Array, member: Member
) -> tuple[State, Array]:
    """The same for one model."""
    steps = jnp.maximum(1, numbers.trained // recipe.batch)

    def losses(parameters: Any, static: Any, chosen: Array, key: PRNGKeyArray) -> Array:
        model = eqx.combine(parameters, static)
        values = recipe.loss(model, *(array[chosen] for array in data), key=key)
        return w[chosen] * (_bounded(values, w[chosen]) if recipe.signed else values)

    def step(i: Array, carry: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        parameters, optimiser, total = carry
        chosen = _batch(member.rows, i, recipe.batch, numbers.trained)
        key = jr.fold_in(jr.fold_in(member.key, numbers.epoch), i)
        value, gradient = jax.value_and_grad(lambda p: losses(p, static, chosen, key).mean())(parameters)
        part = jnp.float32((numbers.epoch - 1) * steps + i) / (numbers.epochs * steps)
        rate = numbers.learning_rate * _rate(recipe.schedule, part)
        return *_descend(parameters, optimiser, gradient, rate, numbers), total + value

    carry = (state.parameters, state.optimiser, jnp.zeros(()))
    parameters, optimiser, total = jax.lax.fori_loop(0, steps, step, carry)
    still = eqx.nn.inference_mode(static)

    def add(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        chosen = _batch(member.held_rows, i, recipe.batch, numbers.held)
        once = i * recipe.batch + jnp.arange(recipe.batch) < numbers.held
        values = jnp.where(once, losses(parameters, still, chosen, member.key), 0.0)
        return sums[0] + values.sum(), sums[1] + jnp.where(once, jnp.abs(w[chosen]), 0.0).sum()

    nothing = (jnp.zeros(()), jnp.zeros(()))
    weighted, size = jax.lax.fori_loop(0, -(-numbers.held // recipe.batch), add, nothing)
    training = total / steps
    validation = jnp.where(numbers.held > 0, weighted / jnp.where(size > 0, size, 1.0), training)
    kept = _keep(state, parameters, validation, numbers.epoch, member.active)
    return State(parameters, optimiser, *kept), jnp.stack([training, validation])


def _bounded(values: Array, w: Array) -> Array:
    """An event of negative weight counts as the worst of positive weight at most.

    Else a model would gain without end by failing wherever the weights' sum is negative.
    """
    positive = w > 0
    worst = jnp.where(positive.any(), jnp.max(jnp.where(positive, values, -jnp.inf)), jnp.inf)
    worst = jax.lax.stop_gradient(worst)
    return jnp.where((w < 0) & (values > worst), worst, values)  # not `minimum`, which halves a gradient at a tie


def _batch(rows: Array, i: Array, batch: int, count: Array) -> Array:
    """Batch i of the first `count` rows, from the start again where they end."""
    return rows[(i * batch + jnp.arange(batch)) % jnp.maximum(count, 1)]


def _descend(parameters: Any, optimiser: Any, gradient: Any, rate: Array, numbers: Numbers) -> tuple[Any, Any]:
    """A step of AdamW; the clipped norm is that of the whole gradient."""
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
    shrink = jnp.where(numbers.clip > 0, jnp.minimum(1.0, numbers.clip / norm), 1.0)
    gradient = jax.tree.map(lambda g: g * shrink, gradient)
    updates, optimiser = ADAM.update(gradient, optimiser)

    def move(p: Array, update: Array) -> Array:
        decay = numbers.weight_decay * p if p.ndim > 1 else 0.0
        return p - rate * (update + decay)

    return jax.tree.map(move, parameters, updates), optimiser


def _rate(schedule: str, part: Array) -> Array:
    """The learning rate in units of the highest, after this part of all steps."""
    if schedule == "constant":
        return jnp.ones(())
    if schedule == "cosine":
        return 0.5 * (1 + jnp.cos(jnp.pi * part))
    rising = FIRST + (1 - FIRST) * 0.5 * (1 - jnp.cos(jnp.pi * part / WARM_UP))
    falling = 0.5 * (1 + jnp.cos(jnp.pi * (part - WARM_UP) / (1 - WARM_UP)))
    return jnp.where(part < WARM_UP, rising, falling)


def _keep(state: State, parameters: Any, loss: Array, epoch: Array, active: Array) -> tuple[Any, Array, Array]:
    """Put an epoch in the place of the worst kept, if it is better."""
    worst = jnp.argmax(state.kept_loss)
    better = active & jnp.isfinite(loss) & (loss < state.kept_loss[worst])  # one of −∞ has diverged, too

    def put(old: Array, new: Array) -> Array:
        return old.at[worst].set(jnp.where(better, new, old[worst]))

    return jax.tree.map(put, state.kept, parameters), put(state.kept_loss, loss), put(state.kept_epoch, epoch)


@eqx.filter_jit
def average(state: State) -> Any:
    """Mean of the kept parameters; the start where no epoch was kept."""
    there = jnp.isfinite(state.kept_loss)
    there = jnp.where(there.any(axis=-1, keepdims=True), there, True)
    axis = there.ndim - 1

    def mean(leaf: Array) -> Array:
        shape = there.shape + (1,) * (leaf.ndim - there.ndim)
        # `where`, not a product with 0: an epoch that diverged may stand beside.
        total = jnp.where(there.reshape(shape), leaf, 0.0).sum(axis=axis)
        return total / there.sum(axis=axis).reshape(shape[:axis] + shape[axis + 1 :])

    return jax.tree.map(mean, state.kept)
