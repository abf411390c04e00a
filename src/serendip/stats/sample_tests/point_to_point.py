"""Point-to-point dissimilarity: an energy of charges whose range follows the local density.

Source: M. Williams 2010, arXiv:1006.3019, section 3.3; Aslan and Zech 2005, doi:10.1016/j.nima.2004.08.071.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import InputError
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
from serendip.stats.sample_tests.mmd import median_distance
from serendip.stats.sample_tests.sample import Sample

ANCHORS = 1000  # events that the local density is read from
SMALLEST_RANGE = 1e-3  # in median distances, where events coincide


@dataclass(frozen=True, eq=False)
class LocalGaussian:
    """exp(−r² / 2 σ(x) σ(y)), σ(x) the radius around x that holds a given share of the reference.

    In one dimension that is inverse to the density, as in the source; in several it is the length that belongs to it.
    """

    scaling: Standardise
    anchors: Float[np.ndarray, "a d"]
    neighbour: int
    smallest: float
    labels: ClassVar[tuple[str, ...]] = ("point to point",)
    of_itself: ClassVar[float] = 1.0

    def embed(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
        """Standardised, and σ(x) in the last column."""
        z = self.scaling.transform(x)
        return np.column_stack([z, np.maximum(self._radius(z), self.smallest)])

    def _radius(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        slices = (z[row : row + ANCHORS] for row in range(0, len(z), ANCHORS))
        squares = [
            np.partition(squared_distances(part, self.anchors), self.neighbour)[:, self.neighbour] for part in slices
        ]
        return np.sqrt(np.concatenate(squares).astype(float))

    def between(self, a: Float[np.ndarray, "n e"], b: Float[np.ndarray, "m e"]) -> list[Float[np.ndarray, "n m"]]:
        """Of all pairs."""
        squares = squared_distances(a[:, :-1], b[:, :-1])
        squares *= (-0.5 / a[:, -1:]).astype(np.float32)
        squares *= (1 / b[:, -1]).astype(np.float32)
        return [np.exp(squares)]


@dataclass(frozen=True)
class PointToPoint:
    """Dissimilarity of sample and reference, times 2 n m / (n + m), self-energy of the reference included.

    Attributes:
        share: of the reference that lies within σ(x) of x, 0 to 1.
        reference_events: at most so many of the reference are compared with, drawn by the seed.
    """

    share: float = 0.05
    reference_events: int = 10_000

    source: ClassVar[str] = "M. Williams 2010, arXiv:1006.3019"
    summary: ClassVar[str] = "point-to-point dissimilarity, its range by the local density"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InputError(f"test.share: Got {self.share}, but expected a part between 0 and 1.")
        check_positive(reference_events=self.reference_events)

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> KernelDistance:
        """Local ranges, and the reference's self-energy; `expected` has no effect."""
        chosen = subset(reference, self.reference_events, seed, "point to point reference")
        return prepare_distance(self._kernel(chosen), chosen)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, all of its events; scaling and ranges come from the pool."""
        together = pool(x, w)
        return relabelled_distances(self._kernel(together), together.x, is_data, together.w)

    def _kernel(self, sample: Sample) -> LocalGaussian:
        scaling = standardise(sample)
        z = scaling.transform(sample.x)
        anchors = z[:: -(-len(z) // ANCHORS)]
        neighbour = min(round(self.share * len(anchors)), len(anchors) - 1)
        return LocalGaussian(scaling, anchors, neighbour, SMALLEST_RANGE * median_distance(z))
