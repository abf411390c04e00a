"""Weighted empirical distributions of one variable, and what tests of one feature at a time share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from serendip.stats.sample_tests.checks import check_reference, check_sample, effective_size
from serendip.stats.sample_tests.sample import Sample

TOYS_AT_ONCE = 64  # of a pool, so that memory does not grow with the toys


@dataclass(frozen=True, eq=False)
class Ecdf:
    """Share of the weight below a value; with negative weights it may fall, and leave 0 to 1.

    Attributes:
        values: distinct, ascending.
        shares: cumulative, with a 0 before the first value.
    """

    values: Float[np.ndarray, " n"]
    shares: Float[np.ndarray, " n+1"]

    @classmethod
    def fit(cls, x: Float[np.ndarray, " n"], w: Float[np.ndarray, " n"]) -> "Ecdf":
        """Of weighted values."""
        order = np.argsort(x, kind="stable")
        ordered, cumulative = x[order], np.cumsum(w[order])
        last = np.append(ordered[1:] != ordered[:-1], True)
        return cls(ordered[last], np.append(0.0, cumulative[last] / cumulative[-1]))

    def below(self, x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Share of the weight under each value."""
        return self.shares[np.searchsorted(self.values, x, side="left")]

    def up_to(self, x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Share of the weight under each value or at it."""
        return self.shares[np.searchsorted(self.values, x, side="right")]


Distance = Callable[[Ecdf, Ecdf, float], float]
PooledDistance = Callable[[Float[np.ndarray, "toys k"], Float[np.ndarray, " k"], float], Float[np.ndarray, " toys"]]


@dataclass(frozen=True, eq=False)
class PerFeature:
    """A distance between two empirical distributions, one column a feature.

    Attributes:
        ecdfs: of the reference's features.
        size: its effective size m.
        distance: of a sample's distribution, the reference's, and m.
        power: of n m / (n + m), which the distance is multiplied with.
    """

    ecdfs: tuple[Ecdf, ...]
    size: float
    distance: Distance
    power: float

    @property
    def labels(self) -> tuple[str, ...]:
        """The features by number."""
        return feature_labels(len(self.ecdfs))

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """Of each sample by itself."""
        return np.stack([self._statistic(sample) for sample in samples])

    def _statistic(self, sample: Sample) -> Float[np.ndarray, " columns"]:
        check_sample(sample, len(self.ecdfs))
        n = effective_size(sample.w)
        scale = (n * self.size / (n + self.size)) ** self.power
        pairs = ((Ecdf.fit(x, sample.w), ecdf) for x, ecdf in zip(sample.x.T, self.ecdfs))
        return scale * np.array([self.distance(own, ecdf, self.size) for own, ecdf in pairs])


def prepare_per_feature(reference: Sample, distance: Distance, power: float) -> PerFeature:
    """The reference's distributions."""
    check_reference(reference)
    ecdfs = tuple(Ecdf.fit(x, reference.w) for x in reference.x.T)
    return PerFeature(ecdfs, float(effective_size(reference.w)), distance, power)


def feature_labels(features: int) -> tuple[str, ...]:
    """Features by number, from 0."""
    return tuple(f"feature {i}" for i in range(features))


def relabelled_per_feature(
    pool: Sample, is_data: Bool[np.ndarray, "toys n"], distance: PooledDistance, power: float
) -> Float[np.ndarray, "toys columns"]:
    """Distances of many labellings of one pool, whose features are sorted once."""
    check_reference(pool)
    orders = [np.argsort(x, kind="stable") for x in pool.x.T]
    results = [_relabelled(pool, is_data[i : i + TOYS_AT_ONCE], orders, distance, power) for i in _starts(is_data)]
    return np.concatenate(results)


def differences(
    w: Float[np.ndarray, " n"], is_data: Bool[np.ndarray, "toys n"], order: np.ndarray
) -> Float[np.ndarray, "toys n"]:
    """Share of data up to each event of the order, less the share of the others."""
    data, rest = is_data * w, ~is_data * w
    shares = data / data.sum(axis=1, keepdims=True) - rest / rest.sum(axis=1, keepdims=True)
    return np.cumsum(shares[:, order], axis=1)


def sizes(w: Float[np.ndarray, " n"], is_data: Bool[np.ndarray, "toys n"]) -> Float[np.ndarray, " toys"]:
    """n m / (n + m) of each labelling."""
    n, m = effective_size(is_data * w), effective_size(~is_data * w)
    return n * m / (n + m)


def _starts(is_data: Bool[np.ndarray, "toys n"]) -> range:
    return range(0, len(is_data), TOYS_AT_ONCE)


def _relabelled(
    pool: Sample, is_data: Bool[np.ndarray, "toys n"], orders: list, distance: PooledDistance, power: float
) -> Float[np.ndarray, "toys columns"]:
    columns = []
    for x, order in zip(pool.x.T, orders):
        ordered, shares = x[order], np.cumsum(pool.w[order]) / pool.w.sum()
        last = np.append(ordered[1:] != ordered[:-1], True)
        apart = differences(pool.w, is_data, order)[:, last]
        columns.append(distance(apart, shares[last], float(effective_size(pool.w))))
    return np.stack(columns, axis=1) * sizes(pool.w, is_data)[:, None] ** power
