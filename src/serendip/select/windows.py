"""The windows of a scan, and the spectrum bins that share their edges."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from serendip.data import Window
from serendip.errors import InputError


def step_windows(first: float, last: float, width: float, step: float) -> list[Window]:
    """Windows of one width, `step` apart, from `first` until the last one that ends by `last`.

    Args:
        first: lower edge of the first window.
        last: no window reaches beyond it.
        width: of every window; windows overlap where it is larger than `step`.
        step: distance between neighbouring lower edges.

    Raises:
        InputError: the range cannot hold one window, or a length is not positive.
    """
    if not (width > 0 and step > 0):
        raise InputError(f"windows: Got width={width:g} and step={step:g}, but expected both above 0.")
    if last - first < width * (1 - 1e-9):
        raise InputError(f"windows: Got width={width:g} in [{first:g}, {last:g}], but expected a width that fits.")
    count = int(np.floor((last - first - width) / step + 1e-9)) + 1
    return [Window(first + i * step, first + i * step + width) for i in range(count)]


def resolution_windows(first: float, last: float, resolution: float, step: float = 0.5) -> list[Window]:
    """Windows that widen with the mass: each spans `resolution` times its lower edge.

    Args:
        first: lower edge of the first window.
        last: no window reaches beyond it.
        resolution: width over lower edge, such as 0.1 for a detector of 10 %.
        step: distance between neighbouring lower edges, in units of the lower one's width.

    Raises:
        InputError: the range cannot hold one window, or a fraction is not positive.
    """
    if not (resolution > 0 and step > 0 and first > 0):
        raise InputError(
            f"windows: Got from={first:g}, resolution={resolution:g} and step={step:g}, but expected all above 0."
        )
    windows = []
    low = first
    while low * (1 + resolution) <= last * (1 + 1e-9):
        windows.append(Window(low, low * (1 + resolution)))
        low *= 1 + step * resolution
    if not windows:
        raise InputError(
            f"windows: Got resolution={resolution:g} in [{first:g}, {last:g}], but expected one that fits in it."
        )
    return windows


def spectrum_edges(
    mass_range: tuple[float, float], windows: Sequence[Window], bin_width: float
) -> Float[np.ndarray, " edges"]:
    """Bin edges over the mass range, such that every window begins and ends at one.

    The range is cut at the edges of all windows, and each piece divided evenly into bins no wider than `bin_width`.

    Raises:
        InputError: a window reaches out of the range, or the bins are not narrower than the windows.
    """
    low, high = mass_range
    for window in windows:
        if window.low < low or window.high > high:
            raise InputError(f"windows: Got window {window}, but expected it within mass.range [{low:g}, {high:g}].")
    if not 0 < bin_width <= min(window.width for window in windows):
        raise InputError(f"mass.bin_width: Got {bin_width:g}, but expected it above 0 and no wider than a window.")
    ends = np.array([low, high, *(edge for window in windows for edge in (window.low, window.high))])
    cuts = np.unique(np.round(ends, 9))
    # Windows that overlap by rounding alone would leave slivers of bins.
    cuts = cuts[np.concatenate([[True], np.diff(cuts) > 1e-6 * (high - low)])]
    pieces = [np.linspace(a, b, int(np.ceil((b - a) / bin_width - 1e-9)) + 1)[:-1] for a, b in itertools.pairwise(cuts)]
    return np.concatenate([*pieces, cuts[-1:]])
