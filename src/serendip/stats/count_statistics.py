"""How far counts are from a background whose rate is known within an error: three statistics, larger being less like it.

All take the counts of many pseudo-experiments at once, in cells so fine that nothing of the events is lost, and profile the
rate in closed form.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import xlogy

Counts = Int[np.ndarray, "toys cells"]


def profiled_rate(
    n: Float[np.ndarray, "..."] | Int[np.ndarray, "..."],
    expected: float | Float[np.ndarray, "..."],
    error: float | Float[np.ndarray, "..."],
) -> Float[np.ndarray, "..."]:
    """The rate B of greatest n ln B − B − (B − expected)² / 2 error², the root of a quadratic.

    Args:
        n: observed counts.
        expected: background.
        error: its standard deviation.
    """
    variance = np.square(error)
    half = (expected - variance) / 2
    root = np.sqrt(half**2 + n * variance)
    away = np.where(half < 0, root - half, 1.0)  # the same root without cancellation
    return np.where(half < 0, n * variance / away, half + root)


def likelihood(
    counts: Counts, log_density: Float[np.ndarray, " cells"], expected: float, error: float
) -> Float[np.ndarray, " toys"]:
    """−ln L of the extended likelihood L = e^{−B} Π B f0(x_i), with B profiled under its constraint.

    Source: arXiv:2410.00755. Traps: it is no goodness of fit. f0 is a density, so that −ln L depends on the units of the
    score and on every transformation of it; after x → cdf(x) it knows nothing but the number of events, and takes an excess
    for likely where B > 1.
    """
    n = counts.sum(axis=1)
    rate = profiled_rate(n, expected, error)
    penalty = (rate - expected) ** 2 / (2 * error**2) if error > 0 else 0.0
    return rate - xlogy(n, rate) + penalty - counts @ log_density


def excess(
    counts: Counts,
    first: Int[np.ndarray, " thresholds"],
    above: Float[np.ndarray, " thresholds"],
    error: Float[np.ndarray, " thresholds"],
) -> Float[np.ndarray, " toys"]:
    """The largest signed q0 = −2 ln λ of the events above a threshold, over all thresholds; below 0 without any excess.

    With b̂ the background of greatest likelihood without a signal, q0(t) = 2 (n ln(n / b̂) − n + b̂) + (b̂ − b)² / error²,
    and its negative for a deficit, so that data without an excess are not all equal. It depends on the order of the
    scores alone, so that no transformation changes it, and asks for more events at high scores, of whatever shape.

    Source: Li and Ma 1983, doi:10.1086/161295, and arXiv:1007.1727, eq. 12, for q0 of a counting experiment; the scan over
    thresholds is that of Berk and Jones 1979, doi:10.1007/BF00533250, with a Poisson number of events.

    Args:
        counts: in cells of rising score.
        first: the lowest cell above each threshold.
        above: background expected above each.
        error: its standard deviation.
    """
    n = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, first]
    best = profiled_rate(n, above, error)
    pull = np.divide(best - above, error, out=np.zeros_like(best), where=np.broadcast_to(error > 0, best.shape))
    one = np.maximum(best, np.finfo(float).tiny)  # it is 0 where no event is seen and the error is large
    ratio = 2 * (xlogy(n, np.maximum(n, 1) / one) - n + best) + pull**2
    return np.where(n > above, ratio, -ratio).max(axis=1)


def saturated(
    counts: Counts, means: Float[np.ndarray, " cells"], expected: float, error: float
) -> Float[np.ndarray, " toys"]:
    """−2 ln λ of Poisson counts against a background of free rate within its error; sees excess and deficit alike.

    Source: Baker and Cousins 1984, doi:10.1016/0167-5087(84)90016-4.

    Args:
        counts: in cells that hold five events or so each, as finer ones dilute it.
        means: background expected in each.
        expected: its sum.
        error: its standard deviation.
    """
    n = counts.sum(axis=1)
    rate = profiled_rate(n, expected, error)
    penalty = ((rate - expected) / error) ** 2 if error > 0 else 0.0
    fits = rate - n + xlogy(counts, np.maximum(counts, 1) / means).sum(axis=1) - xlogy(n, rate / expected)
    return 2 * fits + penalty
