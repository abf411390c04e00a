"""Maximum mean discrepancy with Gaussian kernels.

Source: Gretton et al. 2012, JMLR 13, 723.
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

MEDIAN_EVENTS = 1000  # whose pairwise distances give the median


@dataclass(frozen=True, eq=False)
class Gaussian:
    """exp(−r² / 2σ²), one σ a column, in standard deviations of the features."""

    scaling: Standardise
    widths: tuple[float, ...]
    of_itself: ClassVar[float] = 1.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The widths."""
        return tuple(f"σ={width:.3g}" for width in self.widths)

    def embed(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Standardised."""
        return self.scaling.transform(x)

    def between(self, a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> list[Float[np.ndarray, "n m"]]:
        """Of all pairs."""
        squares = squared_distances(a, b)
        return [np.exp(squares * np.float32(-0.5 / width**2)) for width in self.widths]


@dataclass(frozen=True)
class Mmd:
    """Unbiased MMD² between sample and reference, times n m / (n + m).

    Attributes:
        widths: σ of the kernels, in standard deviations of the features, one a column; none takes the median distance
            between reference events.
        reference_events: at most so many of the reference are compared with, drawn by the seed.
    """

    widths: tuple[float, ...] = ()
    reference_events: int = 10_000

    source: ClassVar[str] = "Gretton et al. 2012, JMLR 13, 723"
    summary: ClassVar[str] = "maximum mean discrepancy, Gaussian kernels"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for width in self.widths:
            check_positive(widths=width)
        check_positive(reference_events=self.reference_events)

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> KernelDistance:
        """The kernel, and the reference's mean over pairs; `expected` has no effect."""
        chosen = subset(reference, self.reference_events, seed, "mmd reference")
        return prepare_distance(self._kernel(chosen), chosen)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, all of its events; scaling and widths come from the pool."""
        together = pool(x, w)
        return relabelled_distances(self._kernel(together), together.x, is_data, together.w)

    def _kernel(self, sample: Sample) -> Gaussian:
        scaling = standardise(sample)
        return Gaussian(scaling, self.widths or (median_distance(scaling.transform(sample.x)),))


def median_distance(z: Float[np.ndarray, "n d"]) -> float:
    """Median distance of pairs among a thousand events spread over the sample; 1 where most pairs coincide."""
    some = z[:: -(-len(z) // MEDIAN_EVENTS)]
    squares = squared_distances(some, some)[np.triu_indices(len(some), 1)]
    return float(np.sqrt(np.median(squares))) or 1.0
