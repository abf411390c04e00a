"""Features as small integers: binned once, then shared by members, folds and windows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from serendip.errors import InputError

MAX_BINS = 255


@dataclass(frozen=True, eq=False)
class BinnedFeatures:
    """Bin numbers of features, taken row by row like the array that they stand for.

    Attributes:
        codes: number of the bin of each event and feature.
        edges: of each feature, ascending; an event at an edge belongs to the bin below it.
    """

    codes: UInt8[np.ndarray, "n d"]
    edges: tuple[Float[np.ndarray, " edges"], ...]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        """Events and features."""
        return self.codes.shape  # type: ignore[return-value]

    def __getitem__(self, rows: np.ndarray | slice) -> "BinnedFeatures":
        """The events of a mask, an index array or a slice."""
        return BinnedFeatures(self.codes[rows], self.edges)

    def bin(self, x: "Float[np.ndarray, 'm d'] | BinnedFeatures") -> "BinnedFeatures":
        """Other events in the same bins.

        Raises:
            InputError: x has other features or bins, or holds NaN or infinities.
        """
        if isinstance(x, BinnedFeatures):
            if not same_edges(x.edges, self.edges):
                raise InputError("Got features in other bins, but expected the same. Bin both with the same edges.")
            return x
        return BinnedFeatures(apply_edges(x, self.edges), self.edges)


def bin_features(x: Float[np.ndarray, "n d"], bins: int = 63) -> BinnedFeatures:
    """Bin features by their quantiles; a feature with few distinct values gets one bin for each.

    Raises:
        InputError: `bins` is not in 2–255, or x holds NaN or infinities.
    """
    if not 2 <= bins <= MAX_BINS:
        raise InputError(f"bins: Got {bins}, but expected 2 to {MAX_BINS}.")
    require_finite(x)
    edges = tuple(_quantile_edges(feature, bins) for feature in np.asarray(x, dtype=float).T)
    return BinnedFeatures(apply_edges(x, edges), edges)


def apply_edges(x: Float[np.ndarray, "n d"], edges: tuple[np.ndarray, ...]) -> UInt8[np.ndarray, "n d"]:
    """How many of its feature's edges lie below each value."""
    if x.ndim != 2 or x.shape[1] != len(edges):
        raise InputError(f"Got features of shape {x.shape}, but expected (events, {len(edges)}) as in the fit.")
    require_finite(x)
    codes = np.empty(x.shape, np.uint8)
    for f, of_feature in enumerate(edges):
        codes[:, f] = np.searchsorted(of_feature, x[:, f])
    return codes


def require_finite(x: Float[np.ndarray, "n d"]) -> None:
    """Refuse NaN and infinities.

    Raises:
        InputError: with their count and the first row.
    """
    bad = ~np.isfinite(x)
    if bad.any():
        row, feature = np.argwhere(bad)[0]
        raise InputError(
            f"Got {int(bad.sum())} NaN or infinite features (the first in row {row}, feature {feature}), "
            "but expected finite values. Drop these events or give the values a place of their own."
        )


def same_edges(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    """Whether two sets of bins are the same."""
    return one is other or (len(one) == len(other) and all(map(np.array_equal, one, other)))


def _quantile_edges(feature: Float[np.ndarray, " n"], bins: int) -> Float[np.ndarray, " edges"]:
    ordered = np.sort(feature)
    distinct = ordered[np.concatenate([[True], ordered[1:] > ordered[:-1]])]
    if len(distinct) <= bins:
        return 0.5 * (distinct[1:] + distinct[:-1])
    cuts = _positions(len(ordered), bins)
    # Halfway between neighbours, so that no edge lies on an event unless it is repeated.
    return np.unique(0.5 * (ordered[cuts - 1] + ordered[cuts]))


def _positions(n: int, bins: int) -> Int[np.ndarray, " edges"]:
    return (np.arange(1, bins) * n) // bins
