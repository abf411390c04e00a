"""Feature by feature, how far two samples differ, in units of the statistical error."""

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError


def moment_pulls(
    x_a: Float[np.ndarray, "a d"],
    x_b: Float[np.ndarray, "b d"],
    w_a: Float[np.ndarray, " a"] | None = None,
    w_b: Float[np.ndarray, " b"] | None = None,
) -> Float[np.ndarray, "2 d"]:
    """Differences of means (first row) and of standard deviations (second), each over its error.

    Errors are those of weighted moments: Σw²(x − µ)² / (Σw)² for the mean, and the same of (x − µ)² / 2σ for σ. A
    feature that is constant in both samples has pull 0.

    Raises:
        InputError: the weights of a sample do not sum to a positive number.
    """
    (mean_a, sd_a), (mean_error_a, sd_error_a) = _moments(x_a, w_a)
    (mean_b, sd_b), (mean_error_b, sd_error_b) = _moments(x_b, w_b)
    difference = np.array([mean_a - mean_b, sd_a - sd_b])
    error = np.sqrt(np.array([mean_error_a + mean_error_b, sd_error_a + sd_error_b]))
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)


def _moments(
    x: Float[np.ndarray, "n d"], w: Float[np.ndarray, " n"] | None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation of each feature, and the variances of the two."""
    w = np.ones(len(x)) if w is None else w
    if not w.sum() > 0:
        raise InputError(f"Got weights of sum {w.sum():g}, but expected a sum above 0.")
    share = w / w.sum()
    mean = share @ x
    away = x - mean
    squared = np.where(np.abs(away) > 1e-12 * np.abs(mean), away, 0.0) ** 2  # a constant is one up to rounding
    sd = np.sqrt(np.maximum(share @ squared, 0.0))
    of_mean = share**2 @ squared
    of_sd = np.divide(share**2 @ (squared - sd**2) ** 2, 4 * sd**2, out=np.zeros_like(sd), where=sd > 0)
    return (mean, sd), (of_mean, of_sd)
