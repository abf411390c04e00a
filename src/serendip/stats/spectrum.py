"""A binned spectrum with weights of either sign, and the Poisson that describes it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from serendip.data.window import Window
from serendip.errors import InputError

ENOUGH = 25.0  # effective events that settle the scale of a bin to about 15 %


@dataclass(frozen=True)
class Spectrum:
    """Counts of a resonant variable in bins.

    Attributes:
        edges: bin edges, increasing, in `unit`.
        counts: sum of weights in each bin.
        variances: sum of squared weights in each bin; the counts themselves where all weights are 1.
        mass_name: what the variable is called on axes and in messages.
        unit: its unit.
    """

    edges: Float[np.ndarray, " edges"]
    counts: Float[np.ndarray, " b"]
    variances: Float[np.ndarray, " b"]
    mass_name: str = "mass"
    unit: str = "GeV"

    def __post_init__(self) -> None:
        require_edges(self.edges, bins=len(self.counts))
        if not (np.isfinite(self.counts).all() and np.isfinite(self.variances).all()):
            raise InputError("Got counts or variances that are not finite, but expected numbers in every bin.")
        if (self.variances < 0).any():
            raise InputError("Got a negative variance, but expected sums of squared weights.")

    @classmethod
    def from_masses(
        cls,
        m: Float[np.ndarray, " n"],
        edges: Float[np.ndarray, " edges"],
        w: Float[np.ndarray, " n"] | None = None,
        *,
        mass_name: str = "mass",
        unit: str = "GeV",
    ) -> "Spectrum":
        """Fill a spectrum; events outside the edges are left out; the last bin includes its upper edge."""
        require_edges(edges)
        w = np.ones(len(m)) if w is None else w
        counts = np.histogram(m, edges, weights=w)[0]
        variances = np.histogram(m, edges, weights=w**2)[0]
        return cls(edges, counts, variances, mass_name, unit)

    @classmethod
    def from_counts(
        cls,
        counts: Float[np.ndarray, " b"],
        edges: Float[np.ndarray, " edges"],
        *,
        mass_name: str = "mass",
        unit: str = "GeV",
    ) -> "Spectrum":
        """A spectrum of unit weights from its counts."""
        return cls(edges, counts, counts, mass_name, unit)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def centres(self) -> Float[np.ndarray, " b"]:
        """Bin centres, in `unit`."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    @property
    def widths(self) -> Float[np.ndarray, " b"]:
        """Bin widths, in `unit`."""
        return np.diff(self.edges)

    def inside(self, window: Window | None) -> Bool[np.ndarray, " b"]:
        """Which bins the window covers; none for no window."""
        return bins_inside(self.edges, window)


def require_edges(edges: Float[np.ndarray, " edges"], bins: int | None = None) -> None:
    """Refuse bin edges that are not finite and increasing, or do not enclose the bins.

    Raises:
        InputError: they are not, or there are fewer than two, or not one more than `bins`.
    """
    if bins is not None and len(edges) != bins + 1:
        raise InputError(f"Got {len(edges)} bin edges for {bins} bins, but expected {bins + 1}.")
    if len(edges) < 2 or not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        raise InputError(f"Got bin edges {edges}, but expected at least two, finite and increasing.")


def bins_inside(edges: Float[np.ndarray, " edges"], window: Window | None) -> Bool[np.ndarray, " b"]:
    """Which bins a window covers; its edges must be bin edges, so that no bin is half inside.

    Raises:
        InputError: an edge of the window lies between two bin edges or outside them.
    """
    inside = np.zeros(len(edges) - 1, dtype=bool)
    if window is None:
        return inside
    first, last = (int(np.abs(edges - edge).argmin()) for edge in (window.low, window.high))
    slack = 1e-6 * np.diff(edges).min()
    if abs(edges[first] - window.low) > slack or abs(edges[last] - window.high) > slack:
        raise InputError(
            f"Got window {window}, but expected its edges to be bin edges. "
            f"The nearest are {edges[first]:g} and {edges[last]:g}; move the window or the bins."
        )
    inside[first:last] = True
    return inside


def poisson_scale(counts: Float[np.ndarray, "*k b"], variances: Float[np.ndarray, "*k b"]) -> Float[np.ndarray, "*k b"]:
    """The scale s of a bin, so that counts / s follow a Poisson of mean expected / s to second order.

    s = Σw² / Σw. One bin alone would tie its scale to its own fluctuation, and all bins together would miss weights
    that change with the mass; so the sums run over the nearest bins, as many on either side as it takes to hold 25
    effective events. Weights that are all equal to c give s = c everywhere, so unit weights give the exact Poisson.

    Source: Bohm and Zech, arXiv:1309.1287.

    Raises:
        InputError: a spectrum's weights sum to zero or less.
    """
    total, squares = counts.sum(-1, keepdims=True), variances.sum(-1, keepdims=True)
    if ((total <= 0) & (squares > 0)).any():
        raise InputError(
            f"Got a spectrum whose weights sum to {total.min():g}, but expected a positive sum. "
            "Loosen the selection, or drop the events of negative weight."
        )
    scale = np.broadcast_to(np.divide(squares, total, out=np.ones_like(total), where=total > 0), counts.shape).copy()
    unsettled = np.ones(counts.shape, dtype=bool)
    for reach in range(counts.shape[-1]):
        n, v = _sum_around(counts, reach), _sum_around(variances, reach)
        settled = unsettled & (n > 0) & (n**2 >= ENOUGH * v)
        scale = np.divide(v, n, out=scale, where=settled)
        unsettled &= ~settled
        if not unsettled.any():
            break
    return scale


def _sum_around(values: np.ndarray, reach: int) -> np.ndarray:
    """The sum over each bin and `reach` neighbours on either side, fewer at the ends."""
    bins = values.shape[-1]
    running = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    here = np.arange(bins)
    return running[..., np.minimum(here + reach + 1, bins)] - running[..., np.maximum(here - reach, 0)]
