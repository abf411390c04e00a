"""A statistic under the null, from pseudo-experiments: p-values of one observation, and Z of thousands at once."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for
from serendip.stats.p_value import PValue, toy_p_value
from serendip.stats.tail import ENOUGH_TOYS, FARTHEST, SMALLEST_GOODNESS, Family, TailFit, log_tail, tail_p_value

FEWEST = 200
SPREAD = 0.25  # half width of the noise that breaks ties, in units of the tail's mean excess


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """The null's toys, and the fit of their tail.

    Counts make a statistic come in steps, which no tail describes. Steps closer than the tail's own scale are smoothed by
    uniform noise for the fit alone; it changes the p of an exponential tail by 1 %.

    Attributes:
        toys: values of the statistic, rising; larger is less like the null.
        smooth: the same, with ties in the tail broken.
        family: of the tail; "exponential", which has a longer one, where a generalised Pareto fit would end.
        tail: its fit to the largest tenth, at most 500; None where all of these are equal.
    """

    toys: Float[np.ndarray, " n"]
    smooth: Float[np.ndarray, " n"]
    family: Family
    tail: TailFit | None

    @classmethod
    def fit(cls, toys: Float[np.ndarray, " n"], *, seed: int = 0) -> "NullDistribution":
        """Sort the toys and fit their tail.

        Raises:
            TooFewEventsError: fewer than 200 toys.
            InputError: one of them is not finite.
        """
        require_events(FEWEST, toys=toys)
        if not np.isfinite(toys).all():
            raise InputError(f"Got {int((~np.isfinite(toys)).sum())} null toys not finite, but expected finite values.")
        toys = np.sort(toys)
        smooth = _without_ties(toys, seed)
        family: Family = "pareto"
        try:
            tail = tail_p_value(float(smooth.max()), smooth, seed=seed)
            if tail.shape < 0:
                family, tail = "exponential", tail_p_value(float(smooth.max()), smooth, family="exponential", seed=seed)
        except InputError:
            return cls(toys, smooth, family, None)
        return cls(toys, smooth, family, tail)

    @property
    def reach(self) -> float:
        """The largest Z that `z` gives: by a trusted tail up to a thousand times beyond the toys, else by toys alone."""
        return -float(special.ndtri_exp(self._smallest_log_p))

    def log_p(self, t: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """ln p of many observations: by toys where ten of them reach it, by the tail beyond, never below the reach."""
        n = len(self.toys)
        reached = n - np.searchsorted(self.toys, t, side="left")
        by_toys = np.log((reached + 1) / (n + 1))
        tail = self.tail
        if tail is None or not self._extrapolates:
            return by_toys
        fitted = math.log(tail.n_tail / n) + log_tail(t - tail.threshold, tail.shape, tail.scale)
        far = (reached < ENOUGH_TOYS) & (t > tail.threshold)
        return np.where(far, np.clip(fitted, self._smallest_log_p, None), by_toys)

    def z(self, t: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Z of many observations, by `log_p`; that of one toy below all where every toy reaches the observation."""
        return -special.ndtri_exp(np.minimum(self.log_p(t), -1 / (len(self.toys) + 1)))

    def p_value(self, t: float, *, seed: int = 0) -> PValue:
        """The p of one observation: by toys, by a trusted tail where fewer than ten reach it, or a limit.

        Raises:
            InputError: the observation is not finite.
        """
        if not math.isfinite(t):
            raise InputError(f"Got an observed statistic of {t}, but expected a finite number.")
        reached = int(len(self.toys) - np.searchsorted(self.toys, t, side="left"))
        if reached < ENOUGH_TOYS and self._extrapolates:
            fitted = tail_p_value(t, self.smooth, family=self.family, seed=seed)
            if not fitted.flagged:
                return self._with_shape(fitted.p, t, seed)
        return toy_p_value(reached, len(self.toys))

    def z_error(self, z: float) -> float:
        """What the number of toys leaves open of a Z that toys reach: the binomial error of p over the slope of p."""
        p = float(special.ndtr(-z))
        density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return math.sqrt(p * (1 - p) / len(self.toys)) / density

    def _with_shape(self, p: PValue, t: float, seed: int) -> PValue:
        """With the interval of the fit that would end, where an exponential is put in its place: the shape is not known."""
        if self.family == "pareto":
            return p
        ends = tail_p_value(t, self.smooth, seed=seed).p
        low = max(ends.interval[0], math.exp(self._smallest_log_p))  # 0 where it ends before t
        return replace(p, interval=(min(low, p.interval[0]), p.interval[1]))

    @property
    def _extrapolates(self) -> bool:
        return self.tail is not None and self.tail.goodness >= SMALLEST_GOODNESS

    @property
    def _smallest_log_p(self) -> float:
        return -math.log(len(self.toys) + 1) - (math.log(FARTHEST) if self._extrapolates else 0.0)


def _without_ties(toys: Float[np.ndarray, " n"], seed: int) -> Float[np.ndarray, " n"]:
    """Rising toys, with uniform noise on all of them where some of the largest are equal."""
    top = toys[-min(len(toys) // 10, 500) :]
    if len(np.unique(top)) == len(top):
        return toys
    width = SPREAD * (top.mean() - top[0])
    return toys + rng_for(seed, "ties").uniform(-width, width, len(toys))
