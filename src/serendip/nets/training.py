"""The one training loop: for flows, autoencoders and classifiers, alone or as an ensemble.

An epoch is one compiled call, an ensemble one `vmap` of it. Arrays are padded to a power of two and the number of
batches is an argument, so that samples of other size reuse the compiled code and padding costs no step.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float
from threadpoolctl import threadpool_info

from serendip.errors import FitError, InputError
from serendip.nets.batches import Batches, fingerprint, prepare_batches
from serendip.nets.epoch import Member, Numbers, Recipe, State, average, run_epoch, start
from serendip.nets.saving import fill, read, write
from serendip.seeds import seed_for

SCHEDULES = ("constant", "cosine", "one_cycle")
GROUPS = 2  # that members are split into on a CPU

Progress = Callable[[int, np.ndarray, np.ndarray], None]


def _require(fine: bool, name: str, got: object, expected: str) -> None:
    if not fine:
        raise InputError(f"{name}: Got {got}, but expected {expected}.")


@dataclass(frozen=True)
class Training:
    """Settings of a training.

    Attributes:
        epochs: passes over the training events, at most.
        batch: events in a step.
        learning_rate: of Adam; the highest where it follows a schedule.
        schedule: "constant", "cosine" (falls to 0 over all epochs) or "one_cycle" (rises first).
        patience: epochs without a lower validation loss after which a member stops; 0 never stops early.
        best: parameters are averaged over this many epochs of lowest validation loss.
        validation: part of the events that is held out; with 0 the training loss takes the place of the other.
        clip: largest norm of a gradient; 0 for any.
        weight_decay: of matrices, decoupled from the gradient (AdamW).
    """

    epochs: int = 50
    batch: int = 256
    learning_rate: float = 1e-3
    schedule: str = "constant"
    patience: int = 10
    best: int = 1
    validation: float = 0.2
    clip: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("best", 1), ("patience", 0)):
            _require(getattr(self, name) >= least, name, getattr(self, name), f"at least {least}")
        for name in ("clip", "weight_decay"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a number above 0")
        _require(0 <= self.validation < 1, "validation", self.validation, "a part from 0 to below 1")
        _require(self.schedule in SCHEDULES, "schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, and how it came about; arrays have a leading axis of members where there are members.

    Attributes:
        model: parameters averaged over the best epochs.
        training_loss: of each epoch, while parameters moved; NaN after a member has stopped.
        validation_loss: of each epoch, at its end; NaN after a member has stopped.
        best_epochs: that were averaged, the best first, counted from 1; 0 where there were fewer.
        seconds: wall time, compilation included.
    """

    model: Any
    training_loss: Float[np.ndarray, "*members epochs"]
    validation_loss: Float[np.ndarray, "*members epochs"]
    best_epochs: np.ndarray
    seconds: float


class DivergedError(FitError):
    """A loss became NaN or infinite; `model` is what training would have returned an epoch before."""

    def __init__(self, message: str, model: Any = None, epoch: int = 0) -> None:
        super().__init__(message)
        self.model = model
        self.epoch = epoch


