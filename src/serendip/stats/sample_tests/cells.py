"""Cells of equal probability that events are counted in: bins of each feature, or boxes in all of them at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from serendip.errors import InputError
from serendip.stats.sample_tests.sample import Sample

Partition = Literal["features", "boxes"]


@dataclass(frozen=True, eq=False)
class FeatureBins:
    """Bins of each feature by quantiles; every event is in one bin of each.

    Attributes:
        edges: inner ones, of each feature; an event at an edge belongs to the bin above.
    """

    edges: tuple[Float[np.ndarray, " edges"], ...]

    @property
    def total(self) -> int:
        """Bins of all features together."""
        return sum(len(edges) + 1 for edges in self.edges)

    def of(self, x: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n d"]:
        """Numbers of the bins of each event."""
        starts = np.cumsum([0] + [len(edges) + 1 for edges in self.edges])
        codes = [
            start + np.searchsorted(edges, values, side="right")
            for start, edges, values in zip(starts, self.edges, x.T)
        ]
        return np.stack(codes, axis=1)


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes by halving, each time at the median of the feature that spreads most in what is halved.

    Attributes:
        feature: that each split looks at, in order of depth: (1, 2, 4, ...).
        threshold: where it splits; an event at it goes up.
    """

    feature: Int[np.ndarray, " splits"]
    threshold: Float[np.ndarray, " splits"]

    @property
    def total(self) -> int:
        """Boxes."""
        return len(self.feature) + 1

    def of(self, x: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n 1"]:
        """Number of the box of each event."""
        node, rows = np.zeros(len(x), dtype=int), np.arange(len(x))
        for _ in range(int(np.log2(self.total))):
            up = x[rows, self.feature[node]] >= self.threshold[node]
            node = 2 * node + 1 + up
        return (node - len(self.feature))[:, None]


def fit_cells(reference: Sample, bins: int, partition: Partition) -> FeatureBins | Boxes:
    """Cells that hold as many of the reference's events each, whatever their weights.

    Args:
        reference: what is divided.
        bins: of each feature, or boxes in all (rounded up to a power of two).
        partition: which.

    Raises:
        InputError: fewer than two bins, or fewer than five reference events in each.
    """
    if bins < 2 or 5 * bins > len(reference):
        raise InputError(
            f"test.bins: Got {bins}, but expected at least 2, and at most {len(reference) // 5}, a fifth of the "
            "reference's events."
        )
    if partition == "boxes":
        return _halved(reference.x, int(np.ceil(np.log2(bins))))
    levels = np.arange(1, bins) / bins
    quantiles = (np.unique(np.quantile(x, levels, method="higher")) for x in reference.x.T)
    return FeatureBins(tuple(edges[edges > x.min()] for edges, x in zip(quantiles, reference.x.T)))


def _halved(x: Float[np.ndarray, "n d"], depth: int) -> Boxes:
    scale = x.std(axis=0)
    parts, features, thresholds = [x], [], []
    for _ in range(depth):
        halves = []
        for part in parts:
            feature = int(np.argmax(part.std(axis=0) / scale)) if len(part) else 0
            threshold = float(np.median(part[:, feature])) if len(part) else 0.0
            up = part[:, feature] >= threshold
            halves += [part[~up], part[up]]
            features.append(feature)
            thresholds.append(threshold)
        parts = halves
    return Boxes(np.array(features), np.array(thresholds))
