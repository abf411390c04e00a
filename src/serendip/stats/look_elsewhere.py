"""The look-elsewhere effect from upcrossings: a global p far beyond what the toys reach.

Source: Gross and Vitells 2010, arXiv:1005.1891.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from serendip.errors import InputError
from serendip.stats.p_value import ONE_SIGMA, PValue, z_from_log_p


@dataclass(frozen=True)
class LookElsewhere:
    """The local p of the largest excess of a scan, and the bound on its global p.

    Attributes:
        local_p: p of the excess if its place had been fixed beforehand.
        global_p: upper bound on the p of an excess as large anywhere; its interval is that of the upcrossings.
        upcrossings: mean number of upcrossings of `level` in one scan.
        upcrossings_interval: its 68.3 % interval.
        level: reference level, in the units of the scan.
        trials: global over local p.
    """

    local_p: PValue
    global_p: PValue
    upcrossings: float
    upcrossings_interval: tuple[float, float]
    level: float
    trials: float


def gross_vitells(
    observed: float,
    scans: Float[np.ndarray, "toys grid"],
    *,
    level: float = 0.5,
    dof: int | None = None,
) -> LookElsewhere:
    """Bound the global p of the largest excess by the upcrossings of a lower level.

    Source: arXiv:1005.1891, eqs. 2 and 3: p_global <= p_local + E[N(level)] · exp(−(q − q_level) / 2), times
    (q / q_level)^((dof − 1) / 2) for a χ² field of several degrees of freedom. The bound is tight for small p.
    A scan in steps wider than its resolution misses upcrossings: then the bound is one no more, and toys must say.

    Args:
        observed: the largest value of the observed scan.
        scans: background-only scans, one a row; the observed scan alone will do, at the price of a wide interval.
        level: where upcrossings are counted; low enough that every scan has some, above 0 where deficits are set to 0.
        dof: None for scans of one-sided Z; a number for scans of q ~ χ² with that many degrees of freedom.

    Raises:
        InputError: the level is not below the observation (or not positive, for q), or scans are not finite.
    """
    if not level < observed or (dof is not None and level <= 0):
        raise InputError(f"Got level={level} for an observed {observed}, but expected a level below it, above 0 for q.")
    n = upcrossings(scans, level)
    toys, total = len(scans), int(n.sum())
    low, high = (edge / toys for edge in poisson_interval(total))
    log_local, log_decay = _exponents(observed, level, dof)
    p = _bound(total / toys if total else high, log_local, log_decay)
    interval = (_bound(low, log_local, log_decay), _bound(high, log_local, log_decay))
    return LookElsewhere(
        local_p=_from_log(log_local, (log_local, log_local), "asymptotic", 0),
        global_p=_from_log(p, interval, "Gross–Vitells", toys),
        upcrossings=total / toys,
        upcrossings_interval=(low, high),
        level=level,
        trials=math.exp(p - log_local),
    )


def upcrossings(scans: Float[np.ndarray, "toys grid"], level: float) -> Int[np.ndarray, " toys"]:
    """How often each scan passes the level from below, from one grid point to the next.

    Raises:
        InputError: a scan is not finite.
    """
    if not np.isfinite(scans).all():
        raise InputError("Got scans with values that are not finite, but expected Z or q at every grid point.")
    above = scans > level
    return np.sum(~above[:, :-1] & above[:, 1:], axis=1)


def poisson_interval(n: int, level: float = ONE_SIGMA) -> tuple[float, float]:
    """Central interval of a Poisson mean; one-sided at the same level where n is 0.

    Source: Garwood 1936, doi:10.1093/biomet/28.3-4.437.
    """
    tail = (1 - level) / (1 if n == 0 else 2)
    low = 0.0 if n == 0 else float(stats.gamma.ppf(tail, n))
    return low, float(stats.gamma.ppf(1 - tail, n + 1))


def _exponents(observed: float, level: float, dof: int | None) -> tuple[float, float]:
    """ln of the local p, and ln of how much rarer upcrossings are at the observation than at the level."""
    if dof is None:
        return float(special.log_ndtr(-observed)), (level**2 - observed**2) / 2
    log_local = float(stats.chi2.logsf(observed, dof))
    return log_local, (level - observed) / 2 + (dof - 1) / 2 * math.log(observed / level)


def _bound(mean: float, log_local: float, log_decay: float) -> float:
    """ln of the global p, at most 0."""
    log_mean = math.log(mean) if mean > 0 else -math.inf
    return min(0.0, float(np.logaddexp(log_local, log_mean + log_decay)))


def _from_log(log_p: float, interval: tuple[float, float], how: str, toys: int) -> PValue:
    low, high = (max(math.exp(edge), 5e-324) for edge in interval)
    return PValue(max(math.exp(log_p), 5e-324), (low, high), how, toys, z_from_log_p(log_p))
