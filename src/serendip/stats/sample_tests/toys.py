"""Null toys for tests of a sample: independent draws, disjoint splits, or permutations, by what the user has.

Each toy belongs to (seed, index) alone, so that toys may be thrown in any order, by any number of workers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests.draws import (
    Counts,
    draw_count,
    draw_unweighted,
    largest_draw,
    require_count,
    require_pool,
    require_positive_weights,
)
from serendip.stats.sample_tests.sample import Sample

Simulator = Callable[[np.random.Generator, int], Sample]


@dataclass(frozen=True, eq=False)
class Toy:
    """A sample of the null, and the reference to test it against where that is redrawn too."""

    sample: Sample
    reference: Sample | None = None


class ToySource(Protocol):
    """Where null toys come from."""

    summary: ClassVar[str]
    expected: float  # events that the reference predicts in a toy
    redraws: bool  # whether a toy brings its own reference

    @property
    def limit(self) -> int | None:
        """The most toys that can be had; None if there is no bound."""

    def toy(self, index: int) -> Toy:
        """One toy."""


@dataclass(frozen=True, eq=False)
class IndependentDraws:
    """Samples drawn anew: by a simulator, or from events of the reference's kind that are not in the reference.

    From a simulator toys are independent. From a pool each toy alone is an exact draw, for no event is in it twice. Trap:
    two toys share a part r of their events (`overlap`); toys scatter about the pool with a variance short by 1 − r, data
    with 1 + r times theirs. Z is overstated by about a part r: keep it below 0.1.

    Attributes:
        pool: events, drawn with probability ∝ their positive weights, so that toys have weight 1, while a new reference
            keeps weights; or `simulate(rng, n) -> Sample`.
        expected: the mean number of events.
        counts: "poisson" where the number of data events is itself random, else "fixed".
        redraw: how many events of a new reference come with each toy; 0 keeps the reference.
        seed: of the toys.

    Raises:
        InputError: `expected` or `redraw` is negative, the pool is too small, or a weight is negative: drawn with |w| and
            its sign a toy would fluctuate more than unweighted data do.
    """

    summary: ClassVar[str] = "new samples from a simulator or a pool of events that are not in the reference"

    pool: Sample | Simulator
    expected: float
    counts: Counts = "poisson"
    redraw: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_count(self.expected, self.counts)
        if self.redraw < 0:
            raise InputError(f"Got redraw={self.redraw}, but expected 0 or a number of reference events.")
        if isinstance(self.pool, Sample):
            require_positive_weights(self.pool)
            require_pool(self.pool, round(self.expected) + self.redraw)

    @property
    def limit(self) -> None:
        """As many as you like."""

    @property
    def redraws(self) -> bool:
        """Whether a toy brings its own reference."""
        return self.redraw > 0

    @cached_property
    def overlap(self) -> float:
        """The share of a toy's events that another toy holds too, on average; 0 from a simulator."""
        if not isinstance(self.pool, Sample):
            return 0.0
        share = self.pool.w / self.pool.total
        return min(1.0, (self.expected + self.redraw) * float(np.sum(share**2)))

    def toy(self, index: int) -> Toy:
        """One toy."""
        rng = rng_for(self.seed, "independent_toy", index)
        n = draw_count(self.expected, self.counts, rng)
        if isinstance(self.pool, Sample):
            if not self.redraw:
                return Toy(draw_unweighted(self.pool, n, rng))
            order = rng.permutation(len(self.pool))  # a reference keeps its weights, as the observed one does
            reference, rest = self.pool[order[: self.redraw]], self.pool[order[self.redraw :]]
            return Toy(draw_unweighted(rest, n, rng), reference)
        return Toy(self.pool(rng, n), self.pool(rng, self.redraw) if self.redraw else None)


