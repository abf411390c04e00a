"""How good a fit is, where bins may hold few events: the saturated likelihood ratio and what it should be.

The ratio of a Poisson cell follows a χ² of one degree of freedom only for large μ: its mean is 1.15 at μ = 1 and
0.47 at μ = 0.1. Taken at face value, a spectrum of nearly empty bins always fits.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

FEWEST, MOST, POINTS = 1e-6, 1e3, 400


@lru_cache(maxsize=1)
def _moments() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln μ, and the mean and variance of 2 (μ − n + n ln n/μ) for n drawn from a Poisson of mean μ."""
    mu = np.geomspace(FEWEST, MOST, POINTS)[:, None]
    n = np.arange(int(MOST + 10 * np.sqrt(MOST)))
    ratio = 2 * (mu - n + special.xlogy(n, n / mu))
    probability = np.exp(special.xlogy(n, mu) - mu - special.gammaln(n + 1))
    mean = (probability * ratio).sum(1)
    return np.log(mu[:, 0]), mean, (probability * ratio**2).sum(1) - mean**2


def expected_chi2(
    mu: Float[np.ndarray, "*k c"], used: Bool[np.ndarray, "*k c"], order: int | Int[np.ndarray, "*k"]
) -> tuple[Float[np.ndarray, "*k"], Float[np.ndarray, "*k"]]:
    """Mean and variance of the saturated likelihood ratio over toys of a good fit.

    The cells' moments are added up and both sums reduced by (cells − order) / cells for the parameters fitted; they
    become ndof and 2 ndof where every cell is well filled.

    Source: Kaastra 2017, arXiv:1707.09202, for the moments of a cell.

    Args:
        mu: expected counts of the cells, each over its Poisson scale.
        used: which cells are in the likelihood.
        order: number of parameters fitted.
    """
    log_mu, mean, variance = _moments()
    at = np.log(np.clip(mu, FEWEST, MOST))
    cells = np.maximum(used.sum(-1), 1)
    left = np.maximum(cells - order, 0) / cells
    moments = [np.asarray((np.interp(at, log_mu, moment) * used).sum(-1) * left) for moment in (mean, variance)]
    return moments[0], moments[1]


def goodness_p(
    chi2: float | Float[np.ndarray, "*k"],
    mean: float | Float[np.ndarray, "*k"],
    variance: float | Float[np.ndarray, "*k"],
) -> Float[np.ndarray, "*k"]:
    """The p of a saturated likelihood ratio: a χ² stretched to the mean and variance that it should have.

    1 where no degree of freedom is left.
    """
    mean, variance = np.maximum(mean, 1e-12), np.maximum(variance, 1e-12)
    p = stats.chi2.sf(2 * np.maximum(chi2, 0.0) * mean / variance, 2 * mean**2 / variance)
    return np.asarray(np.where(mean > 1e-9, p, 1.0))
