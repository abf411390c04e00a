"""Distance between two weighted samples by a function of pairs of events: MMD, energy and point-to-point are its cases.

T = n m / (n + m) · [⟨k(x, x')⟩ − 2 ⟨k(x, y)⟩ + ⟨k(y, y')⟩], means over pairs of different events: x from the sample, y from
the reference, n and m their effective sizes, so that a null hardly depends on the size of a sample.
Source: Gretton et al. 2012, JMLR 13, 723, eq. 3 (unbiased MMD²); Sejdinovic et al. 2013, doi:10.1214/13-AOS1140 (the energy
distance is its case k = −|x − y|).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from serendip.features.scaling import Standardise
from serendip.seeds import rng_for
from serendip.stats.sample_tests.checks import check_reference, check_sample, effective_size
from serendip.stats.sample_tests.sample import Sample

ROWS, COLUMNS = 64, 2048  # of a block of pairs, 1 MiB: what stays in a core's cache takes half the time


@runtime_checkable
class PairKernel(Protocol):
    """A symmetric function of two events, larger for closer ones; one a column of the statistic."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the columns."""

    @property
    def of_itself(self) -> float:
        """k(x, x)."""

    def embed(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
        """What a pair needs to know of each event."""

    def between(self, a: Float[np.ndarray, "n e"], b: Float[np.ndarray, "m e"]) -> list[Float[np.ndarray, "n m"]]:
        """The function of all pairs, a column at a time, in float32: its rounding averages out over pairs."""


@dataclass(frozen=True, eq=False)
class KernelDistance:
    """The distance of samples from one reference, whose own part is computed once.

    Attributes:
        kernel: of pairs.
        reference: its events, embedded.
        w: their weights.
        within: mean of the kernel over pairs of the reference, one a column.
        features: how many.
    """

    kernel: PairKernel
    reference: Float[np.ndarray, "m e"]
    w: Float[np.ndarray, " m"]
    within: Float[np.ndarray, " columns"]
    features: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the kernel."""
        return self.kernel.labels

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """The distances, each computed by itself."""
        return np.stack([self._statistic(sample) for sample in samples])

    def _statistic(self, sample: Sample) -> Float[np.ndarray, " columns"]:
        check_sample(sample, self.features)
        events = self.kernel.embed(sample.x)
        across = pair_sums(self.kernel, events, self.reference, sample.w, self.w) / (sample.w.sum() * self.w.sum())
        n, m = effective_size(sample.w), effective_size(self.w)
        return n * m / (n + m) * (mean_within(self.kernel, events, sample.w) - 2 * across + self.within)


def prepare_distance(kernel: PairKernel, reference: Sample) -> KernelDistance:
    """The reference's part of the distance."""
    events = kernel.embed(reference.x)
    within = mean_within(kernel, events, reference.w)
    return KernelDistance(kernel, events, reference.w, within, reference.x.shape[1])


def mean_within(
    kernel: PairKernel, events: Float[np.ndarray, "n e"], w: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " columns"]:
    """Weighted mean of the kernel over pairs of different events."""
    squares = np.square(w).sum()
    return (pair_sums(kernel, events, events, w, w) - kernel.of_itself * squares) / (w.sum() ** 2 - squares)


def pair_sums(
    kernel: PairKernel,
    a: Float[np.ndarray, "n e"],
    b: Float[np.ndarray, "m e"],
    w_a: Float[np.ndarray, " n"],
    w_b: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " columns"]:
    """Σ w w' k over all pairs, in blocks."""
    total = np.zeros(len(kernel.labels))
    for row in range(0, len(a), ROWS):
        rows = slice(row, row + ROWS)
        for column in range(0, len(b), COLUMNS):
            columns = slice(column, column + COLUMNS)
            right = w_b[columns].astype(np.float32)
            total += [w_a[rows] @ (values @ right) for values in kernel.between(a[rows], b[columns])]
    return total


def relabelled_distances(
    kernel: PairKernel, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "toys columns"]:
    """The distance between the events labelled data and the others, for many labellings of one pool.

    With a the weights of data and K that of pairs, aᵀKa and aᵀKw give all three means; K is computed once, in slices.
    """
    events, data = kernel.embed(x), is_data * w
    own, cross, everything = (np.zeros((len(data), len(kernel.labels))) for _ in range(3))
    right = np.column_stack([data.T, w]).astype(np.float32)
    for row in range(0, len(x), ROWS):
        rows = slice(row, row + ROWS)
        for i, values in enumerate(kernel.between(events[rows], events)):
            product = values @ right
            own[:, i] += np.einsum("tn,nt->t", data[:, rows], product[:, :-1])
            cross[:, i] += data[:, rows] @ product[:, -1]
            everything[:, i] += w[rows] @ product[:, -1]
    rest = w - data
    means = [
        (own, data, data),
        (everything - 2 * cross + own, rest, rest),
        (cross - own, data, rest),
    ]
    within_data, within_rest, across = (_mean(kernel, *parts) for parts in means)
    n, m = effective_size(data), effective_size(rest)
    return (n * m / (n + m))[:, None] * (within_data + within_rest - 2 * across)


def _mean(
    kernel: PairKernel,
    sums: Float[np.ndarray, "toys columns"],
    a: Float[np.ndarray, "toys n"],
    b: Float[np.ndarray, "toys n"],
) -> Float[np.ndarray, "toys columns"]:
    pairs = a.sum(axis=1) * b.sum(axis=1)
    same = np.sum(a * b, axis=1) if a is b else np.zeros(len(a))
    return (sums - kernel.of_itself * same[:, None]) / (pairs - same)[:, None]


def squared_distances(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """|a − b|² of all pairs in one product, rounded to float32 only after the cancellation."""
    ones_a, ones_b = np.ones((len(a), 1)), np.ones((len(b), 1))
    left = np.hstack([a, np.square(a).sum(axis=1, keepdims=True), ones_a])
    right = np.hstack([-2 * b, ones_b, np.square(b).sum(axis=1, keepdims=True)])
    squares = (left @ right.T).astype(np.float32)
    return np.maximum(squares, 0, out=squares)


def subset(reference: Sample, at_most: int, seed: int, task: str) -> Sample:
    """So many of the reference's events, drawn at random; all of them in their order where there are no more."""
    check_reference(reference)
    if len(reference) <= at_most:
        return reference
    return reference[rng_for(seed, task).choice(len(reference), at_most, replace=False)]


def pool(x: Float[np.ndarray, "n d"], w: Float[np.ndarray, " n"] | None) -> Sample:
    """Data and reference together, of which every labelling is a toy."""
    together = Sample(x, np.ones(len(x)) if w is None else w)
    check_reference(together)
    return together


def standardise(sample: Sample) -> Standardise:
    """Every feature at unit standard deviation: a distance has one unit."""
    return Standardise.fit(sample.x, sample.w)
