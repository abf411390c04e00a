"""BumpHunter: the most significant excess of any window of a histogram over a fixed background.

Source: Choudalakis 2011, arXiv:1101.0390. The conventions are pyBumpHunter's, so that window, p and t agree.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Num

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats._kernels_bump_hunter import every_t, largest_t
from serendip.stats.p_value import PValue, p_value_from_log, toy_p_value

Widths = tuple[int, int | None, int]
Step = int | Literal["half", "full"]

TOYS_AT_ONCE = 1000
SAME_T = 1 - 1e-9  # a toy that equals the observation but for rounding reaches it


@dataclass(frozen=True)
class BumpHuntResult:
    """The window that stands out most, and how often background alone does as well.

    Attributes:
        window: edges of the most significant window, in the units of `edges`.
        bins: its first bin, and the bin after its last.
        observed: counts in the window.
        expected: background in the window, scaled to the side bands if asked.
        t: −ln of the smallest local p; 0 where no window shows an excess.
        local_p: p of that window alone, P(n >= observed | expected).
        global_p: fraction of background-only toys whose t reaches the observed one.
        windows: low and high edge of every window of the scan.
        window_t: −ln p of each of them, 0 for deficits.
        toy_t: t of every toy, for a tail fit or a figure.
    """

    window: Window
    bins: tuple[int, int]
    observed: float
    expected: float
    t: float
    local_p: PValue
    global_p: PValue
    windows: Float[np.ndarray, "k 2"]
    window_t: Float[np.ndarray, " k"]
    toy_t: Float[np.ndarray, " toys"]


@dataclass(frozen=True)
class _Scan:
    """The windows of a scan: bins [low, high), widths ascending, then positions; their background."""

    first: int
    last: int
    low: Int[np.ndarray, " k"]
    high: Int[np.ndarray, " k"]
    expected: Float[np.ndarray, " k"]
    total_b: float

    def largest(self, counts: Num[np.ndarray, "n b"]) -> Float[np.ndarray, " n"]:
        t = np.empty(len(counts))
        used = np.ascontiguousarray(counts[:, self.first : self.last], dtype=float)
        largest_t(used, self.low, self.high, self.expected, self.total_b, t)
        return t

    def every(self, counts: Num[np.ndarray, " b"]) -> Float[np.ndarray, "3 k"]:
        t, n, b = out = np.empty((3, len(self.low)))
        used = np.ascontiguousarray(counts[self.first : self.last], dtype=float)
        every_t(used, self.low, self.high, self.expected, self.total_b, t, n, b)
        return out


def bump_hunt(
    counts: Num[np.ndarray, " b"],
    background: Num[np.ndarray, " b"],
    edges: Num[np.ndarray, " b+1"],
    *,
    widths: Widths = (1, None, 1),
    step: Step = 1,
    side_bands: int | None = None,
    toys: int = 10_000,
    seed: int = 0,
) -> BumpHuntResult:
    """Scan a histogram for an excess over a background that is known exactly.

    Source: arXiv:1101.0390, sec. 2. The trap is in the word fixed: the background's own uncertainty enters
    neither p, so that a background fitted to the same counts needs toys that repeat the fit.

    Args:
        counts: events in each bin; fractions are allowed, for expected counts.
        background: expected events in each bin.
        edges: bin edges.
        widths: smallest and largest width of a window and the step between, in bins; None is half the bins.
        step: bins by which a window moves; "half" or "full" of its width.
        side_bands: None keeps the background as it is. A number scales it, window by window, to the counts outside
            the window, and keeps that many bins at either end out of every window.
        toys: background-only pseudo-experiments.
        seed: of the toys; the first toys do not depend on how many follow.

    Returns:
        The best window, its local p, and the global p of the scan. Bins without background count for nothing:
        a window of such bins has p = 1.

    Raises:
        InputError: counts or background are negative, not finite or empty, or no window fits.
    """
    scan = _windows(background, widths, step, side_bands)
    _require_counts("counts", counts)
    window_t, n, b = scan.every(counts)
    best = int(np.argmax(window_t))
    low, high = scan.first + scan.low, scan.first + scan.high
    toy_t = _toy_t(scan, background, toys, seed)
    t = float(window_t[best])
    return BumpHuntResult(
        window=Window(float(edges[low[best]]), float(edges[high[best]])),
        bins=(int(low[best]), int(high[best])),
        observed=float(n[best]),
        expected=float(b[best]),
        t=t,
        local_p=p_value_from_log(-t, "Poisson"),
        global_p=toy_p_value(int(np.sum(toy_t >= t * SAME_T)), toys),
        windows=np.column_stack([edges[low], edges[high]]).astype(float),
        window_t=window_t,
        toy_t=toy_t,
    )


def bump_statistic(
    counts: Num[np.ndarray, "n b"],
    background: Num[np.ndarray, " b"],
    *,
    widths: Widths = (1, None, 1),
    step: Step = 1,
    side_bands: int | None = None,
) -> Float[np.ndarray, " n"]:
    """BumpHunter's t = −ln(smallest local p) of many histograms at once, one a row; see `bump_hunt`."""
    scan = _windows(background, widths, step, side_bands)
    _require_counts("counts", counts)
    return scan.largest(counts)


