"""WALDO: intervals with the stated coverage from a posterior's mean and variance, whatever the prior behind it.

τ(x; θ₀) = (E[θ|x] − θ₀)² / V[θ|x] is a test statistic of θ = θ₀; its critical values come from events simulated at known
θ, and the interval of x is every θ₀ that its test does not reject (Neyman 1937, doi:10.1098/rsta.1937.0005).

Source: Masserano, Dorigo, Izbicki, Kuusela, Lee 2022, arXiv:2205.15680, eqs. 4–6 and algorithm 1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from serendip.errors import InputError, require_events

PerEvent = Float[np.ndarray, " n"]

FEWEST = 1000  # calibration events
DEGREE = 3
WIDTHS = (
    0.3,
    0.1,
    0.03,
    0.01,
)  # of the pinball loss's rounded tip, in standard deviations of ln τ, one after the other
LEAST = 1e-12  # of τ, whose logarithm is taken
GRID = 400  # places of θ at which an interval is looked for


@dataclass(frozen=True, eq=False)
class Waldo:
    """Critical values over θ, and the intervals they give.

    Attributes:
        levels: confidence levels, one a row of `coefficients`.
        low: smallest θ of the calibration events; no interval reaches below.
        high: the largest.
        knots: of the cubic spline of ln(critical value) in θ.
        coefficients: of that spline.
    """

    levels: tuple[float, ...]
    low: float
    high: float
    knots: Float[np.ndarray, " k"]
    coefficients: Float[np.ndarray, "levels b"]

    def critical(self, theta: PerEvent, level: float) -> PerEvent:
        """The value of τ that a part `level` of the events at θ does not exceed.

        Raises:
            InputError: the level was not calibrated, or θ lies outside the calibration events.
        """
        self._require(theta)
        basis = _basis(theta, self.knots)
        return np.exp(basis @ self.coefficients[self._row(level)])

    def covers(self, theta: PerEvent, mean: PerEvent, variance: PerEvent, level: float) -> np.ndarray:
        """Whether the confidence set of each event holds θ: the exact criterion, without a grid."""
        return statistic(theta, mean, variance) <= self.critical(theta, level)

    def intervals(self, mean: PerEvent, variance: PerEvent, level: float) -> Float[np.ndarray, "n 2"]:
        """Ends of the confidence interval of each event; NaN where every θ is rejected.

        The set of θ that are not rejected is an interval where the critical value varies slowly, as here; where it falls
        apart, its outermost ends are given, which cover more.

        Raises:
            InputError: a mean is NaN or infinite, a variance is not above 0, or the level was not calibrated.
        """
        _check(mean, variance)
        grid = np.linspace(self.low, self.high, GRID)
        critical = self.critical(grid, level)
        ends = np.full((len(mean), 2), np.nan)
        for start in range(0, len(mean), 4096):
            rows = slice(start, start + 4096)
            ends[rows] = _ends(grid, critical, mean[rows], variance[rows])
        return ends

    def _row(self, level: float) -> int:
        if level not in self.levels:
            raise InputError(f"level: Got {level}, but expected one that was calibrated: {self.levels}.")
        return self.levels.index(level)

    def _require(self, theta: PerEvent) -> None:
        outside = ~((theta >= self.low) & (theta <= self.high))
        if outside.any():
            raise InputError(
                f"theta: Got {theta[outside][0]:g}, but expected values from {self.low:g} to {self.high:g}, "
                "the range of the calibration events."
            )


def statistic(theta: PerEvent, mean: PerEvent, variance: PerEvent) -> PerEvent:
    """τ(x; θ) = (mean − θ)² / variance. Source: arXiv:2205.15680, eq. 5."""
    return (mean - theta) ** 2 / variance


def fit_waldo(
    theta: PerEvent,
    mean: PerEvent,
    variance: PerEvent,
    *,
    levels: tuple[float, ...] = (0.68, 0.95),
    pieces: int = 20,
) -> Waldo:
    """Learn critical values by quantile regression of ln τ on a spline in θ.

    Trap: the posterior must not have been trained on these events, or τ is too small on them.

    Args:
        theta: true values of the calibration events; any distribution that fills the range.
        mean: of their posteriors.
        variance: of their posteriors.
        levels: confidence levels.
        pieces: of the cubic spline, shorter towards both ends.

    Raises:
        TooFewEventsError: fewer than 1000 calibration events.
        InputError: a value is NaN or infinite, a variance is not above 0, a level not between 0 and 1, or θ constant.
    """
    require_events(FEWEST, calibration_sample=theta)
    _check(mean, variance)
    _check_range(theta)
    for level in levels:
        if not 0 < level < 1:
            raise InputError(f"levels: Got {level}, but expected a number between 0 and 1.")
    knots = _knots(theta, pieces)
    basis = _basis(theta, knots)
    log_tau = np.log(np.maximum(statistic(theta, mean, variance), LEAST))
    coefficients = np.array([_quantile_regression(basis, log_tau, level) for level in levels])
    return Waldo(tuple(levels), float(theta.min()), float(theta.max()), knots, coefficients)


def _check(mean: PerEvent, variance: PerEvent) -> None:
    if not np.isfinite(mean).all():
        raise InputError(f"mean: Got {int((~np.isfinite(mean)).sum())} NaN or infinite values, but expected none.")
    if not (np.isfinite(variance) & (variance > 0)).all():
        raise InputError(f"variance: Got {np.min(variance):g} at least, but expected finite values above 0.")


def _check_range(theta: PerEvent) -> None:
    if not (np.isfinite(theta).all() and theta.min() < theta.max()):
        raise InputError(f"theta: Got values from {theta.min()} to {theta.max()}, but expected a finite range.")


def _knots(theta: PerEvent, pieces: int) -> Float[np.ndarray, " k"]:
    """Those of a clamped spline, inner ones at quantiles that crowd at both ends, where the prior's edge bends τ."""
    levels = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, pieces + 1))
    edges = np.unique(np.quantile(theta, levels))
    return np.concatenate([[edges[0]] * DEGREE, edges, [edges[-1]] * DEGREE])


