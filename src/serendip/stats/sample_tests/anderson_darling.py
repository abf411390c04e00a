"""Anderson–Darling, one feature at a time: differences count for more in the tails.

Sources: Anderson and Darling 1954, doi:10.1080/01621459.1954.10501232; Scholz and Stephens 1987,
doi:10.1080/01621459.1987.10478517 (labellings of a pool).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.stats.sample_tests.ecdf import Ecdf, PerFeature, prepare_per_feature, relabelled_per_feature
from serendip.stats.sample_tests.kernel_distance import pool
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True)
class AndersonDarling:
    """n m / (n + m) · ∫ (F − F_R)² / (F_R (1 − F_R)) dF_R, one column a feature."""

    source: ClassVar[str] = "Anderson and Darling 1954, doi:10.1080/01621459.1954.10501232"
    summary: ClassVar[str] = "Anderson–Darling of each feature"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PerFeature:
        """The reference's distributions; `expected` and `seed` have no effect."""
        return prepare_per_feature(reference, weighted_difference, 1.0)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, whose distribution takes the reference's place in the weight."""
        return relabelled_per_feature(pool(x, w), is_data, _weighted, 1.0)


def weighted_difference(sample: Ecdf, reference: Ecdf, size: float) -> float:
    """∫ (c − u)² / (u (1 − u)) du with u the reference's share, c the sample's, exactly.

    The path (u, c) is piecewise linear: level between the sample's values, rising where both have a tie, as if ties were
    broken at random. For c = α + (β + 1) u the integral of a piece is [−β² u + α² ln u − (α + β)² ln(1 − u)]. A share of
    0 or 1 counts as half an event of the reference. A reference's share that falls, by negative weights, is held.
    """
    u = np.stack([reference.below(sample.values), reference.up_to(sample.values)], axis=1).ravel()
    c = np.stack([sample.shares[:-1], sample.shares[1:]], axis=1).ravel()
    u, c = np.concatenate([[0.0], u, [1.0]]), np.concatenate([[0.0], c, [1.0]])
    u = np.maximum.accumulate(np.clip(u, 0.5 / size, 1 - 0.5 / size))
    low, high, rise = u[:-1], u[1:], np.diff(u)
    moved = rise > 0
    low, high, rise = low[moved], high[moved], rise[moved]
    beta = np.diff(c)[moved] / rise - 1
    alpha = c[:-1][moved] - (beta + 1) * low
    logs = alpha**2 * np.log(high / low) - (alpha + beta) ** 2 * np.log((1 - high) / (1 - low))
    return float(np.sum(logs - beta**2 * rise))


def _weighted(
    apart: Float[np.ndarray, "toys k"], shares: Float[np.ndarray, " k"], size: float
) -> Float[np.ndarray, " toys"]:
    inside = np.clip(shares, 0.5 / size, 1 - 0.5 / size)
    return np.square(apart) @ (np.diff(shares, prepend=0.0) / (inside * (1 - inside)))
