"""The classical analysis on the same events: templates in two observables, such as cS1 and log10 cS2.

Two tests: of "background only" without a word about the signal, the analogue of the learned test; and the profile likelihood
ratio that knows the signal's shape, the ceiling of both.

Source: arXiv:1902.11297 (XENON1T's template likelihood), for the kind of analysis; arXiv:1007.1727, eq. 12, for q0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from serendip.errors import ConfigError, FitError, InputError, unknown_name
from serendip.stats.count_statistics import Counts, likelihood, saturated
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.template import COLUMNS, Grid

TEMPLATE_STATISTICS = ("saturated", "likelihood")
FEWEST_IN_GROUP = 5.0
SIGNAL_GROUPS = 60
STEPS = 200
CONVERGED = 1e-8  # of the squared Newton decrement
FEWEST_COUNTED = 1e-6  # of a group without events, so that its mean stays above 0; moves q0 by 1e-5


@dataclass(frozen=True, eq=False)
class TemplateNullTest:
    """Tests "background only" by the background's template; the value σ = 0 is the whole hypothesis.

    Attributes:
        name: for figures and tables.
        grid: the cells.
        statistic: "saturated", by groups of neighbours, or "likelihood", e^{−B} Π B f0(x_i, y_i) as published.
        means: background expected in each cell.
        error: standard deviation of their sum.
        groups: the first cell of each group, in `order`.
        order: of the cells, so that groups are runs of neighbours.
    """

    name: str
    grid: Grid
    statistic: str
    means: Float[np.ndarray, " cells"]
    error: float
    groups: Int[np.ndarray, " groups"]
    order: Int[np.ndarray, " cells"]

    @classmethod
    def fit(
        cls,
        pools: Sequence[Pool],
        *,
        statistic: str = "saturated",
        grid: Grid | None = None,
        columns: tuple[str, str] = COLUMNS,
        name: str = "2-D template",
    ) -> "TemplateNullTest":
        """Learn the background's template. For a scan of −ln f0(x, y), give `TemplateScore` to `UnbinnedTest`.

        Args:
            pools: background events, kind by kind, that no pseudo-experiment will hold.
            statistic: which.
            grid: the cells; even bins over the pools if not given.
            columns: the observables, where no grid is given.
            name: for figures and tables.

        Raises:
            ConfigError: the statistic is unknown.
            TooFewEventsError: a kind has fewer than 1,000 effective events.
        """
        if statistic not in TEMPLATE_STATISTICS:
            raise ConfigError("statistic: " + unknown_name("statistic", statistic, TEMPLATE_STATISTICS))
        grid = grid or Grid.around(pools, columns)
        means = np.sum([grid.template(pool) for pool in pools], axis=0)
        error = float(np.sqrt(sum((pool.expected * pool.uncertainty) ** 2 for pool in pools)))
        rows = np.arange(len(means)).reshape(grid.shape)
        rows[1::2] = rows[1::2, ::-1]  # as an ox ploughs, so that runs of cells are neighbours
        order = rows.ravel()
        return cls(name, grid, statistic, means, error, _runs(means[order], FEWEST_IN_GROUP), order)

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.means)

    def codes(self, columns: Mapping[str, np.ndarray]) -> Int[np.ndarray, " n"]:
        """The cell of each event."""
        return self.grid.codes(columns)

    def statistics(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """The statistic of many data sets."""
        expected = float(self.means.sum())
        if self.statistic == "likelihood":
            log_density = np.log(self.means / (expected * np.prod(self.grid.steps)))
            return likelihood(counts, log_density, expected, self.error)
        grouped, means = (
            np.add.reduceat(values[..., self.order], self.groups, axis=-1) for values in (counts, self.means)
        )
        return saturated(grouped, means, expected, self.error)


@dataclass(frozen=True, eq=False)
class ProfileLikelihoodRatio:
    """The discovery statistic q0 of a signal of known shape and free strength >= 0, background rates profiled.

    Cells are merged in the order of signal over background, into sixty parts of the signal: that loses nothing of how the
    signal separates, and a little of what the data say of the backgrounds' rates.

    Attributes:
        name: for figures and tables.
        grid: of the templates.
        group: the group of each of its cells.
        signal: the signal's part in each group; the sum is 1.
        known: background of kinds whose rate is known, in each group.
        free: background of the other kinds.
        uncertainties: relative, of the free kinds' rates.
    """

    name: str
    grid: Grid
    group: Int[np.ndarray, " cells"]
    signal: Float[np.ndarray, " groups"]
    known: Float[np.ndarray, " groups"]
    free: Float[np.ndarray, "kinds groups"]
    uncertainties: Float[np.ndarray, " kinds"]

    @classmethod
    def fit(
        cls,
        pools: Sequence[Pool],
        signal: Pool,
        *,
        grid: Grid | None = None,
        columns: tuple[str, str] = COLUMNS,
        name: str = "profile likelihood ratio",
    ) -> "ProfileLikelihoodRatio":
        """Learn the templates of backgrounds and signal, of events that no pseudo-experiment will hold.

        Raises:
            TooFewEventsError: a kind has fewer than 1,000 effective events.
            InputError: no background or signal event is expected.
        """
        grid = grid or Grid.around([*pools, signal], columns)
        backgrounds = np.stack([grid.template(pool) for pool in pools])
        total = backgrounds.sum(axis=0)
        if not (total.sum() > 0 and signal.expected > 0):
            raise InputError("Got backgrounds or a signal of which no event is expected, but expected some of each.")
        shape = grid.template(signal) / signal.expected
        order = np.argsort(shape / total, kind="stable")
        group = np.empty(len(order), dtype=np.int64)
        part = np.minimum((np.cumsum(shape[order]) * SIGNAL_GROUPS).astype(int), SIGNAL_GROUPS - 1)
        group[order] = np.unique(part, return_inverse=True)[1]
        merged = np.stack([np.bincount(group, row) for row in backgrounds])
        uncertainties = np.array([pool.uncertainty for pool in pools])
        free = uncertainties > 0
        known = merged[~free].sum(axis=0)
        return cls(name, grid, group, np.bincount(group, shape), known, merged[free], uncertainties[free])

    @property
    def cells(self) -> int:
        """How many groups there are."""
        return len(self.signal)

    def codes(self, columns: Mapping[str, np.ndarray]) -> Int[np.ndarray, " n"]:
        """The group of each event."""
        return self.group[self.grid.codes(columns)]

    def statistics(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """q0 of many data sets; 0 where the best strength is not above 0."""
        return self._compared(counts)[0]

    def best_strength(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """Signal events of greatest likelihood, at least 0."""
        return self._compared(counts)[1]

    def _start(self, counts: Counts) -> Float[np.ndarray, "toys k"]:
        """The excess where the signal is purest, scaled to all of it, and the backgrounds as expected."""
        pure = np.cumsum(self.signal) > 0.5  # groups rise in signal over background
        expected = (self.known + self.free.sum(axis=0))[pure].sum()
        events = np.maximum(counts[:, pure].sum(axis=1) - expected, 0.0) / self.signal[pure].sum()
        return np.column_stack([events, np.ones((len(counts), len(self.free)))])

    def _compared(self, counts: Counts) -> tuple[Float[np.ndarray, " toys"], Float[np.ndarray, " toys"]]:
        weights = self.uncertainties**-2.0
        rates = _fit_rates(counts, self.known, self.free, weights, np.ones((len(counts), len(weights))))
        without = _negative_log_likelihood(counts, self.known, self.free, weights, rates)
        helps = ((1 - counts / (self.known + rates @ self.free)) @ self.signal) < 0  # the likelihood is concave
        q0, strength = np.zeros(len(counts)), np.zeros(len(counts))
        if helps.any():
            shapes, weights = np.vstack([self.signal, self.free]), np.append(0.0, weights)
            best = _fit_rates(counts[helps], self.known, shapes, weights, self._start(counts[helps]))
            with_signal = _negative_log_likelihood(counts[helps], self.known, shapes, weights, best)
            q0[helps] = np.maximum(2 * (without[helps] - with_signal), 0.0)
            strength[helps] = np.maximum(best[:, 0], 0.0)
        return q0, strength


def _fit_rates(
    counts: Counts,
    known: Float[np.ndarray, " groups"],
    shapes: Float[np.ndarray, "k groups"],
    weights: Float[np.ndarray, " k"],
    start: Float[np.ndarray, "toys k"],
) -> Float[np.ndarray, "toys k"]:
    """Factors θ of greatest Π Poisson(n | known + θ·shapes) × exp(−Σ weights (θ − 1)² / 2), by damped Newton.

    −ln L is self-concordant, so that a step shortened by 1 / (1 + decrement) keeps the means of groups with events
    positive and gets to the minimum (Nesterov and Nemirovskii 1994, doi:10.1137/1.9781611970791). Where a longer one,
    up to nine tenths of the way to a mean of 0, goes lower, it is taken instead; none goes further than that. Groups
    without events count a millionth of one, or a badly known rate would turn negative where nothing is seen.

    Raises:
        FitError: no minimum after 200 steps.
    """
    theta = start.copy()
    if len(shapes) == 0:
        return theta
    k = len(shapes)
    products = (shapes[:, None] * shapes[None]).reshape(k * k, -1)
    left = np.arange(len(counts))
    for _ in range(STEPS):
        n, at = np.maximum(counts[left], FEWEST_COUNTED), theta[left]
        ratio = n / (mean := known + at @ shapes)
        gradient = (1 - ratio) @ shapes.T + weights * (at - 1)
        hessian = ((ratio / mean) @ products.T).reshape(-1, k, k) + np.diag(weights)
        step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        squared = -(gradient * step).sum(axis=1)
        room = 0.9 / np.maximum((-(step @ shapes) / mean).max(axis=1), 0.9)
        sure = np.minimum(room, 1 / (1 + np.sqrt(np.maximum(squared, 0.0))))
        long, short = at + step * room[:, None], at + step * sure[:, None]
        low, high = (_negative_log_likelihood(n, known, shapes, weights, trial) for trial in (long, short))
        theta[left] = np.where((low <= high)[:, None], long, short)
        left = left[squared > CONVERGED]
        if len(left) == 0:
            return theta
    raise FitError(f"Got {len(left)} likelihood fits without a minimum, but expected none. Are the templates alike?")


def _negative_log_likelihood(
    counts: Counts | Float[np.ndarray, "toys groups"],
    known: Float[np.ndarray, " groups"],
    shapes: Float[np.ndarray, "k groups"],
    weights: Float[np.ndarray, " k"],
    theta: Float[np.ndarray, "toys k"],
) -> Float[np.ndarray, " toys"]:
    """Constrained about 1, where `weights` is not 0."""
    mean = known + theta @ shapes
    return (mean - counts * np.log(mean)).sum(axis=1) + 0.5 * ((theta - 1) ** 2 @ weights)


def _runs(means: Float[np.ndarray, " cells"], fewest: float) -> Int[np.ndarray, " groups"]:
    """Where runs of cells begin that expect `fewest` events or more each."""
    starts, held = [0], 0.0
    for cell, mean in enumerate(means):
        if held >= fewest:
            starts.append(cell)
            held = 0.0
        held += mean
    return np.array(starts[:-1] if held < fewest and len(starts) > 1 else starts)
