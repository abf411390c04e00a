"""NPLM with a network: the log-ratio f of data and reference is a small network whose weights are bounded.

Source: D'Agnolo and Wulzer 2018, arXiv:1806.02350; for several features and the choice of the bound, D'Agnolo et al.
2019, arXiv:1912.12155.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import FitError, InputError
from serendip.features.scaling import Standardise
from serendip.nets.ratio_network import (
    Block,
    Layers,
    fit_networks,
    log_ratio_float64,
    one_network,
    parameter_count,
    start_network,
)
from serendip.seeds import seed_for
from serendip.stats.sample_tests.checks import check_positive, check_reference, check_sample
from serendip.stats.sample_tests.sample import Sample

CPU_LANES, GPU_LANES = 4, 64  # fits in one call; fixed, since the rounding of float32 depends on their number


@dataclass(frozen=True)
class NetworkNPLM:
    """NPLM with a small sigmoid network in place of the kernel machine.

    t = 2 [Σ_D w f − (N(R) / Σ_R w) Σ_R w (e^f − 1)], with the f that full-batch Adam finds. Every fit starts from the same
    weights, so that t is a function of the samples alone. With the right `clip`, null t follow a χ² with as many degrees of
    freedom as there are parameters (`network_clip.scan_clips`). The fit is in float32, t in float64.

    Attributes:
        hidden: units of each hidden layer; published (4,) for one feature, (5, 5, 5) for five.
        clip: the bound on |weights|, for features of unit standard deviation; biases are free, as published.
        epochs: steps of Adam.
        learning_rate: of the first step; it falls to 0 as a cosine.
        cell: with one feature, reference events within so many standard deviations are fitted as two of the same mean and
            variance, which is 100 times faster; t itself is always a sum over all events. 0 fits every event.

    Raises:
        InputError: a setting has a value that cannot be.
    """

    source: ClassVar[str] = "arXiv:1806.02350, arXiv:1912.12155"
    summary: ClassVar[str] = "likelihood ratio learned by a small network of bounded weights"
    counts: ClassVar[bool] = True
    has_ratio: ClassVar[bool] = True

    hidden: tuple[int, ...] = (4,)
    clip: float = 9.0
    epochs: int = 30_000
    learning_rate: float = 0.1
    cell: float = 0.02

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise InputError(f"test.hidden: Got {self.hidden}, but expected the units of each layer, such as (4,).")
        check_positive(clip=self.clip, epochs=self.epochs, learning_rate=self.learning_rate)
        if not self.cell >= 0:
            raise InputError(f"test.cell: Got {self.cell}, but expected a part of a standard deviation, or 0 for none.")

    def parameters(self, features: int) -> int:
        """Weights and biases: the degrees of freedom that null t should have."""
        return parameter_count((features, *self.hidden, 1))

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> "PreparedNetworkNPLM":
        """Scale by the reference, draw the start, and gather reference events in cells.

        Raises:
            TooFewEventsError: the reference holds fewer events than the network has parameters.
            InputError: weights that cancel, constant features, or `expected` is not above 0.
        """
        if not 0 < expected < math.inf:
            raise InputError(f"Got expected={expected}, but expected the events that the reference predicts, above 0.")
        check_reference(reference, self.parameters(reference.x.shape[1]) + 1)
        scaling = Standardise.fit(reference.x, reference.w)
        z, a = scaling.transform(reference.x).T, reference.w * (expected / reference.total)
        return PreparedNetworkNPLM(self, scaling, z, a, self._shared_block(z, a), self._start(len(z), seed), expected)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys 1"]:
        """t of each relabelling of a pool; scaled by the pool, N(R) the data's total weight.

        Raises:
            InputError: weights that cancel in a relabelling, or constant features.
        """
        w = np.ones(len(x)) if w is None else w
        z = Standardise.fit(x, w).transform(x).T
        data = np.where(is_data, w, 0.0)
        reference = w - data
        totals, others = data.sum(axis=1, keepdims=True), reference.sum(axis=1, keepdims=True)
        if not (np.all(totals > 0) and np.all(others > 0)):
            raise InputError("Got weights that cancel in a relabelling, but expected positive sums of both samples.")
        a = reference * (totals / others)
        start, lanes, t = self._start(len(z), 0), _lanes(), []
        for first in range(0, len(data), lanes):
            some = slice(first, first + lanes)
            rows = [_float32(_full(array[some], lanes)) for array in (a, data)]
            layers = self._fit(start, (Block(_float32(z), *rows),))
            for fit, labelled in enumerate(zip(a[some], data[some])):
                t.append(_statistic([(log_ratio_float64(one_network(layers, fit), z), *labelled)]))
        return np.array(t)[:, None]

    def _start(self, features: int, seed: int) -> Layers:
        key = jr.key(np.uint32(seed_for(seed, "network start") % 2**32))
        return start_network((features, *self.hidden, 1), key)

    def _shared_block(self, z: np.ndarray, a: np.ndarray) -> Block:
        if self.cell and len(z) == 1:
            z, a = _two_a_cell(z[0], a, self.cell)
        size = _padded_size(len(a))
        return Block(_float32(_full(z.T, size).T), _float32(_full(a, size)), None)

    def _fit(self, start: Layers, blocks: tuple[Block, ...]) -> Layers:
        layers = fit_networks(start, blocks, self.clip, self.learning_rate, self.epochs)
        return jax.tree.map(np.asarray, layers)


@dataclass(frozen=True, eq=False)
class PreparedNetworkNPLM:
    """What toys share: the scaling, the reference with weights that sum to N(R), and the network before the fit."""

    settings: NetworkNPLM
    scaling: Standardise
    z: Float[np.ndarray, "d n"]
    a: Float[np.ndarray, " n"]
    block: Block
    start: Layers
    expected: float

    labels: ClassVar[tuple[str, ...]] = ("network",)

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys 1"]:
        """t of each sample; at least 0 up to what the fit has not reached.

        Raises:
            TooFewEventsError: a sample of fewer than two events.
            InputError: another number of features, or weights that cancel.
            FitError: e^f overflowed; the clip or the learning rate is too large.
        """
        t = []
        for sample, layers in zip(samples, self._networks(samples)):
            f_reference, f = log_ratio_float64(layers, self.z), self._log_ratio(layers, sample.x)
            t.append(_statistic([(f_reference, self.a, None), (f, None, sample.w)]))
        return np.array(t).reshape(-1, 1)

    def log_ratio(self, sample: Sample, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 1"]:
        """The log of data over reference at x, learned from `sample`."""
        return self._log_ratio(self._networks([sample])[0], x)[:, None]

    def _log_ratio(self, layers: Layers, x: np.ndarray) -> np.ndarray:
        return log_ratio_float64(layers, self.scaling.transform(x).T)

    def _networks(self, samples: Sequence[Sample]) -> list[Layers]:
        """A network a sample, fitted in groups of one padded size; the group never shows in the result."""
        for sample in samples:
            check_sample(sample, len(self.z))
        usual = _padded_size(math.ceil(self.expected + 5 * math.sqrt(self.expected)))
        sizes = np.array([max(usual, _padded_size(len(sample))) for sample in samples])
        found: list[Layers] = [()] * len(samples)
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            for first in range(0, len(rows), _lanes()):
                some = rows[first : first + _lanes()]
                for row, layers in zip(some, self._fit_group([samples[i] for i in some], int(size))):
                    found[row] = layers
        return found

    def _fit_group(self, samples: list[Sample], size: int) -> list[Layers]:
        z = np.stack([_full(self.scaling.transform(sample.x), size).T for sample in samples])
        w = np.stack([_full(sample.w, size) for sample in samples])
        own = Block(_float32(_full(z, _lanes())), None, _float32(_full(w, _lanes())))
        layers = self.settings._fit(self.start, (self.block, own))
        return [one_network(layers, i) for i in range(len(samples))]


def _statistic(parts: list[tuple[np.ndarray, np.ndarray | None, np.ndarray | None]]) -> float:
    """T = −2 Σ [a (e^f − 1) − b f] over parts (f, a, b), in float64."""
    loss = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for f, a, b in parts:
            loss += 0.0 if a is None else float(a @ np.expm1(f))
            loss -= 0.0 if b is None else float(b @ f)
    if not math.isfinite(loss):
        raise FitError(
            f"Got a loss of {loss}, but expected a finite one: the fitted log-ratio overflows. Lower clip or learning_rate."
        )
    return -2 * loss


def _two_a_cell(z: np.ndarray, a: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """One feature's events in cells, weights of either sign apart: two points a cell, of its sum, mean and variance.

    The error of Σ a g(z) is of third order in `width`: the mean of g''' (z − z̄)³ / 6.
    """
    key = 2 * np.floor(z / width).astype(np.int64) + (a < 0)
    _, cell = np.unique(key, return_inverse=True)
    total = np.bincount(cell, a)
    used = total != 0
    total = np.where(used, total, 1.0)
    mean = np.bincount(cell, a * z) / total
    spread = np.sqrt(np.maximum(np.bincount(cell, a * (z - mean[cell]) ** 2) / total, 0.0))
    points = np.concatenate([mean - spread, mean + spread])
    return points[None], np.tile(np.where(used, 0.5 * total, 0.0), 2)


def _lanes() -> int:
    return CPU_LANES if jax.default_backend() == "cpu" else GPU_LANES


def _padded_size(n: int) -> int:
    """A few sizes for any number of events: an eighth of the power of two above it is the step, 64 the least."""
    step = max(64, 1 << max(n.bit_length() - 3, 0))
    return -(-n // step) * step


def _full(array: np.ndarray, rows: int) -> np.ndarray:
    """The same with rows of zeros below."""
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]))])


def _float32(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.float32)
