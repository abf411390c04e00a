"""What drives a discrepancy: which events, which features, and where, by the log-ratio f that a test has learned.

All in one unit, the deviation 2 N(R) E_R[r ln r − r + 1] of the ratio r = e^f: what t would be if data followed f exactly.
Seen only through some of the features, r becomes its mean at given values of them, and the deviation can but shrink (the
data-processing inequality, Cover and Thomas, sec. 2.8); what is left is the share of those features. Trap: f is learned from
the data that it describes, so noise has shares and ranked events too. Whether there is a discrepancy, the p-value says.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from serendip.errors import FitError, InputError
from serendip.stats.sample_tests.sample import Sample

FEATURE_CELLS, PAIR_CELLS = 30, 12  # of one feature, and on each side of a pair, where shares are computed
LARGEST_LOG_RATIO = 700.0  # e^f is finite below


@dataclass(frozen=True, eq=False)
class Deviation:
    """How far r is from 1 over the reference, in units of t, and how much of it each view keeps.

    Attributes:
        total: 2 N(R) E_R[r ln r − r + 1]. It is t itself where the fit is free to scale f; less where a bound or a penalty
            holds f back.
        number: the part from the number of events alone, 2 N(R) (m ln m − m + 1) with m = E_R[r]; the rest is shape.
        features: the share of the shape that each feature's distribution shows, from 0 to 1. Shares of features that are
            correlated overlap, and what only combinations show is in none, so that they need not sum to 1.
        pairs: the two features of each pair.
        pair_shares: the same of each pair's joint distribution, in coarser cells.
    """

    total: float
    number: float
    features: Float[np.ndarray, " d"]
    pairs: Int[np.ndarray, "pairs 2"]
    pair_shares: Float[np.ndarray, " pairs"]


@dataclass(frozen=True, eq=False)
class Binned:
    """Events in bins of one feature or of two: data, the reference scaled to N(R), and it reweighted by e^f.

    Attributes:
        edges: of each feature's bins; the outermost hold what lies beyond them too.
        data: sums of weights, (bins,) or (bins, bins); `data_variance` sums of squares.
        reference: sums of weights; `reference_variance` sums of squares.
        predicted: the reference's weights times e^f; `predicted_variance` sums of squares.
    """

    edges: tuple[np.ndarray, ...]
    data: np.ndarray
    data_variance: np.ndarray
    reference: np.ndarray
    reference_variance: np.ndarray
    predicted: np.ndarray
    predicted_variance: np.ndarray

    def residuals(self, of: np.ndarray) -> np.ndarray:
        """How far `of` (data or predicted) is from the reference, in σ: the signed root of Poisson's likelihood ratio.

        For weighted data, that of as many events as their weights are worth, Σw / Σw² a unit of weight. The squares of the
        predicted ones sum to the part of `Deviation.total` that these bins show. Source: arXiv:1007.1727, eq. 46 without a
        cut at excesses. A bin with events but no reference counts as holding
        the smallest share that another bin holds; one with neither has no residual.
        """
        worth = self.data.sum() / self.data_variance.sum() if self.data_variance.sum() > 0 else 1.0
        filled = self.reference[self.reference > 0]
        expected = worth * np.maximum(self.reference, filled.min() if len(filled) else 1.0)
        seen = worth * np.maximum(of, 0.0)
        deviance = 2 * (special.xlogy(seen, seen / expected) - seen + expected)
        residuals = np.sign(seen - expected) * np.sqrt(np.maximum(deviance, 0.0))
        return np.where((self.reference > 0) | (of > 0), residuals, 0.0)


def density_ratio(log_ratio: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Data over reference at each event, e^f.

    Raises:
        FitError: f is not a number, or e^f would overflow.
    """
    if not np.all(log_ratio < LARGEST_LOG_RATIO):
        raise FitError(
            f"Got log-ratios up to {np.max(log_ratio):g}, but expected below {LARGEST_LOG_RATIO:g}: the fit has diverged. "
            "Use a larger penalty, or a tighter bound on the weights."
        )
    return np.exp(log_ratio)


def ranked_events(log_ratio: Float[np.ndarray, " n"], top: int = 20) -> Int[np.ndarray, " top"]:
    """Rows of the events of largest f, the largest first; of equal ones, the earlier first."""
    return np.argsort(-log_ratio, kind="stable")[:top]