def _basis(theta: PerEvent, knots: Float[np.ndarray, " k"]) -> Float[np.ndarray, "n b"]:
    return BSpline.design_matrix(theta, knots, DEGREE).toarray()


def _quantile_regression(
    basis: Float[np.ndarray, "n b"], y: Float[np.ndarray, " n"], level: float
) -> Float[np.ndarray, " b"]:
    """Coefficients of least pinball loss, whose tip is rounded less and less so that Newton's steps can find them.

    The rounded loss is level·r + h·ln(1 + e^{−r/h}) of the residual r, the pinball loss smoothed by a logistic kernel
    of width h (Fernandes, Guerre, Horta 2021, arXiv:1905.08535): no linear program, and no bias as h → 0.
    """
    spread = float(np.std(y))
    coefficients = np.full(basis.shape[1], np.quantile(y, level))
    for width in np.array(WIDTHS) * spread:

        def loss(c: np.ndarray, h: float = width) -> tuple[float, np.ndarray]:
            residual = y - basis @ c
            below = expit(-residual / h)
            value = np.mean(level * residual - h * log_expit(residual / h))
            return float(value), -basis.T @ (level - below) / len(y)

        def curvature(c: np.ndarray, h: float = width) -> np.ndarray:
            below = expit(-(y - basis @ c) / h)
            return (basis.T * (below * (1 - below) / h)) @ basis / len(y)

        found = minimize(loss, coefficients, jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-7})
        coefficients = found.x
    return coefficients


def _ends(
    grid: Float[np.ndarray, " g"], critical: Float[np.ndarray, " g"], mean: PerEvent, variance: PerEvent
) -> Float[np.ndarray, "n 2"]:
    """First and last places where τ meets the critical value.

    Where no place of the grid is accepted although the mean lies among them, the set is narrower than the grid, and the
    critical value at the mean gives its ends.
    """
    sigma, root = np.sqrt(variance), np.sqrt(critical)
    pull = (grid - mean[:, None]) / sigma[:, None]
    accepted = np.abs(pull) <= root
    first, last = accepted.argmax(axis=1), len(grid) - 1 - accepted[:, ::-1].argmax(axis=1)
    low, high = _crossing(grid, -pull - root, first, -1), _crossing(grid, pull - root, last, 1)
    empty = ~accepted.any(axis=1)
    near = np.where((mean >= grid[0]) & (mean <= grid[-1]), np.interp(mean, grid, root) * sigma, np.nan)
    low, high = np.where(empty, mean - near, low), np.where(empty, mean + near, high)
    return np.clip(np.column_stack([low, high]), grid[0], grid[-1])


def _crossing(grid: Float[np.ndarray, " g"], gap: Float[np.ndarray, "n g"], inside: np.ndarray, step: int) -> PerEvent:
    """Where a gap vanishes between an accepted place and its rejected neighbour; the edge where there is none.

    The gap is linear in θ but for the slow change of the critical value, and so is what is done here.
    """
    rows = np.arange(len(gap))
    beyond = np.clip(inside + step, 0, len(grid) - 1)
    a, b = gap[rows, inside], gap[rows, beyond]
    part = np.where(beyond == inside, 0.0, a / np.where(a == b, 1.0, a - b))
    return grid[inside] + np.clip(part, 0.0, 1.0) * (grid[beyond] - grid[inside])