@dataclass(frozen=True, eq=False)
class DisjointSplits:
    """A pool cut into a reference and samples that share no event: independent toys, but only as many as fit.

    Attributes:
        pool: events of the reference's kind; outside the reference their weights, positive, become the probability to
            be used, so that samples have weight 1.
        reference_size: events kept as the reference, with their weights.
        expected: the mean number of events in a sample.
        counts: "poisson" or "fixed".
        seed: of the shuffle and of the counts.

    Raises:
        InputError: not one sample fits, `expected` is negative, or a weight is negative.
    """

    summary: ClassVar[str] = "samples cut from one pool, no event twice"
    redraws: ClassVar[bool] = False

    pool: Sample
    reference_size: int
    expected: float
    counts: Counts = "poisson"
    seed: int = 0

    def __post_init__(self) -> None:
        require_count(self.expected, self.counts)
        require_positive_weights(self.pool)
        if not 0 < self.reference_size < len(self.pool):
            raise InputError(
                f"Got reference_size={self.reference_size}, but expected 1 … {len(self.pool) - 1} events of the pool."
            )
        if self.limit == 0:
            raise InputError(
                f"Got {len(self._rest)} events beside the reference, but expected at least {self._count(0)}, one "
                "sample. Shrink the reference, or take permutations."
            )

    @property
    def reference(self) -> Sample:
        """The events kept as the reference."""
        return self.pool[self._order[: self.reference_size]]

    @property
    def limit(self) -> int:
        """How many samples fit."""
        return len(self._edges) - 1

    def toy(self, index: int) -> Toy:
        """One toy.

        Raises:
            InputError: the pool holds fewer samples.
        """
        if not 0 <= index < self.limit:
            raise InputError(
                f"Got a request for toy {index + 1}, but expected at most {self.limit}: {len(self._rest)} events beside the "
                f"reference, {self.expected:g} a toy. Ask for fewer toys, enlarge the pool, or take another source."
            )
        return Toy(self._rest[self._edges[index] : self._edges[index + 1]])

    @cached_property
    def _order(self) -> Int[np.ndarray, " n"]:
        return rng_for(self.seed, "splits").permutation(len(self.pool))

    @cached_property
    def _rest(self) -> Sample:
        rest = self.pool[self._order[self.reference_size :]]
        return draw_unweighted(rest, largest_draw(rest), rng_for(self.seed, "split_weights"))

    @cached_property
    def _edges(self) -> list[int]:
        edges = [0]
        while (edge := edges[-1] + self._count(len(edges) - 1)) <= len(self._rest) and len(edges) <= len(self._rest):
            edges.append(edge)
        return edges

    def _count(self, index: int) -> int:
        return draw_count(self.expected, self.counts, rng_for(self.seed, "split_count", index))


@dataclass(frozen=True, eq=False)
class Permutation:
    """Data and reference pooled and dealt anew: needs no further events, and is exact at fixed counts.

    Features are shuffled against labels, and a weight stays with its label, as in `two_sample_test`: exact where weights are
    equal within each sample, or do not depend on the features. It tests shapes; the number of events is as in the data. A
    signal in the data is among the dealt events, which costs a little power and no validity.

    Attributes:
        data: the sample under test.
        reference: what it is compared with.
        seed: of the permutations.

    Raises:
        InputError: a sample is empty, their features differ in number, or the data's weights do not sum to above 0.
    """

    summary: ClassVar[str] = "data and reference pooled and dealt anew"
    redraws: ClassVar[bool] = True

    data: Sample
    reference: Sample
    seed: int = 0

    def __post_init__(self) -> None:
        sizes = len(self.data), len(self.reference)
        if 0 in sizes or self.data.x.shape[1] != self.reference.x.shape[1]:
            raise InputError(
                f"Got data of shape {self.data.x.shape} and a reference of {self.reference.x.shape}, but expected events in "
                "both, with the same features."
            )
        if not self.data.total > 0:
            raise InputError(f"Got data whose weights sum to {self.data.total:g}, but expected a sum above 0.")

    @property
    def limit(self) -> None:
        """As many as you like."""

    @property
    def expected(self) -> float:
        """The data's total weight, to which every dealt reference is normalised."""
        return self.data.total

    @property
    def weightless(self) -> bool:
        """Whether the data have unit weights and the reference equal ones, so that labels alone tell events apart."""
        return bool(np.all(self.data.w == 1) and np.all(self.reference.w == self.reference.w[0]))

    @cached_property
    def x(self) -> Float[np.ndarray, "n d"]:
        """The features of data, then reference."""
        return np.concatenate([self.data.x, self.reference.x])

    def labels(self, indices: Sequence[int]) -> Bool[np.ndarray, "toys n"]:
        """Which events of `x` are data in each toy."""
        dealt = np.zeros((len(indices), len(self.x)), bool)
        for row, index in zip(dealt, indices, strict=True):
            row[self._order(index)[: len(self.data)]] = True
        return dealt

    def toy(self, index: int) -> Toy:
        """One toy; its data are those of `labels`."""
        x, n = self.x[self._order(index)], len(self.data)
        return Toy(Sample(x[:n], self.data.w), Sample(x[n:], self.reference.w))

    def _order(self, index: int) -> Int[np.ndarray, " n"]:
        return rng_for(self.seed, "permutation_toy", index).permutation(len(self.x))


TOY_SOURCES: dict[str, type] = {"independent": IndependentDraws, "permutation": Permutation, "splits": DisjointSplits}
