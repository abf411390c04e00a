"""Events as a training wants them: padded to a few sizes, split into trained and held out, shuffled by number."""

import hashlib
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for

SMALLEST = 1024  # smallest padded size


@dataclass(frozen=True, eq=False)
class Batches:
    """Padded events and which of them are trained on.

    Attributes:
        data: arrays whose first axis is padded.
        w: weights whose |w| has mean 1, padded with 0.
        split: rows in an order of its own for each member; the first `held` are the validation sample.
        held: size of the validation sample.
        seed: of the shuffles.
        members: size of the ensemble; None for a model alone.
        signed: whether a weight is negative.
    """

    data: tuple[Array, ...]
    w: Float[Array, "*members padded"]
    split: Int[np.ndarray, "members n"]
    held: int
    seed: int
    members: int | None
    signed: bool

    @property
    def sizes(self) -> Int[np.ndarray, "2"]:
        """Events trained on, and events held out."""
        return np.array([self.split.shape[1] - self.held, self.held], np.int32)

    @property
    def ensemble(self) -> tuple[int, ...]:
        """The axes that members add."""
        return () if self.members is None else (self.members,)

    @property
    def alone(self) -> bool:
        """Whether there is one model, whose arrays have no axis of members."""
        return self.members is None

    def validation_rows(self) -> Int[np.ndarray, "*members padded"]:
        """Rows held out."""
        return self._padded(self.split[:, : self.held])

    def training_rows(self, epoch: int) -> Int[np.ndarray, "*members padded"]:
        """Rows of the others, in the order of this epoch."""
        trained = self.split[:, self.held :]
        shuffled = [rng_for(self.seed, f"shuffle {k}", epoch).permutation(rows) for k, rows in enumerate(trained)]
        return self._padded(np.stack(shuffled))

    def _padded(self, rows: Int[np.ndarray, "members m"]) -> Int[np.ndarray, "*members padded"]:
        padded = np.zeros((len(rows), self.w.shape[-1]), np.int32)
        padded[:, : rows.shape[1]] = rows
        return padded[0] if self.alone else padded


def prepare_batches(
    data: tuple[np.ndarray, ...], w: np.ndarray | None, validation: float, seed: int, members: int | None
) -> Batches:
    """Check, convert, pad, and draw what is held out.

    Raises:
        TooFewEventsError: fewer than two events, or none left to train on.
        InputError: lengths that differ, NaN or infinities, weights that cancel.
    """
    n = len(data[0])
    require_events(2, training_sample=data[0])
    if any(len(array) != n for array in data):
        raise InputError(f"Got arrays of {[len(array) for array in data]} events, but expected as many in each.")
    arrays = [_machine_type(array) for array in data]
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError("Got NaN or infinite values to train on, but expected finite ones. Select them away.")
    held = min(n - 1, max(1, round(validation * n))) if validation else 0
    split = np.stack([rng_for(seed, "validation split", k).permutation(n) for k in range(members or 1)])
    size = bucket(n)
    padded = tuple(jnp.asarray(pad(array, size)) for array in arrays)
    scaled = _weights(w, n, members, size)
    return Batches(padded, jnp.asarray(scaled), split, held, seed, members, bool((scaled < 0).any()))


def bucket(n: int) -> int:
    """The next power of two, at least 1024."""
    return max(SMALLEST, 1 << max(n - 1, 0).bit_length())


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """The same with rows of zeros below."""
    padded = np.zeros((size, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded


def fingerprint(arrays: Any, text: str) -> str:
    """A hash of a tree's arrays and of a text; the same in another process."""
    digest = hashlib.sha256(text.encode())
    for leaf in filter(eqx.is_array, jax.tree.leaves(arrays)):
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()


def _machine_type(array: np.ndarray) -> np.ndarray:
    """float32 for floats, int32 for integers."""
    array = np.asarray(array)
    if array.dtype == bool:
        return array
    return array.astype(np.float32 if np.issubdtype(array.dtype, np.floating) else np.int32)


def _weights(w: np.ndarray | None, n: int, members: int | None, size: int) -> Float[np.ndarray, "*members padded"]:
    w = np.ones(n) if w is None else np.asarray(w, dtype=float)
    shapes = [(n,)] if members is None else [(n,), (members, n)]
    if w.shape not in shapes:
        raise InputError(f"Got weights of shape {w.shape}, but expected {' or '.join(map(str, shapes))}.")
    if not np.isfinite(w).all():
        raise InputError(f"Got {int((~np.isfinite(w)).sum())} NaN or infinite weights, but expected finite ones.")
    totals = w.sum(axis=-1)
    if not np.all(totals > 0):
        raise InputError(f"Got weights that cancel (sum {np.min(totals):g}), but expected a sum above 0.")
    scaled = w / np.abs(w).mean(axis=-1, keepdims=True)
    padded = np.zeros((*w.shape[:-1], size), np.float32)
    padded[..., :n] = scaled
    return padded
