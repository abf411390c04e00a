"""Cuts at a stated background efficiency, and the scores that make them comparable."""

import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import InputError

SMALLEST = 1e-12  # efficiency: keeps the anomaly finite


def passes_cut(anomaly: Float[np.ndarray, " n"], efficiency: float) -> Bool[np.ndarray, " n"]:
    """Which events pass a cut that this part of the background passes.

    Args:
        anomaly: −log₁₀ of each event's background efficiency, as `cross_fit` returns it.
        efficiency: of the cut, such as 0.01.

    Raises:
        InputError: the efficiency is not in (0, 1].
    """
    if not 0 < efficiency <= 1:
        raise InputError(f"cuts: Got {efficiency}, but expected an efficiency above 0 and at most 1, such as 0.01.")
    return anomaly >= -np.log10(efficiency)


def background_efficiency(
    score: Float[np.ndarray, " n"],
    beside: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"],
    rng: np.random.Generator,
) -> Float[np.ndarray, " n"]:
    """The part of the sideband events that score at least as high as each event.

    An event is ranked among the *other* sideband events, and a number drawn uniformly fills its own place. If
    window and sidebands follow one distribution, efficiencies are therefore uniform in both: to count a sideband
    event against itself, and a window event not, would let 1/(ε K) more of the window pass, 4 % at ε K = 25.
    Equal scores, which trees give often, are put in random order.

    Args:
        score: higher is more anomalous.
        beside: the sideband events.
        w: weights, of either sign; the running sum is kept from falling.
        rng: breaks ties.

    Raises:
        InputError: the sideband weights sum to nothing.
    """
    total, count = float(w[beside].sum()), int(beside.sum())
    if not total > 0:
        raise InputError(f"Got sideband weights that sum to {total:g}, but expected a sum above 0.")
    order = np.lexsort((rng.random(len(score)), -score))
    place = rng.random(len(score))
    upto = np.maximum.accumulate(np.maximum(np.cumsum(np.where(beside, w, 0.0)[order]), 0.0))
    above = np.concatenate([[0.0], upto[:-1]])
    own = np.where(beside[order], upto - above, total / count)
    whole = np.where(beside[order], total, total + total / count)
    efficiency = np.empty(len(score))
    efficiency[order] = (above + place * own) / whole
    return np.clip(efficiency, SMALLEST, 1.0)
