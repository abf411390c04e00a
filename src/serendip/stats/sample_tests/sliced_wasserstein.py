"""Sliced Wasserstein: how far events must be moved, along random directions.

Source: Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.features.scaling import Standardise
from serendip.seeds import rng_for
from serendip.stats.sample_tests.checks import check_positive, check_sample, effective_size
from serendip.stats.sample_tests.ecdf import TOYS_AT_ONCE, Ecdf, differences, sizes
from serendip.stats.sample_tests.kernel_distance import pool, standardise, subset
from serendip.stats.sample_tests.sample import Sample

LEVELS = 1000  # of the reference's distribution, between which it is taken as straight


@dataclass(frozen=True, eq=False)
class PreparedSlices:
    """The reference along each direction, sorted.

    Attributes:
        scaling: of the features.
        directions: unit vectors.
        ecdfs: of the reference along each.
        size: its effective size.
    """

    scaling: Standardise
    directions: Float[np.ndarray, "d k"]
    ecdfs: tuple[Ecdf, ...]
    size: float
    labels: ClassVar[tuple[str, ...]] = ("sliced Wasserstein",)

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """√(n m / (n + m)) times the mean distance over directions."""
        return np.array([[self._statistic(sample)] for sample in samples])

    def _statistic(self, sample: Sample) -> float:
        check_sample(sample, len(self.directions))
        projected = self.scaling.transform(sample.x) @ self.directions
        distances = [wasserstein(Ecdf.fit(x, sample.w), ecdf) for x, ecdf in zip(projected.T, self.ecdfs)]
        n = effective_size(sample.w)
        return float(np.sqrt(n * self.size / (n + self.size)) * np.mean(distances))


@dataclass(frozen=True)
class SlicedWasserstein:
    """Mean Wasserstein-1 distance along random directions, in standard deviations, times √(n m / (n + m)).

    Attributes:
        directions: how many; one where there is one feature.
        reference_events: at most so many of the reference are compared with, drawn by the seed.
    """

    directions: int = 50
    reference_events: int = 100_000

    source: ClassVar[str] = "Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3"
    summary: ClassVar[str] = "sliced Wasserstein distance"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(directions=self.directions, reference_events=self.reference_events)

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PreparedSlices:
        """Directions, and the reference along them; `expected` has no effect."""
        chosen = subset(reference, self.reference_events, seed, "sliced wasserstein reference")
        scaling, directions = standardise(chosen), self._directions(chosen.x.shape[1], seed)
        projected = scaling.transform(chosen.x) @ directions
        ecdfs = tuple(Ecdf.fit(x, chosen.w) for x in projected.T)
        return PreparedSlices(scaling, directions, ecdfs, float(effective_size(chosen.w)))

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, sorted along each direction once; the directions are those of seed 0."""
        together = pool(x, w)
        directions = self._directions(x.shape[1], 0)
        projected = standardise(together).transform(together.x) @ directions
        total = np.zeros(len(is_data))
        for values in projected.T:
            order = np.argsort(values, kind="stable")
            gaps = np.diff(values[order], append=values[order[-1]])
            for start in range(0, len(is_data), TOYS_AT_ONCE):
                part = slice(start, start + TOYS_AT_ONCE)
                total[part] += np.abs(differences(together.w, is_data[part], order)) @ gaps
        return (np.sqrt(sizes(together.w, is_data)) * total / directions.shape[1])[:, None]

    def _directions(self, features: int, seed: int) -> Float[np.ndarray, "d k"]:
        if features == 1:
            return np.ones((1, 1))
        normal = rng_for(seed, "sliced wasserstein directions").normal(size=(features, self.directions))
        return normal / np.linalg.norm(normal, axis=0)


def wasserstein(sample: Ecdf, reference: Ecdf) -> float:
    """∫ |F − F_R| dx, on the sample's values and so many of the reference's; signed weights have one, too."""
    nodes = np.concatenate([sample.values, reference.values[_spread(len(reference.values))]])
    nodes.sort()
    middle = (reference.up_to(nodes[:-1]) + reference.below(nodes[1:])) / 2
    return float(np.abs(sample.up_to(nodes[:-1]) - middle) @ np.diff(nodes))


def _spread(n: int) -> np.ndarray:
    """Evenly spread positions, first and last among them."""
    return np.linspace(0, n - 1, min(n, LEVELS)).round().astype(int)
