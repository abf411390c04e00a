"""What is odd about a batch: its features one by one, and the pairs of them that a learned ratio singles out."""

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from serendip.data import effective_size
from serendip.errors import SerendipError
from serendip.search.discrepancy import deviation
from serendip.search.fitted import Fitted
from serendip.stats.sample_tests import Sample

STRONGEST = 3  # features and pairs named with an alarm


class Oddities:
    """Compares a batch with the reference, whose side is computed once."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    def features(self, x: Float[np.ndarray, "n d"]) -> list[dict[str, Any]]:
        """The oddest features by themselves: Kolmogorov's distance, its p, and how the mean moved in standard deviations.

        Each p is of one feature alone, and the large-sample formula: a guide to the eye, not a test.
        """
        n = 1 / (1 / len(x) + 1 / effective_size(self._fitted.reference.w))
        found: list[dict[str, Any]] = []
        for name, column, (values, cumulative, mean, sd) in zip(
            self._fitted.features, x.T, self._marginals, strict=True
        ):
            distance = kolmogorov_distance(column, values, cumulative)
            p = float(stats.kstwobign.sf(distance * np.sqrt(n)))
            shift = float((column.mean() - mean) / sd)
            found.append({"feature": name, "distance": distance, "p": p, "shift_sd": shift})
        return sorted(found, key=lambda one: one["distance"], reverse=True)[:STRONGEST]

    def pairs(self, x: Float[np.ndarray, "n d"], column: int) -> list[dict[str, Any]]:
        """The pairs of features that show most of what the test of this column learned; none if it learns no ratio.

        Trap: the log-ratio f is learned from this one batch, so that part of each share is noise.
        """
        f, labels = self._fitted, self._fitted.columns
        title, first = labels[column][0], next(i for i, one in enumerate(labels) if one[0] == labels[column][0])
        test, prepared = next((test, prepared) for name, test, prepared in f.tests if name == title)
        if not test.has_ratio or x.shape[1] < 2:
            return []
        try:
            ratio = prepared.log_ratio(Sample(x), f.reference.x)[:, column - first]
            seen = deviation(f.reference, float(len(x)), ratio)
        except SerendipError:  # f diverged: it says that the batch is odd, and not how
            return []
        best = np.argsort(-seen.pair_shares)[:STRONGEST]
        return [
            {"features": [f.features[i] for i in seen.pairs[row]], "share": float(seen.pair_shares[row])}
            for row in best
        ]

    @cached_property
    def _marginals(self) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
        """Of each feature of the reference: sorted values, cumulative weight, mean and standard deviation."""
        w = self._fitted.reference.w / self._fitted.reference.total
        marginals = []
        for column in self._fitted.reference.x.T:
            order, mean = np.argsort(column), float(w @ column)
            cumulative = np.concatenate([[0.0], np.cumsum(w[order])])
            marginals.append((column[order], cumulative, mean, float(np.sqrt(w @ (column - mean) ** 2))))
        return marginals


def kolmogorov_distance(
    batch: Float[np.ndarray, " n"], values: Float[np.ndarray, " m"], cumulative: Float[np.ndarray, " k"]
) -> float:
    """The largest distance between two cumulative distributions.

    Args:
        batch: events of one sample, in any order.
        values: of the other, sorted.
        cumulative: the share of its weight up to the i-th of them, from 0 to 1, (m + 1,).
    """
    batch = np.sort(batch)
    at = np.concatenate([batch, values])
    ours = np.searchsorted(batch, at, side="right") / len(batch)
    return float(np.abs(ours - cumulative[np.searchsorted(values, at, side="right")]).max())
