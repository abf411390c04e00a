"""Is a set of scored events all background? Statistics of the score, calibrated by background pseudo-experiments.

Every event lies in one of a few hundred cells, steps in f0's own distribution: fine enough that nothing of the statistic is
lost, and the same for data and pseudo-experiments, of which 100,000 then take seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from serendip.errors import ConfigError, InputError, require_events, unknown_name
from serendip.stats.count_statistics import Counts, excess, likelihood, saturated
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.score_density import ScoreDensity

STATISTICS = ("excess", "likelihood", "saturated")
BODY_CELLS = 100  # of equal probability
RATIO = 0.93  # of the background above one edge of the tail and the one before
FEWEST_ABOVE = 1.0  # background events above the last threshold; fewer put the statistic's tail on steps far apart
DEEP_STEP, DEEPEST = 1.0, 80.0  # of −ln P, beyond the last threshold; an exponential tail is linear there
FEWEST_IN_SATURATED = 5.0
ENOUGH_FOR_MIXTURE = 10  # events above a threshold that tell which kinds lie there


@dataclass(frozen=True, eq=False)
class UnbinnedTest:
    """A test of H0, "background only", by the scores of events.

    Attributes:
        name: for figures and tables.
        column: the score, higher being more anomalous.
        statistic: "excess", "likelihood" or "saturated"; see `count_statistics`.
        density: f0.
        cut: events enter above it; −inf for all.
        edges: of the cells, rising, from the cut to +inf.
        expected: B, background events above the cut.
        error: its standard deviation.
        log_density: ln f0 of each cell, f0 being normalised above the cut.
        means: background expected in each cell.
        thresholds: the lowest cell of each threshold of the scan.
        above: background expected above each threshold.
        above_error: its standard deviation: rates, and the error of f0.
        groups: the first cell of each group that "saturated" counts in.
    """

    name: str
    column: str
    statistic: str
    density: ScoreDensity
    cut: float
    edges: Float[np.ndarray, " edges"]
    expected: float
    error: float
    log_density: Float[np.ndarray, " cells"]
    means: Float[np.ndarray, " cells"]
    thresholds: Int[np.ndarray, " thresholds"]
    above: Float[np.ndarray, " thresholds"]
    above_error: Float[np.ndarray, " thresholds"]
    groups: Int[np.ndarray, " groups"]

    @classmethod
    def fit(
        cls,
        pools: Sequence[Pool],
        *,
        column: str = "ts",
        statistic: str = "excess",
        cut: float | None = None,
        name: str = "score",
    ) -> "UnbinnedTest":
        """Learn f0 and the background above each threshold.

        Args:
            pools: background events, kind by kind, that no pseudo-experiment will hold.
            column: the score.
            statistic: which; "excess" finds more, see the documentation.
            cut: events enter whose score is above it; None for all.
            name: for figures and tables.

        Raises:
            ConfigError: the statistic is unknown.
            InputError: no background is expected above the cut, or a score is not finite.
            TooFewEventsError: fewer than 400 effective events.
        """
        require_events(1, pools=pools)
        ts = np.concatenate([pool.column(column) for pool in pools])
        w = np.concatenate([pool.expected * pool.share for pool in pools])
        if not w.sum() > 0:
            raise InputError("Got backgrounds of which no event is expected, but expected some. Give them a rate.")
        density = ScoreDensity.fit(ts, w)
        return cls.of(density, pools, column=column, statistic=statistic, cut=cut, name=name)

    @classmethod
    def of(
        cls,
        density: ScoreDensity,
        pools: Sequence[Pool],
        *,
        column: str = "ts",
        statistic: str = "excess",
        cut: float | None = None,
        name: str = "score",
    ) -> "UnbinnedTest":
        """The same with f0 already learned from the pools."""
        if statistic not in STATISTICS:
            raise ConfigError("statistic: " + unknown_name("statistic", statistic, STATISTICS))
        total = sum(pool.expected for pool in pools)
        edges = _edges(density, total, cut)
        finite = np.where(np.isinf(edges[:-1]), edges[1], edges[:-1])
        sf = np.append(np.where(np.isinf(edges[:-1]), 1.0, density.sf(finite)), 0.0)
        means = total * -np.diff(sf)
        above = total * sf[:-1]
        expected = float(above[0])
        if expected < FEWEST_ABOVE:
            raise InputError(
                f"Got {expected:.2g} background events above the cut, but expected at least {FEWEST_ABOVE}. Lower the cut, "
                "or raise the exposure."
            )
        rates = _rate_uncertainty(pools, column, edges[:-1])
        relative = np.hypot(rates, density.relative_error(finite))
        scanned = np.flatnonzero(above >= FEWEST_ABOVE)
        return cls(
            name,
            column,
            statistic,
            density,
            -np.inf if cut is None else cut,
            edges,
            expected,
            expected * float(rates[0]),
            _cell_log_density(density, edges, sf),
            means,
            scanned,
            above[scanned],
            (above * relative)[scanned],
            _groups(means, FEWEST_IN_SATURATED),
        )

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.edges) - 1

    def codes(self, columns: Mapping[str, np.ndarray]) -> Int[np.ndarray, " n"]:
        """The cell of each event; −1 for events that are not above the cut."""
        ts = np.asarray(columns[self.column], dtype=float)
        if not np.isfinite(ts).all():
            raise InputError(
                f"{self.column}: Got {int((~np.isfinite(ts)).sum())} scores not finite, but expected none."
            )
        codes = np.searchsorted(self.edges[1:-1], ts, side="left")
        return np.where(ts > self.cut, codes, -1)

    def statistics(self, counts: Counts) -> Float[np.ndarray, " toys"]:
        """The statistic of many data sets."""
        if self.statistic == "likelihood":
            return likelihood(counts, self.log_density, self.expected, self.error)
        if self.statistic == "excess":
            return excess(counts, self.thresholds, self.above, self.above_error)
        grouped, means = (np.add.reduceat(values, self.groups, axis=-1) for values in (counts, self.means))
        return saturated(grouped, means, self.expected, self.error)


def _edges(density: ScoreDensity, total: float, cut: float | None) -> Float[np.ndarray, " edges"]:
    """Steps of equal probability, then of equal ratio up to the last threshold, then of equal −ln P."""
    body = 1 - np.arange(1, BODY_CELLS) / BODY_CELLS
    last = min(FEWEST_ABOVE / total, 0.5)
    steps = max(int(np.ceil(np.log(last / body[-1]) / np.log(RATIO))), 1)
    tail = np.geomspace(body[-1], last, steps + 1)[1:] if last < body[-1] else np.array([last])
    deep = last * np.exp(-np.arange(DEEP_STEP, DEEPEST, DEEP_STEP))
    lower = 1 - np.geomspace(1e-5, 1 / BODY_CELLS, 10, endpoint=False)
    edges = np.unique(density.isf(np.concatenate([lower, body, tail, deep])))
    start = -np.inf if cut is None else cut
    return np.concatenate([[start], edges[edges > start], [np.inf]])


def _rate_uncertainty(
    pools: Sequence[Pool], column: str, edges: Float[np.ndarray, " cells"]
) -> Float[np.ndarray, " cells"]:
    """Relative error of the background above each edge, by its kinds' rates; the last known where few events are left."""
    above = np.zeros((len(pools), len(edges)))
    left = np.zeros(len(edges))
    for row, pool in zip(above, pools):
        codes = np.searchsorted(edges, pool.column(column), side="left") - 1
        inside = codes >= 0
        weight = np.bincount(codes[inside], pool.share[inside], minlength=len(edges))
        row[:] = pool.expected * weight[::-1].cumsum()[::-1]
        left += np.bincount(codes[inside], minlength=len(edges))[::-1].cumsum()[::-1]
    squares = np.sqrt(((np.array([pool.uncertainty for pool in pools])[:, None] * above) ** 2).sum(axis=0))
    known = np.flatnonzero((left >= ENOUGH_FOR_MIXTURE) & (above.sum(axis=0) > 0))
    if len(known) == 0:
        raise InputError("Got fewer than ten background events above the cut, but expected more. Lower the cut.")
    last = np.minimum(np.arange(len(edges)), known[-1])
    return (squares / np.where(above.sum(axis=0) > 0, above.sum(axis=0), 1.0))[last]


def _cell_log_density(
    density: ScoreDensity, edges: Float[np.ndarray, " edges"], sf: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, " cells"]:
    """ln of the mean density in each cell; that at the finite edge in open cells."""
    open_below, open_above = np.isinf(edges[:-1]), np.isinf(edges[1:])
    finite = ~(open_below | open_above)
    low, high = edges[:-1][finite], edges[1:][finite]
    values = np.empty(len(edges) - 1)
    probability = -np.diff(sf)[finite]
    middle = density.log_density(0.5 * (low + high))
    values[finite] = np.where(probability > 0, np.log(np.maximum(probability, 1e-300) / (high - low)), middle)
    values[open_below] = density.log_density(edges[1:2])[0]
    values[open_above & ~open_below] = density.log_density(edges[-2:-1])[0]
    return values - np.log(sf[0])


def _groups(means: Float[np.ndarray, " cells"], fewest: float) -> Int[np.ndarray, " groups"]:
    """First cells of groups that hold about `fewest` events or more, formed from the top down."""
    starts, held = [], 0.0
    for cell in range(len(means) - 1, 0, -1):
        held += means[cell]
        if held >= fewest:
            starts.append(cell)
            held = 0.0
    return np.array([0, *reversed(starts)])