def deviation(reference: Sample, expected: float, log_ratio: Float[np.ndarray, " n"]) -> Deviation:
    """The deviation of r = e^f, and the shares of features and of pairs.

    Shares are of cells that hold equal parts, half by the reference and half by the deviation, so that they are narrow where
    it is. With few reference events a cell shares are too large; where r varies within cells, too small.

    Args:
        reference: the reference.
        expected: N(R).
        log_ratio: f at the reference's events.

    Raises:
        FitError: f is not a number, or e^f would overflow.
        InputError: the mean of r over the reference is not above 0.
    """
    share, ratio = reference.w / reference.total, density_ratio(log_ratio)
    mean = float(share @ ratio)
    if not mean > 0:
        raise InputError(f"Got a mean density ratio of {mean:g}, but expected above 0: the reference's weights cancel.")
    shape = float(share @ _excess(ratio / mean))
    spread = np.abs(share) * (1 + _excess(ratio / mean) / (shape if shape > 0 else 1.0))
    fine, coarse = ([_equal_cells(x, spread, cells) for x in reference.x.T] for cells in (FEATURE_CELLS, PAIR_CELLS))
    pairs = np.array(list(combinations(range(len(fine)), 2)), dtype=int).reshape(-1, 2)

    def seen_in(cells: np.ndarray) -> float:
        return min(1.0, _divergence_in(cells, share, ratio / mean) / shape) if shape > 0 else 0.0

    number = float(_excess(np.array([mean]))[0])
    return Deviation(
        total=2 * expected * (mean * shape + number),
        number=2 * expected * number,
        features=np.array([seen_in(cells) for cells in fine]),
        pairs=pairs,
        pair_shares=np.array([seen_in(coarse[i] * PAIR_CELLS + coarse[j]) for i, j in pairs], dtype=float),
    )


def binned(
    data: Float[np.ndarray, "n d"],
    data_weights: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, "m d"],
    reference_weights: Float[np.ndarray, " m"],
    ratio: Float[np.ndarray, " m"],
    bins: int = 30,
) -> Binned:
    """Data, reference and reweighted reference in the same bins of d features.

    Args:
        data: one column, or two.
        data_weights: of the data.
        reference: the same columns.
        reference_weights: scaled to N(R).
        ratio: e^f of the reference's events.
        bins: of each feature; fewer where it takes fewer values.
    """
    edges = tuple(bin_edges(x, y, bins) for x, y in zip(data.T, reference.T))
    shape = tuple(len(one) - 1 for one in edges)

    def sums(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inner = [np.searchsorted(one[1:-1], column, side="right") for one, column in zip(edges, x.T)]
        rows = np.ravel_multi_index(inner, shape)
        first, second = (np.bincount(rows, v, int(np.prod(shape))).reshape(shape) for v in (w, w**2))
        return first, second

    weights = reference_weights
    return Binned(edges, *sums(data, data_weights), *sums(reference, weights), *sums(reference, weights * ratio))


def bin_edges(data: Float[np.ndarray, " n"], reference: Float[np.ndarray, " m"], bins: int) -> Float[np.ndarray, " e"]:
    """Equal bins over all but the outermost thousandth of either sample; a bin a value where there are few values."""
    values = np.unique(np.concatenate([data, reference]))
    if len(values) <= bins:
        middles = 0.5 * (values[1:] + values[:-1])
        half = 0.5 * (np.diff(values).min() if len(values) > 1 else 1.0)
        return np.concatenate([[values[0] - half], middles, [values[-1] + half]])
    limits = np.array([np.quantile(x, (0.001, 0.999)) for x in (data, reference)])
    low, high = limits[:, 0].min(), limits[:, 1].max()
    return np.linspace(low, high, bins + 1) if high > low else np.linspace(values[0], values[-1], bins + 1)


def _excess(ratio: np.ndarray) -> np.ndarray:
    """R ln r − r + 1, at least 0; −r + 1 where r < 0, which only signed weights can give."""
    return special.xlogy(np.maximum(ratio, 0.0), np.maximum(ratio, 0.0)) - ratio + 1


def _divergence_in(cells: np.ndarray, share: np.ndarray, ratio: np.ndarray) -> float:
    """E_R of `_excess` of the mean ratio in each cell."""
    total, weighted = np.bincount(cells, share), np.bincount(cells, share * ratio)
    used = total > 0
    return float(total[used] @ _excess(weighted[used] / total[used]))


def _equal_cells(x: np.ndarray, spread: np.ndarray, cells: int) -> np.ndarray:
    """The cell of each event, from 0; equal values share one."""
    order = np.argsort(x)
    part = np.cumsum(spread[order]) / spread.sum()
    edges = np.unique(x[order][np.searchsorted(part, np.arange(1, cells) / cells)])
    return np.searchsorted(edges, x, side="right")
