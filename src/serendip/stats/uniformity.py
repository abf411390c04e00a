"""Are the p-values of background-only data uniform, as they should be?"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from serendip.errors import InputError, require_events
from serendip.stats.p_value import LARGEST_P


@dataclass(frozen=True)
class Uniformity:
    """How the p-values of background-only data compare with a uniform distribution.

    Attributes:
        n: how many p-values.
        ks_p: p of the two-sided Kolmogorov–Smirnov test; too large where p-values come from few toys, as they then tie.
        mean_z: mean of Z = Φ⁻¹(1 − p); above 0, excesses are claimed too often.
        mean_z_error: its standard error.
        sd_z: standard deviation of Z; above 1, both tails are too thick.
        sd_z_error: its standard error for Gaussian Z.
        uniform: whether `ks_p` passes, and mean and sd are within three errors of 0 and 1.
        verdict: the same in words.
    """

    n: int
    ks_p: float
    mean_z: float
    mean_z_error: float
    sd_z: float
    sd_z_error: float
    uniform: bool
    verdict: str

    def __str__(self) -> str:
        return (
            f"{self.verdict} (KS p = {self.ks_p:.2g}, mean Z = {self.mean_z:.2f} ± {self.mean_z_error:.2f}, "
            f"sd = {self.sd_z:.2f} ± {self.sd_z_error:.2f}, {self.n} p-values)"
        )


def uniformity(p: Float[np.ndarray, " n"], *, smallest_ks_p: float = 0.01) -> Uniformity:
    """Test whether p-values are uniform, and say how they fail.

    Source: for the errors, those of the mean and of the standard deviation of n Gaussian values, sd/√n and
    sd/√(2(n − 1)).

    Args:
        p: independent p-values of background-only data.
        smallest_ks_p: below it the p-values are called not uniform.

    Raises:
        InputError: a p is not in (0, 1].
        TooFewEventsError: there are fewer than ten.
    """
    if not ((p > 0) & (p <= 1)).all():
        raise InputError("Got p-values outside (0, 1], but expected 0 < p <= 1; use (k + 1) / (n + 1) for toys.")
    require_events(10, p_values=p)
    z = -special.ndtri(np.minimum(p, LARGEST_P))
    ks_p = float(stats.kstest(p, "uniform").pvalue)
    mean, sd = float(z.mean()), float(z.std(ddof=1))
    mean_error, sd_error = sd / math.sqrt(len(p)), sd / math.sqrt(2 * (len(p) - 1))
    faults = _faults(mean, 3 * mean_error, sd, 3 * sd_error)
    if ks_p < smallest_ks_p and not faults:
        faults = ["their shape differs"]
    verdict = "uniform" if not faults else f"not uniform: {' and '.join(faults)}"
    return Uniformity(len(p), ks_p, mean, mean_error, sd, sd_error, not faults, verdict)


def _faults(mean: float, mean_margin: float, sd: float, sd_margin: float) -> list[str]:
    faults = []
    if abs(mean) > mean_margin:
        faults.append("too small on average" if mean > 0 else "too large on average")
    if abs(sd - 1) > sd_margin:
        faults.append("too often extreme" if sd > 1 else "too rarely extreme")
    return faults
