"""Each feature to a standard normal by its quantiles, which may move with the mass along straight lines.

What is left for a flow is then smooth: hard edges, long tails and trends with the mass are gone before it is trained.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri

from serendip.errors import InputError

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]

EVENTS_A_SLICE = 1000  # of mass: what the quantiles' lines are fitted to
MOST_SLICES = 20
BEYOND = 20  # events that lie beyond the outermost quantile
NARROWEST = 1e-3  # distance of quantiles, in units of the middle two thirds: parts values that many events share
STEADY = 0.8  # the part of a distance between quantiles that a trend may take away within the range of the mass


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """A monotone map of each feature: rational-quadratic between quantiles, linear beyond the outermost.

    Attributes:
        levels: where the quantiles go: places on the axis of a standard normal, increasing.
        knots: the quantiles of each feature at t = 0, in its unit.
        trend: by how much they move as t, the standardised mass, grows by 1.
    """

    levels: Float[np.ndarray, " k"]
    knots: Float[np.ndarray, "d k"]
    trend: Float[np.ndarray, "d k"]

    @classmethod
    def fit(cls, x: Features, t: PerEvent | None, w: PerEvent, count: int, reach: float = np.inf) -> "QuantileMap":
        """Weighted quantiles, in slices of the mass where there is one.

        Args:
            x: features.
            t: standardised mass; None for quantiles that stay.
            w: event weights, of either sign.
            count: of the quantiles.
            reach: the outermost levels, less where few events lie beyond.

        Raises:
            InputError: a feature is constant.
        """
        slices = 1 if t is None else int(np.clip(len(x) // EVENTS_A_SLICE, 1, MOST_SLICES))
        reach = min(reach, -float(ndtri(min(0.2, BEYOND * slices / len(x)))))
        levels = np.linspace(-reach, reach, count)
        if t is None:
            knots = np.stack([_quantiles(column, w, ndtr(levels)) for column in x.T])
            return cls(levels, *_apart(knots, np.zeros_like(knots), (0.0, 0.0)))
        return cls(levels, *_apart(*_lines(x, t, w, ndtr(levels), slices), (float(t.min()), float(t.max()))))

    @classmethod
    def blank(cls, features: int, count: int) -> "QuantileMap":
        """One whose arrays have the shapes of a fitted one."""
        return cls(np.zeros(count), np.zeros((features, count)), np.zeros((features, count)))

    def forward(self, x: Features, t: PerEvent) -> tuple[Features, PerEvent]:
        """Standard-normal features, and the logarithm of the volume change."""
        z, log_det = np.empty_like(x, dtype=float), np.zeros(len(x))
        for i in range(x.shape[1]):
            k = np.sum(x[:, i, None] >= self.knots[i, 1:-1] + t[:, None] * self.trend[i, 1:-1], axis=1)
            start, gap, secant, left, right = self._segment(i, k, t)
            r = (x[:, i] - start) / gap
            inside = np.clip(r, 0.0, 1.0)
            u = inside * (1 - inside)
            below = secant + (left + right - 2 * secant) * u
            rise = secant * gap
            z[:, i] = self.levels[k] + rise * (secant * inside**2 + left * u) / below
            z[:, i] += gap * (np.minimum(r, 0.0) * left + np.maximum(r - 1, 0.0) * right)
            above = right * inside**2 + 2 * secant * u + left * (1 - inside) ** 2
            log_det += 2 * np.log(secant / below) + np.log(above)
        return z, log_det

    def inverse(self, z: Features, t: PerEvent) -> Features:
        """Back to the features' units."""
        x = np.empty_like(z, dtype=float)
        for i in range(z.shape[1]):
            k = np.clip(np.searchsorted(self.levels, z[:, i], side="right") - 1, 0, len(self.levels) - 2)
            start, gap, secant, left, right = self._segment(i, k, t)
            r = (z[:, i] - self.levels[k]) / (secant * gap)
            inside = np.clip(r, 0.0, 1.0)
            bend = inside * (left + right - 2 * secant)
            a, b, c = secant - left + bend, left - bend, -secant * inside
            part = -2 * c / (b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0)))
            beyond = np.minimum(r, 0.0) / left + np.maximum(r - 1, 0.0) / right
            x[:, i] = start + gap * (part + secant * beyond)
        return x

    def _segment(self, i: int, k: Int[np.ndarray, " n"], t: PerEvent) -> tuple[PerEvent, ...]:
        """Of segment k of feature i: its start, its width, its mean slope, and the slopes at both ends."""
        widths, growth = np.diff(self.knots[i]), np.diff(self.trend[i])
        step = self.levels[1] - self.levels[0]
        last = len(widths) - 1
        before, here, after = (
            step / (widths[j] + growth[j] * t) for j in (np.maximum(k - 1, 0), k, np.minimum(k + 1, last))
        )
        start = self.knots[i][k] + self.trend[i][k] * t
        return start, step / here, here, np.sqrt(before * here), np.sqrt(here * after)


