"""A p-value beyond the largest toy: by a fit to the tail, whose goodness is shown with it.

Source: Pickands 1975, doi:10.1214/aos/1176343003 (above a high threshold every tail looks generalised Pareto);
Knijnenburg et al. 2009, doi:10.1093/bioinformatics/btp211 (its use for permutation p-values).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import optimize

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for
from serendip.stats.p_value import PValue, toy_p_value, z_from_log_p

Family = Literal["pareto", "exponential"]

ENOUGH_TOYS = 10  # reached by as many, the observation needs no fit
SHAPES = (-0.5, 1.0)  # below −0.5 the likelihood has no regular maximum (Smith 1985)
SMALLEST_GOODNESS = 0.05
SMALLEST_LOG_P = -744.0  # the smallest float
GRID = 25
FARTHEST = 1000.0  # how many times rarer than the rarest toy a p may be before it is flagged


@dataclass(frozen=True)
class TailFit:
    """A p-value from the tail of toys, and how far to trust it.

    Attributes:
        p: by toys if at least ten reach the observation, else by the fit.
        goodness: p of the Anderson–Darling test of the fit.
        flagged: whether the p must not be quoted without a warning.
        reason: why; empty if not flagged.
        threshold: where the fitted tail begins.
        n_tail: toys above it.
        shape: ξ of the generalised Pareto distribution; 0 is exponential, below 0 the tail ends.
        scale: its σ, in the units of the toys.
    """

    p: PValue
    goodness: float
    flagged: bool
    reason: str
    threshold: float
    n_tail: int
    shape: float
    scale: float


def tail_p_value(
    observed: float,
    toys: Float[np.ndarray, " n"],
    *,
    n_tail: int | None = None,
    family: Family = "pareto",
    resamples: int = 200,
    seed: int = 0,
) -> TailFit:
    """The p of an observation that few toys reach, or none.

    The fit: P(T > t) = n_tail / n · (1 + ξ (t − u) / σ)^(−1/ξ) by maximum likelihood over the threshold u. The
    interval is the profile likelihood's in ln p, widened by the error of n_tail / n. The goodness comes from a parametric
    bootstrap, since the same toys are fitted and tested. Traps: a good fit says that the tail is described where
    toys are, not beyond; and give a statistic like −2 ln L or −ln p, whose tail is nearly exponential, rather than Z.

    Args:
        observed: the value seen.
        toys: the same statistic in background-only toys.
        n_tail: how many of the largest toys to fit; None is a tenth, at most 500.
        family: "pareto" fits the shape; "exponential" holds it at 0, which narrows the interval much where it is true.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: toys are not finite, or `n_tail` is not below their number.
        TooFewEventsError: fewer than 200 toys, or fewer than 20 of them in the tail.
    """
    _require_toys(toys, observed)
    n_tail = min(len(toys) // 10, 500) if n_tail is None else n_tail
    require_events(20, tail=range(n_tail))
    if n_tail >= len(toys):
        raise InputError(f"Got n_tail={n_tail} for {len(toys)} toys, but expected fewer than there are toys.")
    ordered = np.sort(toys)[::-1]
    threshold, excesses = float(ordered[n_tail]), ordered[:n_tail] - ordered[n_tail]
    if not excesses.mean() > 0:
        raise InputError(f"Got toys whose {n_tail + 1} largest are all equal, but expected a continuous statistic.")
    xi, sigma = (float(v[0]) for v in fit_tail(excesses[None], family))
    goodness = _goodness(excesses, xi, sigma, family, resamples, seed)
    reached = int(np.sum(toys >= observed))
    if reached >= ENOUGH_TOYS:
        p = toy_p_value(reached, len(toys))
    else:
        p = _extrapolated(observed - threshold, excesses, xi, sigma, family, len(toys), reached)
    reason = _reason(goodness, p, reached, len(toys))
    return TailFit(p, goodness, bool(reason), reason, threshold, n_tail, xi, sigma)


def fit_tail(
    y: Float[np.ndarray, "fits n"], family: Family = "pareto"
) -> tuple[Float[np.ndarray, " fits"], Float[np.ndarray, " fits"]]:
    """Shape ξ and scale σ of greatest likelihood, for many samples of excesses at once.

    In θ = ξ/σ the likelihood is one-dimensional, as ξ(θ) is the mean of ln(1 + θ y) (Grimshaw 1993,
    doi:10.1080/00401706.1993.10485040). Its maximum is found on a grid in ln(1 + θ max y), refined five times.
    """
    mean, largest = y.mean(axis=1), y.max(axis=1)
    if family == "exponential":
        return np.zeros(len(y)), mean
    low, high = np.full(len(y), -20.0), np.log1p(50 * largest / mean)
    for _ in range(5):
        grid = np.linspace(low, high, GRID, axis=1)
        theta = np.expm1(grid) / largest[:, None]
        best = _profile_log_likelihood(y, theta).argmax(axis=1)[:, None]
        step = (high - low) / (GRID - 1)
        centre = np.take_along_axis(grid, best, axis=1)[:, 0]
        low, high = centre - step, centre + step
    theta = np.expm1(centre) / largest
    xi = _shape_of(y, theta[:, None])[:, 0]
    flat = np.abs(theta * mean) < 1e-7
    return np.where(flat, 0.0, xi), np.where(flat, mean, xi / np.where(flat, 1.0, theta))


def log_tail(
    y: Float[np.ndarray, "*n"], xi: float | Float[np.ndarray, "..."], sigma: float | Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """ln P(Y > y) of the generalised Pareto distribution; −inf beyond the end of the tail."""
    xi, x = np.asarray(xi), y / np.asarray(sigma)
    with np.errstate(divide="ignore"):
        curved = np.log1p(np.maximum(xi * x, -1.0)) / np.where(xi == 0, 1.0, xi)
    return -np.where(xi == 0, x, curved)


def _shape_of(y: Float[np.ndarray, "fits n"], theta: Float[np.ndarray, "fits grid"]) -> Float[np.ndarray, "fits grid"]:
    return np.log1p(theta[:, :, None] * y[:, None, :]).mean(axis=2)


def _profile_log_likelihood(
    y: Float[np.ndarray, "fits n"], theta: Float[np.ndarray, "fits grid"]
) -> Float[np.ndarray, "fits grid"]:
    """Per excess, with ξ and σ = ξ/θ at their best for θ; −inf for shapes out of bounds."""
    xi = _shape_of(y, theta)
    flat = np.abs(theta) < 1e-9 / y.mean(axis=1, keepdims=True)
    sigma = np.where(flat, y.mean(axis=1, keepdims=True), xi / np.where(flat, 1.0, theta))
    allowed = (xi >= SHAPES[0]) & (xi <= SHAPES[1])
    return np.where(allowed, -np.log(sigma) - xi - 1, -np.inf)


def _goodness(y: Float[np.ndarray, " n"], xi: float, sigma: float, family: Family, resamples: int, seed: int) -> float:
    """p of Anderson and Darling's A² among refitted samples of the fitted tail."""
    e = rng_for(seed, "tail_goodness").exponential(size=(resamples, len(y)))
    drawn = sigma * (e if xi == 0 else np.expm1(xi * e) / xi)
    a_squared = _anderson_darling(y[None], np.array([xi]), np.array([sigma]))[0]
    return (1 + int(np.sum(_anderson_darling(drawn, *fit_tail(drawn, family)) >= a_squared))) / (resamples + 1)


