"""From a statistic and its null toys to the p-value to quote: by the toys, by a χ² fitted to them, or by their tail."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.p_value import PValue, toy_p_value, z_from_log_p
from serendip.stats.tail import ENOUGH_TOYS, TailFit, tail_p_value

ENOUGH_TO_FIT = 20  # toys above 0; fewer cannot tell a χ² from anything else
ENOUGH_TO_QUOTE = 100  # fewer toys cannot show that a χ² is wrong
ENOUGH_FOR_TAIL = 200
FARTHEST = 1000.0  # how many times rarer than the rarest toy a p may be before its distance is said
SMALLEST_KS_P = 0.05
SMALLEST_TAIL_P = 0.01  # of the count beyond the fit's 95 % quantile
LARGEST_SHARE_BELOW = 0.01  # of toys at or below 0, where a χ² has none
RESAMPLES = 200
SMALLEST_DOF = 1e-9
STEP = 1e-4  # of derivatives by ln dof and ln scale
TERMS = 300  # of the continued fraction


@dataclass(frozen=True)
class ChiSquaredFit:
    """A χ² distribution fitted to null toys, and how far to trust it.

    Attributes:
        dof: degrees of freedom, by maximum likelihood; any positive number.
        error: their standard error.
        n_toys: how many toys, those at or below 0 included.
        ks_p: p of the Kolmogorov–Smirnov distance between toys and fit, by parametric bootstrap with refits.
        flagged: whether a p of this fit must not be quoted.
        reason: why; empty if not flagged.
        free: dof and scale of a χ² whose scale is fitted too; the scale of a true χ² is 1 within errors.
    """

    dof: float
    error: float
    n_toys: int
    ks_p: float
    flagged: bool
    reason: str
    free: tuple[float, float]

    def p_value(self, observed: float) -> PValue:
        """The p of an observation.

        The interval holds that of dof ± error, and that of the χ² with a free scale: a statistic that is nearly a χ² may
        have another spread, which few toys do not tell. It knows nothing of another shape of the tail.
        """
        log_p = _log_tail(observed, self.dof)
        edges = [_log_tail(observed, max(self.dof + sign * self.error, SMALLEST_DOF)) for sign in (-1, 1)]
        free, error = self._free_log_p(observed)
        ends = min(*edges, free - error), log_p, max(*edges, free + error)
        low, p, high = (max(math.exp(min(value, 0.0)), 5e-324) for value in ends)
        return PValue(p, (low, high), "χ² fit", self.n_toys, z_from_log_p(log_p))

    def _free_log_p(self, observed: float) -> tuple[float, float]:
        """ln p with the scale free, and its error by the Fisher information of ln dof and ln scale."""
        dof, scale = self.free
        a = dof / 2
        information = self.n_toys * np.array([[a**2 * special.polygamma(1, a), a], [a, a]])
        t, up, down = observed / scale, math.exp(STEP), math.exp(-STEP)
        by_dof = _log_tail(t, dof * up) - _log_tail(t, dof * down)
        by_scale = _log_tail(t * down, dof) - _log_tail(t * up, dof)
        gradient = np.array([by_dof, by_scale]) / (2 * STEP)
        return _log_tail(t, dof), math.sqrt(gradient @ np.linalg.solve(information, gradient))


@dataclass(frozen=True)
class Calibration:
    """An observed statistic among its null toys.

    Attributes:
        observed: the statistic.
        p: by toys alone, with its interval.
        chi2: the fit of all toys; None where fewer than 20 are above 0, or all are equal.
        tail: the fit of the largest tenth; None where ten toys reach the observation, or there are fewer than 200.
        quoted: the p to quote: by toys if ten reach the observation, else by the χ² if not flagged, else by the tail if
            not flagged, else by toys, which is an upper limit where none reaches.
        why: the choice in words.
    """

    observed: float
    p: PValue
    chi2: ChiSquaredFit | None
    tail: TailFit | None
    quoted: PValue
    why: str

    @property
    def chi2_p(self) -> PValue | None:
        """The p by the χ² fit, whether flagged or not."""
        return None if self.chi2 is None else self.chi2.p_value(self.observed)

    def __str__(self) -> str:
        return f"{self.quoted}: {self.why}"


def calibrate(observed: float, toys: Float[np.ndarray, " n"], *, seed: int = 0) -> Calibration:
    """The p of a statistic, larger being less like the null, from independent null toys.

    Args:
        observed: the value seen.
        toys: the same statistic in null toys, computed in the same way.
        seed: of the bootstraps that test the fits.

    Raises:
        InputError: there is no toy, or a value is not finite.
    """
    _require_finite(observed, toys)
    p = toy_p_value(reached := int(np.sum(toys >= observed)), len(toys))
    chi2 = _chi_squared_or_none(toys, seed)
    tail = _tail_or_none(observed, toys, seed) if reached < ENOUGH_TOYS else None
    quoted, why = _choose(p, reached, chi2, tail, observed)
    return Calibration(observed, p, chi2, tail, quoted, why)


def fit_chi_squared(toys: Float[np.ndarray, " n"], *, seed: int = 0, resamples: int = RESAMPLES) -> ChiSquaredFit:
    """Fit the degrees of freedom k of a χ² to toys: ψ(k/2) = ⟨ln(t/2)⟩, with the variance 4 / (n ψ′(k/2)).

    Source: Wald 1943, doi:10.1090/S0002-9947-1943-0012401-3, for why a likelihood ratio may be a χ²; in NPLM k is no number
    of parameters but effective (arXiv:1912.12155, arXiv:2204.02317).

    The p of a KS test is too large where the same toys were fitted (Lilliefors 1967, doi:10.1080/01621459.1967.10482916):
    here each bootstrap sample is refitted. KS is blind in the tails, so that the toys beyond the fit's 95 % quantile are
    counted too. Toys at or below 0, which a one-step statistic can have, are left out of the likelihood and kept
    in the KS distance; above 1 % of them the fit is flagged.

    Raises:
        InputError: a toy is not finite, fewer than 20 are above 0, or these are all equal.
    """
    _require_finite(0.0, toys)
    positive = toys[toys > 0]
    if len(positive) < ENOUGH_TO_FIT or positive.min() == positive.max():
        raise InputError(
            f"Got {len(np.unique(positive))} different toys above 0 of {len(toys)}, but expected at least "
            f"{ENOUGH_TO_FIT} to fit a χ². Throw more toys, or quote the p of the toys."
        )
    dof = float(fitted_dof(positive[None])[0])
    error = 2 / math.sqrt(len(positive) * special.polygamma(1, dof / 2))
    ks_p = _bootstrap_ks_p(toys, dof, resamples, seed)
    reason = _faults(toys, dof, ks_p)
    return ChiSquaredFit(dof, error, len(toys), ks_p, bool(reason), reason, _fitted_with_scale(positive))


def fitted_dof(t: Float[np.ndarray, "fits n"]) -> Float[np.ndarray, " fits"]:
    """Degrees of freedom of greatest likelihood, for many samples of values above 0 at once."""
    target = np.log(t / 2).mean(axis=1)
    half = np.where(target > -2.22, np.exp(target) + 0.5, -1 / (target - special.digamma(1.0)))
    for _ in range(8):  # Newton from Minka's start; five reach the last digit
        half = half - (special.digamma(half) - target) / special.polygamma(1, half)
    return 2 * half


def _fitted_with_scale(t: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Degrees of freedom and scale of greatest likelihood: ln a − ψ(a) = ln ⟨t⟩ − ⟨ln t⟩ for a = dof / 2."""
    apart = max(math.log(t.mean()) - float(np.log(t).mean()), 1e-12)
    a = (3 - apart + math.sqrt((apart - 3) ** 2 + 24 * apart)) / (12 * apart)
    for _ in range(5):  # Minka's Newton steps in 1/a
        a = 1 / (1 / a + (math.log(a) - special.digamma(a) - apart) / (a - a**2 * special.polygamma(1, a)))
    return 2 * float(a), float(t.mean() / (2 * a))


