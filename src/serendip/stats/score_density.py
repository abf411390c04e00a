"""The density of a score among background events, honest beyond the last of them.

Body: the weighted empirical distribution at quantile knots, joined by a monotone cubic. Tails, on either side: a generalised
Pareto fit, which goes on as an exponential where it would end, so that ln f0 is finite everywhere.

Source: Fritsch and Carlson 1980, doi:10.1137/0717021 (the monotone cubic); Pickands 1975, doi:10.1214/aos/1176343003, and
Smith 1987, doi:10.1214/aos/1176350499 (the tail and its errors).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import interpolate

from serendip.errors import InputError, require_events
from serendip.stats.tail import fit_tail, log_tail

FEWEST = 400  # effective events, for 20 in a tail
STEP, RATIO, PER_KNOT = (
    0.01,
    1.3,
    50.0,
)  # of knots: in probability, near the tails in ratio, with so many events at least
TAIL, MOST_IN_TAIL = 0.05, 250  # part of the events in a tail, and their number
STEEPEST = 1e-12  # density of the body at least, in units of the mean


@dataclass(frozen=True)
class Tail:
    """One tail of a density, in excesses y >= 0 above its threshold.

    Attributes:
        fraction: of the events that lie in it.
        n: effective events that it was fitted to.
        shape: ξ of the generalised Pareto distribution.
        scale: its σ.
        end: the excess from which on it is exponential: where a tail with ξ < 0 holds one of the n events; else infinite.
    """

    fraction: float
    n: int
    shape: float
    scale: float
    end: float

    def log_sf(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """ln P(Y > y), of the tail's own events."""
        inside = np.minimum(np.maximum(y, 0.0), self.end)
        return log_tail(inside, self.shape, self.scale) - np.maximum(y - self.end, 0.0) * self._hazard(inside)

    def log_density(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """ln of the density, of all events."""
        hazard = self._hazard(np.minimum(np.maximum(y, 0.0), self.end))
        return math.log(self.fraction) + self.log_sf(y) + np.log(hazard)

    def quantile(self, log_sf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The excess with ln P(Y > y) = `log_sf`."""
        if math.isinf(self.end):
            return self._inside(log_sf)
        at_end, hazard = (float(f(np.array([self.end]))[0]) for f in (self.log_sf, self._hazard))
        return self._inside(np.maximum(log_sf, at_end)) + np.maximum(at_end - log_sf, 0.0) / hazard

    def relative_error(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Standard deviation of ln P(Y > y), by the Fisher information of ξ and ln σ, with the count of the tail."""
        x = np.minimum(np.maximum(y, 0.0), self.end) / self.scale
        xi = self.shape if abs(self.shape) > 1e-4 else 1e-4  # the limit, without its cancellation
        u = 1 + xi * x
        by_shape, by_scale = np.log(u) / xi**2 - x / (xi * u), x / u
        variance = (1 + xi) * ((1 + xi) * by_shape**2 + 2 * by_scale**2 - 2 * by_shape * by_scale)
        return np.sqrt((np.maximum(variance, 0.0) + 1) / self.n)

    def _inside(self, log_sf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        flat = self.shape == 0
        return self.scale * (-log_sf if flat else np.expm1(-self.shape * log_sf) / self.shape)

    def _hazard(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return 1 / (self.scale + self.shape * y)


@dataclass(frozen=True, eq=False)
class ScoreDensity:
    """The density f0 of a score, from weighted events.

    Attributes:
        knots: values of the score between which the body lies, rising; the tails begin at the first and the last.
        cdf_knots: the part of the events below each.
        lower: the tail below, in −score.
        upper: the tail above.
        n_above: effective number of events above each knot.
    """

    knots: Float[np.ndarray, " knots"]
    cdf_knots: Float[np.ndarray, " knots"]
    lower: Tail
    upper: Tail
    n_above: Float[np.ndarray, " knots"]

    @classmethod
    def fit(cls, ts: Float[np.ndarray, " n"], w: Float[np.ndarray, " n"] | None = None) -> "ScoreDensity":
        """Fit the density to events.

        Args:
            ts: scores of background events, which are in no pool that pseudo-experiments are drawn from.
            w: weights, none negative.

        Raises:
            InputError: a score is not finite, a weight negative, or the scores have fewer than three values.
            TooFewEventsError: fewer than 400 effective events.
        """
        w = np.ones(len(ts)) if w is None else w
        if not np.isfinite(ts).all() or not (w >= 0).all():
            raise InputError("Got scores that are not finite or negative weights, but expected finite ones and w >= 0.")
        ts, w = ts[w > 0], w[w > 0]  # those of a kind that is not expected say nothing, not even where f0 ends
        require_events(FEWEST, score=ts)
        n = float(w.sum() ** 2 / np.sum(w**2))
        require_events(FEWEST, effective_number_of_the_score=range(int(n)))
        order = np.argsort(ts, kind="stable")
        ts, w = ts[order], w[order] / w.sum()
        middle = np.cumsum(w) - w / 2
        levels = _levels(_outermost(w), _outermost(w[::-1]), max(STEP, PER_KNOT / n))
        knots, first = np.unique(np.interp(levels, middle, ts), return_index=True)
        if len(knots) < 3:
            raise InputError(f"Got scores with {len(knots)} different quantiles, but expected a continuous score.")
        lower = _fit_tail(-ts[::-1], w[::-1], -knots[0])
        upper = _fit_tail(ts, w, knots[-1])
        cdf_knots = levels[first]
        cdf_knots[[0, -1]] = lower.fraction, 1 - upper.fraction
        start = np.searchsorted(ts, knots)
        n_above = _sums_from(w)[start] ** 2 / _sums_from(w**2)[start]
        return cls(knots, cdf_knots, lower, upper, n_above)

    def log_density(self, ts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """ln f0, per unit of the score; finite everywhere."""
        below, above = ts < self.knots[0], ts > self.knots[-1]
        slope = self._body.derivative()(np.clip(ts, self.knots[0], self.knots[-1]))
        body = np.log(np.maximum(slope, STEEPEST / (self.knots[-1] - self.knots[0])))
        upper = self.upper.log_density(ts - self.knots[-1])
        return np.where(below, self.lower.log_density(self.knots[0] - ts), np.where(above, upper, body))

    def cdf(self, ts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """P(TS <= ts)."""
        body = self._body(np.clip(ts, self.knots[0], self.knots[-1]))
        below = self.lower.fraction * np.exp(self.lower.log_sf(self.knots[0] - ts))
        return np.where(ts < self.knots[0], below, np.where(ts > self.knots[-1], 1 - self.sf(ts), body))

    def sf(self, ts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """P(TS > ts), without cancellation in the upper tail."""
        tail = self.upper.fraction * np.exp(self.upper.log_sf(ts - self.knots[-1]))
        inside = np.minimum(ts, self.knots[-1])
        below = self.lower.fraction * np.exp(self.lower.log_sf(self.knots[0] - inside))
        body = self._body(np.maximum(inside, self.knots[0]))
        return np.where(ts > self.knots[-1], tail, 1 - np.where(ts < self.knots[0], below, body))

    def isf(self, sf: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The score that a part `sf` of the background lies above, for 0 < sf < 1; in the body to a part of a step."""
        upper = self.knots[-1] + self.upper.quantile(np.minimum(np.log(sf / self.upper.fraction), 0.0))
        cdf = np.maximum(1 - sf, 1e-15)
        lower = self.knots[0] - self.lower.quantile(np.minimum(np.log(cdf / self.lower.fraction), 0.0))
        body = np.interp(1 - sf, self.cdf_knots, self.knots)
        return np.where(sf < self.upper.fraction, upper, np.where(1 - sf < self.lower.fraction, lower, body))

    def relative_error(self, ts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Standard deviation of ln P(TS > ts) that the number of events leaves, extrapolation included."""
        sf = self.sf(np.minimum(ts, self.knots[-1]))
        body = np.sqrt((1 - sf) / np.interp(ts, self.knots, self.n_above))
        return np.where(ts > self.knots[-1], self.upper.relative_error(ts - self.knots[-1]), body)

    @property
    def _body(self) -> interpolate.PchipInterpolator:
        return interpolate.PchipInterpolator(self.knots, self.cdf_knots)


def _sums_from(w: np.ndarray) -> np.ndarray:
    """Sums from each entry to the last."""
    return w[::-1].cumsum()[::-1]


def _outermost(w: np.ndarray) -> float:
    """The smallest part of the weight, from the first event on, that is worth the events of a tail.

    Where a rare kind with many simulated events lies alone, a tail may begin far out: it then holds one kind, not the end of
    one and the whole of another, which are no Pareto distribution.
    """
    held = np.cumsum(w)
    enough = np.flatnonzero(held**2 >= MOST_IN_TAIL * np.cumsum(w**2))
    return min(TAIL, float(held[enough[0]])) if len(enough) else TAIL


def _levels(below: float, above: float, step: float) -> np.ndarray:
    """Of knots, from the lower tail to the upper: in even ratios along the flanks, which are steep, else in even steps."""
    low, high = (
        ratios[: max(int(np.sum(ratios * (RATIO - 1) < step)), 1)]
        for ratios in (part * RATIO ** np.arange(200) for part in (below, above))
    )
    middle = np.linspace(low[-1], 1 - high[-1], max(int((1 - low[-1] - high[-1]) / step), 2) + 1)
    return np.concatenate([low[:-1], middle, 1 - high[-2::-1]])


def _fit_tail(ts: np.ndarray, w: np.ndarray, threshold: float) -> Tail:
    """The tail above a threshold, of rising scores; weighted events are replaced by as many quantiles as they are worth."""
    above = ts > threshold
    if not above.any():
        raise InputError(
            "Got a score whose largest or smallest value holds a whole tail, but expected a continuous one."
        )
    y, share = ts[above] - threshold, w[above]
    fraction = float(share.sum())
    size = int(np.clip(fraction**2 / np.sum(share**2), 20, MOST_IN_TAIL))
    middle = (np.cumsum(share) - share / 2) / fraction
    quantiles = np.interp((np.arange(size) + 0.5) / size, middle, y)
    xi, sigma = (float(values[0]) for values in fit_tail(quantiles[None]))
    end = math.inf if xi >= 0 else sigma * (size**xi - 1) / xi
    return Tail(fraction, size, xi, sigma, end)
