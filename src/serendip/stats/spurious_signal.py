"""How much signal a background fit invents: S / σ_S of spectra that hold none.

Source: the spurious-signal test of ATLAS, arXiv:1408.7084; here for a window and not for a peak's shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.stats.excess import excesses
from serendip.stats.families import Family
from serendip.stats.order import ALPHA
from serendip.stats.spectrum import bins_inside, poisson_scale


@dataclass(frozen=True)
class SpuriousSignal:
    """The signal fitted to k background-only spectra in each of several windows.

    Attributes:
        windows: where it was sought.
        signal: S = n − b.
        sigma: its error, from the window's own fluctuation and from the fit of b.
        converged: False marks a fit that does not count.
    """

    windows: tuple[Window, ...]
    signal: Float[np.ndarray, "k windows"]
    sigma: Float[np.ndarray, "k windows"]
    converged: Bool[np.ndarray, "k windows"]

    @property
    def mean(self) -> Float[np.ndarray, " windows"]:
        """Mean S / σ_S over the spectra; NaN for a window in which no fit converged."""
        return self._moments()[0]

    @property
    def error(self) -> Float[np.ndarray, " windows"]:
        """Statistical error of `mean`; NaN for fewer than two converged fits."""
        return self._moments()[1]

    @property
    def worst(self) -> Window | None:
        """The window whose mean lies farthest from 0; None if no fit converged."""
        size = np.abs(self.mean)
        return None if np.isnan(size).all() else self.windows[int(np.nanargmax(size))]

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        ratio = np.where(self.converged, self.signal / self.sigma, 0.0)
        n = self.converged.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = ratio.sum(0) / n
            spread = np.where(self.converged, (ratio - mean) ** 2, 0.0).sum(0)
            return mean, np.where(n > 1, np.sqrt(spread / (n * (n - 1.0))), np.nan)


def spurious_signal(
    counts: Float[np.ndarray, "k b"],
    edges: Float[np.ndarray, " edges"],
    windows: Sequence[Window],
    family: str | Family = "dijet",
    order: int | str = "auto",
    *,
    alpha: float = ALPHA,
    variances: Float[np.ndarray, "k b"] | None = None,
) -> SpuriousSignal:
    """Fit every window of every background-only spectrum.

    Args:
        counts: toys without a signal, or one template of many events scaled to the data.
        edges: bin edges.
        windows: all of them tried on each spectrum; their edges must be bin edges.
        family: a background shape.
        order: number of parameters, or "auto" for an F-test.
        alpha: size of each F-test.
        variances: sums of squared weights; the counts if not given, as a template scaled to the data needs.

    Raises:
        InputError: no window, or its edges are not bin edges.
    """
    if not windows:
        raise InputError("Got no window, but expected at least one.")
    k, each = len(counts), len(windows)
    found = excesses(
        np.repeat(counts, each, axis=0),
        edges,
        list(windows) * k,
        family,
        order,
        alpha=alpha,
        variances=None if variances is None else np.repeat(variances, each, axis=0),
    )
    one = np.ones_like(counts) if variances is None else poisson_scale(counts, variances)
    scale = np.stack([one[:, bins_inside(edges, window)].mean(1) for window in windows], axis=1)
    b, error = found.expected.reshape(k, each), found.expected_error.reshape(k, each)
    return SpuriousSignal(
        windows=tuple(windows),
        signal=found.observed.reshape(k, each) - b,
        sigma=np.sqrt(scale * b + error**2),
        converged=found.converged.reshape(k, each),
    )
