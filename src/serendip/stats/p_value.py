"""A p-value with its interval, how it was got, and the Z that goes with it."""

import math
from dataclasses import dataclass

from scipy import special, stats

from serendip.errors import InputError

ONE_SIGMA = 0.682689492137086
LARGEST_P = math.nextafter(1.0, 0.0)  # keeps Z finite where every toy exceeds


@dataclass(frozen=True)
class PValue:
    """A p-value and how far to trust it.

    Attributes:
        p: the estimate; from toys (k + 1) / (n + 1), so never 0.
        interval: the 68.3 % confidence interval of p; one that touches 0 makes p an upper limit.
        how: "profile likelihood", "toys", "tail fit", ...
        n_toys: how many toys it stands on; 0 for an asymptotic formula.
        z: one-sided significance of p; computed in the log where p underflows, never infinite.
    """

    p: float
    interval: tuple[float, float]
    how: str
    n_toys: int
    z: float

    @property
    def is_limit(self) -> bool:
        """Whether no toy reached the observation, so that the upper end of the interval is what is known."""
        return self.interval[0] == 0.0

    @property
    def z_interval(self) -> tuple[float, float | None]:
        """The interval in Z, low to high; None where p's interval touches 0."""
        low, high = self.interval
        return z_from_p(high), None if low == 0.0 else z_from_p(low)

    def __str__(self) -> str:
        if self.is_limit:
            limit = self.interval[1]
            return f"p < {limit:.2g} at 68 % CL (Z > {z_from_p(limit):.2f}; {self.how}, {self.n_toys} toys)"
        toys = f", {self.n_toys} toys" if self.n_toys else ""
        low, high = self.interval
        interval = f" [{low:.2g}, {high:.2g}]" if low < high else ""
        return f"p = {self.p:.2g}{interval} (Z = {self.z:.2f}; {self.how}{toys})"


def z_from_p(p: float) -> float:
    """One-sided significance, Z = Φ⁻¹(1 − p).

    Source: arXiv:1007.1727, eq. 1.

    Raises:
        InputError: p is not in (0, 1]; a p of 0 has no Z, quote its upper limit.
    """
    if not 0.0 < p <= 1.0:
        raise InputError(f"Got p={p}, but expected 0 < p <= 1; where no toy exceeds, quote the upper limit.")
    return -float(special.ndtri(min(p, LARGEST_P)))


def z_from_log_p(log_p: float) -> float:
    """One-sided significance of ln p, where p itself may underflow.

    Raises:
        InputError: ln p is above 0 or infinite.
    """
    if not -math.inf < log_p <= 0.0:
        raise InputError(f"Got ln p={log_p}, but expected a finite number, at most 0.")
    return -float(special.ndtri_exp(min(log_p, math.log(LARGEST_P))))


def p_from_z(z: float) -> float:
    """One-sided p of a significance, p = 1 − Φ(Z), floored at the smallest float so that it is never 0."""
    return max(float(stats.norm.sf(z)), 5e-324)


def asymptotic_p_value(z: float, how: str = "profile likelihood") -> PValue:
    """A p from a formula: its interval has no width, and Z is kept as computed where p underflows."""
    p = p_from_z(z)
    return PValue(p, (p, p), how, 0, z)


def p_value_from_log(log_p: float, how: str) -> PValue:
    """A p from a formula that gives ln p: floored at the smallest float, while Z is exact."""
    p = max(math.exp(log_p), 5e-324)
    return PValue(p, (p, p), how, 0, z_from_log_p(log_p))


def clopper_pearson(k: int, n: int, level: float = ONE_SIGMA) -> tuple[float, float]:
    """Central interval of a binomial probability; one-sided at the same level where k is 0 or n.

    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    if not 0 <= k <= n or n < 1:
        raise InputError(f"Got k={k} of n={n}, but expected 0 <= k <= n and n >= 1.")
    tail = (1 - level) / (1 if k in (0, n) else 2)
    low = 0.0 if k == 0 else float(stats.beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(stats.beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def toy_p_value(k: int, n: int, how: str = "toys") -> PValue:
    """The p of an observation that k of n toys reached or passed.

    The estimate is (k + 1) / (n + 1), which is never 0 and never too small (Davison and Hinkley 1997, eq. 4.11);
    the interval is Clopper–Pearson's for k / n.
    """
    p = (k + 1) / (n + 1)
    return PValue(p, clopper_pearson(k, n), how, n, z_from_p(p))