def _toy_t(scan: _Scan, background: Num[np.ndarray, " b"], toys: int, seed: int) -> Float[np.ndarray, " toys"]:
    if toys < 1:
        raise InputError(f"Got toys={toys}, but expected at least 1.")
    t = np.empty(toys)
    for block, start in enumerate(range(0, toys, TOYS_AT_ONCE)):
        drawn = rng_for(seed, "bump_hunt", block).poisson(background, (TOYS_AT_ONCE, len(background)))
        t[start : start + TOYS_AT_ONCE] = scan.largest(drawn[: toys - start])
    return t


def _windows(background: Num[np.ndarray, " b"], widths: Widths, step: Step, side_bands: int | None) -> _Scan:
    _require_counts("background", background)
    filled = np.flatnonzero(background)
    if filled.size == 0:
        raise InputError("Got a background without any event, but expected at least one bin above 0.")
    first, last = int(filled[0]), int(filled[-1]) + 1
    margin = side_bands or 0
    pairs = [
        (position, position + width)
        for width in _width_range(widths, len(background))
        for position in range(margin, last - first - margin - width + 1, _stride(step, width))
    ]
    inside = background[first:last].astype(float)
    low, high = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    sums, n_filled = np.append(0.0, np.cumsum(inside)), np.append(0, np.cumsum(inside > 0))
    possible = n_filled[high] > n_filled[low]  # rounding leaves a tiny background in a window of empty bins
    if not possible.any():
        raise InputError(
            f"Got widths={widths} and side_bands={side_bands} for {last - first} bins with background, "
            "but expected at least one window to fit. Use smaller widths or finer bins."
        )
    low, high = np.ascontiguousarray(low[possible]), np.ascontiguousarray(high[possible])
    total_b = 0.0 if side_bands is None else float(inside.sum())
    return _Scan(first, last, low, high, sums[high] - sums[low], total_b)


def _width_range(widths: Widths, bins: int) -> range:
    smallest, largest, by = widths
    if smallest < 1 or by < 1:
        raise InputError(f"Got widths={widths}, but expected a smallest width and a step of at least 1 bin.")
    return range(smallest, (bins // 2 if largest is None else largest) + 1, by)


def _stride(step: Step, width: int) -> int:
    if step == "full":
        return width
    if step == "half":
        return max(1, width // 2)
    if step < 1:
        raise InputError(f'Got step={step}, but expected at least 1 bin, "half" or "full".')
    return step


def _require_counts(name: str, values: Num[np.ndarray, "..."]) -> None:
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        raise InputError(
            f"Got {name} with {int(bad.sum())} negative or non-finite bins (the first holds {values[bad].flat[0]}), "
            "but expected Poisson means and counts; merge bins whose weights sum to less than 0."
        )