def _lines(
    x: Features, t: PerEvent, w: PerEvent, parts: Float[np.ndarray, " k"], slices: int
) -> tuple[Float[np.ndarray, "d k"], Float[np.ndarray, "d k"]]:
    """Straight lines through the quantiles of slices of t: their values at 0, and their slopes.

    The mean's own line is taken away first, or it would widen the quantiles of a slice that is itself wide.
    """
    slope = _mean_slope(x, t, w)
    straight = x - t[:, None] * slope
    rows = np.array_split(np.argsort(t, kind="stable"), slices)
    found = np.stack([[_quantiles(column[part], w[part], parts) for column in straight.T] for part in rows])
    middle = np.array([t[part].mean() for part in rows])
    design = np.column_stack([np.ones(slices), middle])[:, : min(2, slices)]
    lines = np.linalg.lstsq(design, found.reshape(slices, -1), rcond=None)[0].reshape(-1, *found.shape[1:])
    trend = lines[1] if slices > 1 else np.zeros_like(lines[0])
    return lines[0], trend + slope[:, None]


def _mean_slope(x: Features, t: PerEvent, w: PerEvent) -> Float[np.ndarray, " d"]:
    """Weighted least squares; 0 where t does not vary, or signed weights leave it no positive variance."""
    share = w / w.sum()
    off = t - share @ t
    variance = float(share @ off**2)
    return (share * off) @ x / variance if variance > 1e-9 else np.zeros(x.shape[1])


def _quantiles(x: PerEvent, w: PerEvent, parts: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Weighted; where negative weights make the cumulative sum fall it stays."""
    order = np.argsort(x, kind="stable")
    cumulative = np.maximum.accumulate((np.cumsum(w[order]) - 0.5 * w[order]) / np.sum(w))
    return np.interp(parts, cumulative, x[order])


def _apart(
    knots: Float[np.ndarray, "d k"], trend: Float[np.ndarray, "d k"], ends: tuple[float, float]
) -> tuple[Float[np.ndarray, "d k"], Float[np.ndarray, "d k"]]:
    """Lines that neither touch nor cross between the ends of the mass, through the same middle quantile."""
    count = knots.shape[1]
    core = (knots[:, -count // 6 - 1] - knots[:, count // 6])[:, None]
    core = np.maximum(core, NARROWEST * (knots[:, -1:] - knots[:, :1]))
    if not (core > 0).all():
        raise InputError(
            f"Got feature {int(np.argmin(core))} constant, but a density expects features that vary. Leave it out."
        )
    widths = np.maximum(np.diff(knots, axis=1), NARROWEST * core)
    low = -STEADY * widths / max(ends[1], 1e-9)
    high = -STEADY * widths / min(ends[0], -1e-9)
    growth = np.clip(np.diff(trend, axis=1), low, high)
    return _summed(knots, widths), _summed(trend, growth)


def _summed(lines: Float[np.ndarray, "d k"], steps: Float[np.ndarray, "d j"]) -> Float[np.ndarray, "d k"]:
    """Lines with these steps between them and the middle one where it was."""
    middle = lines.shape[1] // 2
    total = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    return total + (lines[:, middle] - total[:, middle])[:, None]