def train(
    model: Any,
    loss: Callable[..., Array],
    data: tuple[np.ndarray, ...],
    *,
    w: np.ndarray | None = None,
    settings: Training = Training(),
    seed: int = 0,
    members: int | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Minimise Σ w·loss / Σ|w| over the parameters (floating JAX arrays) of a model.

    The loss of an event of negative weight is bounded by the largest of positive weight in its batch: no model gains
    without end by failing where the weights' sum is negative.

    The same data in the same order and the same seed give the same bits on the same machine. Every batch is full: an
    epoch leaves the last few events of its shuffle out, and a sample smaller than a batch is repeated within it.
    Dropout is off and the random key always the same where the validation loss is computed.

    Args:
        model: a module; with `members` one with stacked leaves, from `eqx.filter_vmap(build)(keys)`.
        loss: `loss(model, *batch, key=key)` gives the loss of each event, of shape (batch,). A loss of the batch as a
            whole is returned broadcast. Trap: a function made anew for each call (a lambda) is compiled anew.
        data: arrays with one row an event; floats become float32.
        w: of shape (n,) or (members, n), of either sign.
        settings: of the training.
        seed: of shuffles, of what is held out, and of the keys.
        members: size of an ensemble; each has shuffles and held-out events of its own, and stops on its own.
        checkpoint: a file written after each epoch, from which the same training goes on, with the same bits; or a
            folder, in which every training has a file of its own.
        progress: called after each epoch with its number and both losses.

    Raises:
        InputError: arrays of different length, too few events, NaN among them, weights that cancel, or a checkpoint
            of another training.
        DivergedError: a loss became NaN or infinite.
    """
    began = time.perf_counter()
    batches = prepare_batches(data, w, settings.validation, seed, members)
    run = _Run(*eqx.partition(model, eqx.is_inexact_array), loss, batches, settings, seed, _threads())
    states, losses, done = run.start(), np.full((2, settings.epochs, *batches.ensemble), np.nan), 0
    mark, kept = "", None
    if checkpoint is not None:
        what = f"{getattr(loss, '__qualname__', '')} {members} {settings} {seed} {eqx.tree_pformat(model)}"
        mark = fingerprint((model, batches.data, batches.w), what)
        kept = Path(checkpoint) / f"{mark[:32]}.npz" if Path(checkpoint).is_dir() else Path(checkpoint)
    if kept is not None and kept.exists():
        states, losses, done = _resume(kept, states, losses, mark)
    for epoch in range(done + 1, settings.epochs + 1):
        active = _active(losses[1, : epoch - 1], settings.patience)
        if not active.any():
            break
        states, new = run.epoch(states, epoch, active)
        losses[:, epoch - 1] = np.where(active, new, np.nan)
        _check(losses[:, epoch - 1], active, epoch, run, states)
        if kept is not None:
            write(kept, (states, losses), {"mark": mark, "epoch": epoch}, "checkpoint")
        if progress is not None:
            progress(epoch, *losses[:, epoch - 1])
    return _trained(run, states, losses, time.perf_counter() - began)


@dataclass(frozen=True, eq=False)
class _Run:
    """One training: what stays the same from epoch to epoch.

    XLA keeps one CPU core busy with the small matrices of an ensemble, however many members share a `vmap`. So on a CPU
    the ensemble is split in `GROUPS`, each of which has a thread; the split never depends on how many cores there are.
    """

    parameters: Any
    static: Any
    loss: Callable[..., Array]
    batches: Batches
    settings: Training
    seed: int
    threads: int

    @property
    def groups(self) -> list[Any]:
        """Slices of members; `...` for a model alone."""
        if self.batches.members is None:
            return [...]
        parts = min(GROUPS, self.batches.members) if jax.default_backend() == "cpu" else 1
        edges = np.linspace(0, self.batches.members, parts + 1).round().astype(int)
        return [slice(low, high) for low, high in pairwise(edges)]

    def start(self) -> list[State]:
        """A state for each group."""
        return [start(_part(self.parameters, group), self.settings.best, group is ...) for group in self.groups]

    def epoch(self, states: list[State], epoch: int, active: np.ndarray) -> tuple[list[State], np.ndarray]:
        """Move each group that has an active member on by an epoch; the losses are of shape (2, *members)."""
        rows, held_rows = self.batches.training_rows(epoch), self.batches.validation_rows()

        def one(state: State, group: Any) -> tuple[State, np.ndarray]:
            if not active[group].any():
                return state, np.full((2, *active[group].shape), np.nan)
            trained, held, moving = (jnp.asarray(of[group]) for of in (rows, held_rows, active))
            return self._group_epoch(state, group, epoch, Member(trained, held, moving, self._keys(group)))

        # In the first epoch one after the other: the second then finds the first one's compiled code.
        with ThreadPoolExecutor(1 if epoch == 1 else self.threads) as pool:
            results = list(pool.map(one, states, self.groups))
        return [state for state, _ in results], np.concatenate([losses for _, losses in results], axis=-1)

    def _group_epoch(self, state: State, group: Any, epoch: int, member: Member) -> tuple[State, np.ndarray]:
        settings, w = self.settings, self.batches.w
        trained, held = self.batches.sizes
        rates = (settings.learning_rate, settings.clip, settings.weight_decay)
        numbers = Numbers(*map(np.int32, (epoch, settings.epochs, trained, held)), *map(np.float32, rates))
        recipe = Recipe(self.loss, settings.batch, settings.schedule, group is ..., self.batches.signed)
        static, w = _part(self.static, group), w if w.ndim == 1 else w[group]
        state, losses = run_epoch(state, static, recipe, numbers, self.batches.data, w, member)
        return state, np.asarray(losses, dtype=float).T

    def _keys(self, group: Any) -> Array:
        key = jr.key(np.uint32(seed_for(self.seed, "training") % 2**32))
        return key if group is ... else _member_keys(key, jnp.arange(self.batches.members)[group])

    def model(self, states: list[State]) -> Any:
        """Parameters averaged over the best epochs."""
        return eqx.combine(average(_joined(states)), self.static)


def _threads() -> int:
    """As many as the numerical libraries may use here, so that a worker with one stays with one."""
    return max(1, min((pool["num_threads"] for pool in threadpool_info()), default=1))


def _part(tree: Any, group: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[group] if eqx.is_array(leaf) and group is not ... else leaf, tree)


def _joined(states: list[State]) -> State:
    """The groups' states as one."""
    return states[0] if len(states) == 1 else jax.tree.map(lambda *parts: jnp.concatenate(parts), *states)


@jax.jit
def _member_keys(key: Array, members: Array) -> Array:
    return jax.vmap(lambda k: jr.fold_in(key, k))(members)


def _active(validation: np.ndarray, patience: int) -> np.ndarray:
    """Which members go on, from their losses (epochs done, *members); those that stopped have NaN."""
    if not patience or len(validation) <= patience:
        return np.ones(validation.shape[1:], dtype=bool)
    running = np.isfinite(validation[-1])
    best = np.argmin(np.where(np.isnan(validation), np.inf, validation), axis=0)
    return running & (len(validation) - 1 - best < patience)


def _check(losses: np.ndarray, active: np.ndarray, epoch: int, run: _Run, states: list[State]) -> None:
    bad = active & ~np.isfinite(losses).all(axis=0)
    if not bad.any():
        return
    which = "" if bad.ndim == 0 else f" in member {int(np.flatnonzero(bad)[0])}"
    training, validation = losses.reshape(2, -1)[:, np.flatnonzero(bad)[0]]
    raise DivergedError(
        f"Got a loss of {training:g} in training and {validation:g} in validation in epoch {epoch}{which}, but expected "
        "finite ones. Lower the learning rate, clip the gradient, or look for extreme features.",
        run.model(states),
        epoch,
    )


def _resume(path: Path, states: list[State], losses: np.ndarray, mark: str) -> tuple[list[State], np.ndarray, int]:
    header, leaves = read(path, "checkpoint")
    if header["mark"] != mark:
        raise InputError(
            f"{path}: Got the checkpoint of another training, but expected one of the same data, model, settings and "
            "seed. Delete it, or choose another name."
        )
    states, losses = fill(path, (states, losses), leaves)
    return states, losses, header["epoch"]


def _trained(run: _Run, states: list[State], losses: np.ndarray, seconds: float) -> Trained:
    state = _joined(states)
    epochs = int(np.isfinite(losses[1]).reshape(losses.shape[1], -1).any(axis=1).sum())
    order = np.argsort(np.asarray(state.kept_loss), axis=-1, kind="stable")
    best = np.take_along_axis(np.asarray(state.kept_epoch), order, axis=-1)
    training, validation = np.moveaxis(losses[:, :epochs], 1, -1)
    return Trained(run.model(states), training, validation, best, seconds)
