"""The energy distance: twice the mean distance between samples, less those within them.

Source: Székely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.features.scaling import Standardise
from serendip.stats.sample_tests.checks import check_positive
from serendip.stats.sample_tests.kernel_distance import (
    KernelDistance,
    pool,
    prepare_distance,
    relabelled_distances,
    squared_distances,
    standardise,
    subset,
)
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True, eq=False)
class Nearness:
    """−|x − y| in standard deviations of the features."""

    scaling: Standardise
    labels: ClassVar[tuple[str, ...]] = ("energy",)
    of_itself: ClassVar[float] = 0.0

    def embed(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Standardised."""
        return self.scaling.transform(x)

    def between(self, a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> list[Float[np.ndarray, "n m"]]:
        """Of all pairs."""
        return [-np.sqrt(squared_distances(a, b))]


@dataclass(frozen=True)
class Energy:
    """Unbiased energy distance between sample and reference, times n m / (n + m). It has no width to choose.

    Attributes:
        reference_events: at most so many of the reference are compared with, drawn by the seed.
    """

    reference_events: int = 10_000

    source: ClassVar[str] = "Székely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018"
    summary: ClassVar[str] = "energy distance"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(reference_events=self.reference_events)

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> KernelDistance:
        """The reference's mean distance; `expected` has no effect."""
        chosen = subset(reference, self.reference_events, seed, "energy reference")
        return prepare_distance(Nearness(standardise(chosen)), chosen)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, all of its events; the scaling comes from the pool."""
        together = pool(x, w)
        return relabelled_distances(Nearness(standardise(together)), together.x, is_data, together.w)