def _anderson_darling(
    y: Float[np.ndarray, "fits n"], xi: Float[np.ndarray, " fits"], sigma: Float[np.ndarray, " fits"]
) -> Float[np.ndarray, " fits"]:
    log_sf = np.clip(log_tail(np.sort(y, axis=1), xi[:, None], sigma[:, None]), SMALLEST_LOG_P, -1e-300)
    log_cdf = np.log(-np.expm1(log_sf))
    n = y.shape[1]
    return -n - ((2 * np.arange(n) + 1) * (log_cdf + log_sf[:, ::-1])).sum(axis=1) / n


def _extrapolated(
    beyond: float, y: Float[np.ndarray, " n"], xi: float, sigma: float, family: Family, toys: int, reached: int
) -> PValue:
    """The p of an observation `beyond` the threshold; that of the toys if the fitted tail ends before it."""
    log_fraction, counting = math.log(len(y) / toys), math.sqrt(1 / len(y) - 1 / toys)
    best = float(log_tail(np.array([beyond]), xi, sigma)[0])
    if best < SMALLEST_LOG_P:
        return toy_p_value(reached, toys)
    low, high = _profile_interval(beyond, y, best, float(_log_likelihood(y, xi, sigma)), family)
    low, high = best - math.hypot(best - low, counting), best + math.hypot(high - best, counting)
    p_low, p_high = (math.exp(min(log_fraction + edge, 0.0)) for edge in (low, high))
    log_p = max(log_fraction + best, SMALLEST_LOG_P)
    return PValue(math.exp(log_p), (p_low, p_high), "tail fit", toys, z_from_log_p(log_p))


