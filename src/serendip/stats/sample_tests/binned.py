"""Counts in cells of equal probability: χ², and the Poisson likelihood ratio.

Sources: Baker and Cousins 1984, doi:10.1016/0167-5087(84)90016-4; Cousins, Linnemann and Tucker 2008,
doi:10.1016/j.nima.2008.07.086 (two Poisson counts, for the reference's own fluctuation); Bohm and Zech 2014,
doi:10.1016/j.nima.2014.02.021 (weighted counts as scaled Poisson counts).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import xlogy

from serendip.stats.sample_tests.cells import Boxes, FeatureBins, Partition, fit_cells
from serendip.stats.sample_tests.checks import check_positive, check_reference, check_sample
from serendip.stats.sample_tests.kernel_distance import pool
from serendip.stats.sample_tests.sample import Sample

EMPTY = 1e-12  # part of Σw² that rounding leaves in a cell without events


@dataclass(frozen=True, eq=False)
class Counts:
    """Sums of weights in cells, of one sample or of many.

    Attributes:
        w: Σw of each cell.
        squares: Σw² of each cell.
        total: Σw of the sample.
        total_squares: Σw² of the sample.
    """

    w: Float[np.ndarray, "*toys cells"]
    squares: Float[np.ndarray, "*toys cells"]
    total: Float[np.ndarray, "*toys 1"]
    total_squares: Float[np.ndarray, "*toys 1"]


Statistic = Callable[[Counts, Counts, Float[np.ndarray, "*toys 1"]], Float[np.ndarray, "*toys cells"]]


@dataclass(frozen=True, eq=False)
class PreparedCounts:
    """The reference's counts, and what compares others with them.

    Attributes:
        cells: where events are counted.
        reference: its counts.
        expected: N(R).
        features: how many.
        terms: the statistic, cell by cell.
        labels: one.
    """

    cells: FeatureBins | Boxes
    reference: Counts
    expected: float
    features: int
    terms: Statistic
    labels: tuple[str, ...]

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """Sums over cells."""
        return np.array([[self._statistic(sample)] for sample in samples])

    def _statistic(self, sample: Sample) -> float:
        check_sample(sample, self.features)
        counts = _counts(self.cells.of(sample.x), sample.w, self.cells.total)
        return float(self.terms(counts, self.reference, np.array([self.expected])).sum())


@dataclass(frozen=True)
class BinnedChi2:
    """χ² between the shapes of sample and reference, whose own variance is included.

    Attributes:
        bins: of each feature, or boxes.
        partition: "features", each by itself and summed over, or "boxes" in all features at once.
    """

    bins: int = 20
    partition: Partition = "features"

    source: ClassVar[str] = "Pearson 1900, doi:10.1080/14786440009463897"
    summary: ClassVar[str] = "χ² of counts in bins of equal probability"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PreparedCounts:
        """Cells and the reference's counts in them; `expected` and `seed` have no effect."""
        return _prepared(self, reference, 1.0, chi2_terms, "χ²")

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, which gives the cells."""
        return _relabelled(self, pool(x, w), is_data, chi2_terms)


@dataclass(frozen=True)
class BinnedLikelihood:
    """−2 ln of the Poisson likelihood ratio of sample and reference against each other's counts; sees their number, too.

    Attributes:
        bins: of each feature, or boxes.
        partition: "features", each by itself and summed over, or "boxes" in all features at once.
    """

    bins: int = 20
    partition: Partition = "features"

    source: ClassVar[str] = "Baker and Cousins 1984, doi:10.1016/0167-5087(84)90016-4"
    summary: ClassVar[str] = "Poisson likelihood ratio of counts in bins of equal probability"
    counts: ClassVar[bool] = True
    has_ratio: ClassVar[bool] = False

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> PreparedCounts:
        """Cells and the reference's counts in them; `seed` has no effect."""
        check_positive(expected=expected)
        return _prepared(self, reference, float(expected), likelihood_terms, "−2 ln λ")

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, which gives the cells; the others predict the data's total weight."""
        return _relabelled(self, pool(x, w), is_data, likelihood_terms)


def chi2_terms(data: Counts, reference: Counts, expected: Float[np.ndarray, "*toys 1"]) -> Float[np.ndarray, "*toys k"]:
    """(d − D r/R)² / (r/R Σw² + D² Σv² / R²), where Σv² is a cell's in the reference."""
    share = reference.w / reference.total
    empty = EMPTY * data.total_squares
    variance = data.total_squares * np.maximum(share, 0) + (data.total / reference.total) ** 2 * reference.squares
    return (data.w - data.total * share) ** 2 / np.where(variance > empty, variance, data.total_squares)


def likelihood_terms(
    data: Counts, reference: Counts, expected: Float[np.ndarray, "*toys 1"]
) -> Float[np.ndarray, "*toys k"]:
    """−2 ln λ of two Poisson counts whose means have the ratio N(R) / R, both scaled to counts of weight 1.

    A negative count, by negative weights, counts as 0.
    """
    to_counts = data.total / data.total_squares
    d = np.maximum(data.w * to_counts, 0)
    whole = reference.total / reference.total_squares
    filled = (reference.squares > EMPTY * reference.total_squares) & (reference.w > 0)
    r_scale = np.where(filled, reference.w / np.where(filled, reference.squares, 1), whole)
    r = np.maximum(reference.w * r_scale, 0)
    ratio = expected * to_counts / (reference.total * r_scale)
    mean = (d + r) / (1 + ratio)  # of r; that of d is this times the ratio
    return 2 * (xlogy(d, d) - xlogy(d, mean * ratio) + xlogy(r, r) - xlogy(r, mean))


def _counts(codes: Int[np.ndarray, "n k"], w: Float[np.ndarray, " n"], cells: int) -> Counts:
    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes.ravel(), np.repeat(values, codes.shape[1]), minlength=cells)

    return Counts(summed(w), summed(w * w), w.sum(keepdims=True), (w @ w)[None])


def _prepared(
    test: BinnedChi2 | BinnedLikelihood, reference: Sample, expected: float, terms: Statistic, label: str
) -> PreparedCounts:
    check_reference(reference)
    cells = fit_cells(reference, test.bins, test.partition)
    counts = _counts(cells.of(reference.x), reference.w, cells.total)
    return PreparedCounts(cells, counts, expected, reference.x.shape[1], terms, (label,))


def _relabelled(
    test: BinnedChi2 | BinnedLikelihood, together: Sample, is_data: Bool[np.ndarray, "toys n"], terms: Statistic
) -> Float[np.ndarray, "toys columns"]:
    cells = fit_cells(together, test.bins, test.partition)
    codes = cells.of(together.x)
    toys = [_counts(codes[chosen], together.w[chosen], cells.total) for chosen in is_data]
    data = Counts(*(np.stack([getattr(toy, name) for toy in toys]) for name in Counts.__dataclass_fields__))
    everything = _counts(codes, together.w, cells.total)
    rest = Counts(*(getattr(everything, name) - getattr(data, name) for name in Counts.__dataclass_fields__))
    return terms(data, rest, data.total).sum(axis=-1, keepdims=True)
