"""What tests of events by their numbers in cells have in common: data and background toys go the same way through them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from serendip.seeds import rng_for
from serendip.stats.count_statistics import Counts
from serendip.stats.null_distribution import NullDistribution
from serendip.stats.p_value import PValue
from serendip.stats.pseudo_experiments import LARGEST_OVERLAP, Pool, cell_means, require_overlap, throw_counts

TOYS_AT_ONCE = 5000


@runtime_checkable
class CountTest(Protocol):
    """A test of events by their numbers in cells."""

    @property
    def name(self) -> str:
        """For figures and tables."""

    @property
    def cells(self) -> int:
        """How many cells there are."""

    def codes(self, columns: Mapping[str, np.ndarray]) -> Int[np.ndarray, " n"]:
        """The cell of each event; −1 for events that do not enter."""

    def statistics(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """The statistic of many data sets; larger is less like the null."""


@dataclass(frozen=True, eq=False)
class CalibratedTest:
    """A test and what it gives under background alone.

    Attributes:
        test: the test.
        null: its statistic in background pseudo-experiments.
    """

    test: CountTest
    null: NullDistribution

    def observed(self, columns: Mapping[str, np.ndarray]) -> float:
        """The statistic of data, a row an event."""
        codes = self.test.codes(columns)
        counts = np.bincount(codes[codes >= 0], minlength=self.test.cells)
        return float(self.test.statistics(counts[None])[0])

    def p_value(self, columns: Mapping[str, np.ndarray], *, seed: int = 0) -> PValue:
        """The p of data, a row an event, with its interval."""
        return self.null.p_value(self.observed(columns), seed=seed)

    def z(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """Z of many data sets by their counts in the test's cells."""
        return self.null.z(self.test.statistics(counts))


def calibrate_test(
    test: CountTest,
    pools: Sequence[Pool],
    *,
    toys: int = 100_000,
    seed: int = 0,
    largest_overlap: float = LARGEST_OVERLAP,
) -> CalibratedTest:
    """Throw background pseudo-experiments, each kind's rate within its uncertainty, and keep their statistics.

    Args:
        test: fitted to other events than those of the pools.
        pools: background events, kind by kind.
        toys: how many; Z = 3 needs 1e4 at least.
        seed: of the pseudo-experiments.
        largest_overlap: refuse pools with fewer events than expected / this.

    Raises:
        InputError: a pool is too small, or there are fewer than 200 toys.
    """
    require_overlap(pools, largest_overlap)
    means = np.stack([cell_means(pool, test.codes(pool.columns), test.cells) for pool in pools])
    uncertainties = np.array([pool.uncertainty for pool in pools])
    values = []
    for index, start in enumerate(range(0, toys, TOYS_AT_ONCE)):
        rng = rng_for(seed, f"null of {test.name}", index)
        counts = throw_counts(means, uncertainties, min(TOYS_AT_ONCE, toys - start), rng)
        values.append(test.statistics(counts))
    return CalibratedTest(test, NullDistribution.fit(np.concatenate(values) if values else np.zeros(0), seed=seed))