def _log_tail(t: float, dof: float) -> float:
    return float(log_chi_squared_tail(np.array([t]), dof)[0])


def log_chi_squared_tail(t: Float[np.ndarray, "*n"], dof: float | Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """ln P(χ² > t), also where P underflows; 0 at and below t = 0.

    Beyond, by the continued fraction of the incomplete Γ function (DLMF 8.9.2), taken from its far end.
    """
    a, x = np.asarray(dof, dtype=float) / 2, np.maximum(t, 0.0) / 2
    tail = special.gammaincc(a, x)
    far = tail < 1e-290
    if not far.any():
        return np.log(tail)
    x_far = np.where(far, x, a + 1)
    fraction = x_far + 2 * TERMS + 1 - a
    for i in range(TERMS, 0, -1):
        fraction = x_far + 2 * i - 1 - a - i * (i - a) / fraction
    beyond = a * np.log(x_far) - x_far - special.gammaln(a) - np.log(fraction)
    return np.where(far, beyond, np.log(np.where(far, 1.0, tail)))


def _bootstrap_ks_p(toys: Float[np.ndarray, " n"], dof: float, resamples: int, seed: int) -> float:
    drawn = rng_for(seed, "chi_squared_goodness").chisquare(dof, (resamples, len(toys)))
    drawn = np.maximum(drawn, np.finfo(float).tiny)  # a small k draws zeros
    distance = _ks_distance(toys[None], np.array([dof]))[0]
    return (1 + int(np.sum(_ks_distance(drawn, fitted_dof(drawn)) >= distance))) / (resamples + 1)


def _ks_distance(t: Float[np.ndarray, "fits n"], dof: Float[np.ndarray, " fits"]) -> Float[np.ndarray, " fits"]:
    cdf = special.gammainc(dof[:, None] / 2, np.maximum(np.sort(t, axis=1), 0) / 2)
    n = t.shape[1]
    step = np.arange(n) / n
    return np.maximum(cdf - step, step + 1 / n - cdf).max(axis=1)


def _faults(toys: Float[np.ndarray, " n"], dof: float, ks_p: float) -> str:
    faults = []
    if len(toys) < ENOUGH_TO_QUOTE:
        faults.append(f"only {len(toys)} toys test it")
    if ks_p < SMALLEST_KS_P:
        faults.append(f"the fit is poor (KS p = {ks_p:.2g})")
    beyond = int(np.sum(toys > stats.chi2.isf(0.05, dof)))
    if stats.binomtest(beyond, len(toys), 0.05).pvalue < SMALLEST_TAIL_P:
        faults.append(f"{beyond} toys lie beyond its 95 % quantile where {0.05 * len(toys):.0f} are expected")
    below = float(np.mean(toys <= 0))
    if below > LARGEST_SHARE_BELOW:
        faults.append(f"{below:.1%} of the toys are not above 0")
    return " and ".join(faults)


def _chi_squared_or_none(toys: Float[np.ndarray, " n"], seed: int) -> ChiSquaredFit | None:
    try:
        return fit_chi_squared(toys, seed=seed)
    except InputError:
        return None


def _tail_or_none(observed: float, toys: Float[np.ndarray, " n"], seed: int) -> TailFit | None:
    try:
        return tail_p_value(observed, toys, seed=seed) if len(toys) >= ENOUGH_FOR_TAIL else None
    except InputError:  # a statistic in steps has no tail to fit
        return None


def _choose(
    p: PValue, reached: int, chi2: ChiSquaredFit | None, tail: TailFit | None, observed: float
) -> tuple[PValue, str]:
    if reached >= ENOUGH_TOYS:
        return p, f"{reached} of {p.n_toys} toys reach the observation"
    few = f"{reached or 'none'} of {p.n_toys} toys reach the observation"
    if chi2 is not None and not chi2.flagged:
        quoted = chi2.p_value(observed)
        far = "; far beyond where toys test it" if quoted.p * p.n_toys * FARTHEST < 1 else ""
        return quoted, (
            f"{few}; χ² with {chi2.dof:.2f} ± {chi2.error:.2f} degrees of freedom, KS p = {chi2.ks_p:.2g}{far}"
        )
    rejected = "no χ² can be fitted" if chi2 is None else f"χ² flagged, as {chi2.reason}"
    if tail is not None and not tail.flagged:
        return tail.p, f"{few}; {rejected}; tail of {tail.n_tail} toys, goodness {tail.goodness:.2g}"
    no_tail = (
        f"fewer than {ENOUGH_FOR_TAIL} toys or steps, so no tail fit"
        if tail is None
        else f"tail flagged, as {tail.reason}"
    )
    return p, f"{few}; {rejected}; {no_tail}"


def _require_finite(observed: float, toys: Float[np.ndarray, " n"]) -> None:
    if len(toys) == 0:
        raise InputError("Got no toys, but expected at least one. Throw null toys first.")
    bad = int((~np.isfinite(toys)).sum())
    if bad or not math.isfinite(observed):
        raise InputError(f"Got observed={observed} and {bad} toys not finite, but expected finite values.")
