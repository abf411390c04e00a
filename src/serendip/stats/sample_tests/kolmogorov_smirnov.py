"""Kolmogorov–Smirnov, one feature at a time.

Source: Smirnov 1948, doi:10.1214/aoms/1177730256, with weighted distributions.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.stats.sample_tests.ecdf import Ecdf, PerFeature, prepare_per_feature, relabelled_per_feature
from serendip.stats.sample_tests.kernel_distance import pool
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """√(n m / (n + m)) · max |F − F_R| at the sample's events, one column a feature."""

    source: ClassVar[str] = "Smirnov 1948, doi:10.1214/aoms/1177730256"
    summary: ClassVar[str] = "Kolmogorov–Smirnov of each feature"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PerFeature:
        """The reference's distributions; `expected` and `seed` have no effect."""
        return prepare_per_feature(reference, largest_difference, 0.5)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool."""
        return relabelled_per_feature(pool(x, w), is_data, _largest, 0.5)


def largest_difference(sample: Ecdf, reference: Ecdf, size: float) -> float:
    """Largest |F − F_R| on either side of the sample's values, between which F does not change."""
    before = np.abs(sample.shares[:-1] - reference.below(sample.values))
    after = np.abs(sample.shares[1:] - reference.up_to(sample.values))
    return float(max(before.max(), after.max()))


def _largest(
    apart: Float[np.ndarray, "toys k"], shares: Float[np.ndarray, " k"], size: float
) -> Float[np.ndarray, " toys"]:
    return np.abs(apart).max(axis=1)