def _profile_interval(
    beyond: float, y: Float[np.ndarray, " n"], best: float, greatest: float, family: Family
) -> tuple[float, float]:
    """68.3 % interval of ln P(Y > beyond): where the profile likelihood falls by a half."""

    def fall(log_p: float) -> float:
        return greatest - 0.5 - _constrained_log_likelihood(log_p, beyond, y, family)

    low = -math.inf if fall(SMALLEST_LOG_P) <= 0 else optimize.brentq(fall, SMALLEST_LOG_P, best, xtol=1e-3)
    return float(low), float(optimize.brentq(fall, best, -1e-12, xtol=1e-3))


def _constrained_log_likelihood(log_p: float, beyond: float, y: Float[np.ndarray, " n"], family: Family) -> float:
    """The greatest likelihood among the tails that give P(Y > beyond) = exp(log_p)."""
    if family == "exponential":
        return float(_log_likelihood(y, 0.0, -beyond / log_p))
    low, high = SHAPES
    for _ in range(4):
        xi = np.linspace(low, high, GRID)
        xi[np.abs(xi) < 1e-6] = 1e-6
        with np.errstate(over="ignore"):
            sigma = beyond * xi / np.expm1(-xi * log_p)
        inside = (sigma > 0) & (sigma + xi * y.max() > 0)
        likelihood = np.where(inside, _log_likelihood(y, xi, np.where(inside, sigma, np.inf)), -np.inf)
        best, step = int(likelihood.argmax()), (high - low) / (GRID - 1)
        low, high = max(xi[best] - step, SHAPES[0]), min(xi[best] + step, SHAPES[1])
    return float(likelihood[best])


def _log_likelihood(
    y: Float[np.ndarray, " n"], xi: float | Float[np.ndarray, " grid"], sigma: float | Float[np.ndarray, " grid"]
) -> Float[np.ndarray, "..."] | float:
    tails = log_tail(y, np.asarray(xi)[..., None], np.asarray(sigma)[..., None]).sum(axis=-1)
    return -len(y) * np.log(sigma) + (1 + np.asarray(xi)) * tails


def _require_toys(toys: Float[np.ndarray, " n"], observed: float) -> None:
    require_events(200, toys=toys)
    if not (np.isfinite(toys).all() and math.isfinite(observed)):
        raise InputError(
            f"Got observed={observed} and {int((~np.isfinite(toys)).sum())} toys not finite, but expected finite values."
        )


def _reason(goodness: float, p: PValue, reached: int, toys: int) -> str:
    """Why the p must not be quoted without a warning, if so."""
    if reached >= ENOUGH_TOYS:
        return ""
    reasons = []
    if goodness < SMALLEST_GOODNESS:
        reasons.append(f"the fit is poor (p = {goodness:.2g})")
    if p.how == "toys":
        reasons.append("the fitted tail ends before the observation, so that the p is that of the toys")
    if p.p < 1 / (FARTHEST * toys):
        reasons.append(f"the extrapolation goes more than {FARTHEST:g} times beyond the rarest toy")
    return " and ".join(reasons)
