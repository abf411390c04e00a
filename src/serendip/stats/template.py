"""Templates of two observables, such as cS1 and log10 cS2: smooth, and nowhere empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from serendip.errors import InputError, require_events
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.score_density import ScoreDensity

COLUMNS = ("cs1", "log_cs2")
BINS = (40, 60)
DEGREE = 5  # of the polynomial that a band's centre is
FEWEST_IN_SLICE, MOST_SLICES = 1000, 8
FEWEST_SIMULATED = 1000
SMALLEST = 1e-100  # probability of a cell


@dataclass(frozen=True, eq=False)
class Grid:
    """Bins of two observables; the outermost are open, so that every event lies in one.

    Attributes:
        columns: the observables' names.
        x_edges: inner edges of the first, even, rising.
        y_edges: inner edges of the second.
    """

    columns: tuple[str, str]
    x_edges: Float[np.ndarray, " x"]
    y_edges: Float[np.ndarray, " y"]

    @classmethod
    def around(cls, pools: Sequence[Pool], columns: tuple[str, str] = COLUMNS, bins: tuple[int, int] = BINS) -> "Grid":
        """Even bins over all pools but the last 0.1 % on either side.

        Raises:
            InputError: an observable does not vary, or a pool lacks it.
        """
        require_events(1, pools=pools)
        edges = []
        for name, n in zip(columns, bins):
            low, high = np.transpose([np.quantile(pool.column(name), (0.001, 0.999)) for pool in pools])
            if not high.max() > low.min():
                raise InputError(f"{name}: Got the same value everywhere, but expected an observable that varies.")
            edges.append(np.linspace(low.min(), high.max(), n - 1))
        return cls(columns, edges[0], edges[1])

    @property
    def shape(self) -> tuple[int, int]:
        """How many bins of each."""
        return len(self.x_edges) + 1, len(self.y_edges) + 1

    @property
    def steps(self) -> tuple[float, float]:
        """Widths of a bin; open ones count as if they had them, too."""
        return float(self.x_edges[1] - self.x_edges[0]), float(self.y_edges[1] - self.y_edges[0])

    def values(self, columns: Mapping[str, np.ndarray]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Both observables of events.

        Raises:
            InputError: one is missing, or a value is not finite.
        """
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise InputError(f"Got no column {missing[0]!r}, but expected one beside: {', '.join(columns)}.")
        x, y = (np.asarray(columns[name], dtype=float) for name in self.columns)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise InputError(f"{', '.join(self.columns)}: Got values that are not finite, but expected none.")
        return x, y

    def codes(self, columns: Mapping[str, np.ndarray]) -> Int[np.ndarray, " n"]:
        """The cell of each event, the second observable running fastest."""
        x, y = self.values(columns)
        return np.searchsorted(self.x_edges, x) * self.shape[1] + np.searchsorted(self.y_edges, y)

    def template(self, pool: Pool) -> Float[np.ndarray, " cells"]:
        """Expected counts of a kind in each cell.

        The kind is taken for a band: f(x) times f(y − c(x) | x), where the centre c is a polynomial, and the distribution
        about it, with its tails, is learned in slices of x and goes over from one slice to the next. No cell is impossible,
        and nothing of the band's core is smeared into its tails, as smoothing a histogram does.

        Raises:
            TooFewEventsError: fewer than 1,000 effective events.
        """
        require_events(FEWEST_SIMULATED, **{f"template of {pool.name}": range(int(pool.effective))})
        x, y = self.values(pool.columns)
        centre = np.polynomial.Polynomial.fit(x, y, DEGREE, w=np.sqrt(pool.share))
        away, share = y - centre(x), pool.share
        slices = int(np.clip(pool.effective / FEWEST_IN_SLICE, 1, MOST_SLICES))
        order = np.argsort(x, kind="stable")
        parts = np.split(order, np.searchsorted(np.cumsum(share[order]), np.arange(1, slices) / slices))
        at = np.array([np.average(x[part], weights=share[part]) for part in parts])
        middles = np.append(self.x_edges[0] - self.steps[0] / 2, self.x_edges + self.steps[0] / 2)
        edges = self.y_edges[None] - centre(np.clip(middles, x.min(), x.max()))[:, None]
        log_f = np.stack([_log_probability(ScoreDensity.fit(away[part], share[part]), edges) for part in parts])
        given_x = np.exp(_between(middles, at, log_f))
        of_x = np.exp(_log_probability(ScoreDensity.fit(x, share), self.x_edges[None])[0])
        f = of_x[:, None] * given_x / given_x.sum(axis=1, keepdims=True)
        return (f * pool.expected / f.sum()).ravel()


@dataclass(frozen=True, eq=False)
class TemplateScore:
    """−ln f0(x, y) of the background's template as a score: what is rare among the background is anomalous.

    Attributes:
        grid: the cells.
        log_density: ln f0 of each, per unit of both observables.
    """

    grid: Grid
    log_density: Float[np.ndarray, "x y"]

    @classmethod
    def fit(
        cls, pools: Sequence[Pool], *, grid: Grid | None = None, columns: tuple[str, str] = COLUMNS
    ) -> "TemplateScore":
        """Learn f0 from background events, kind by kind, that no pseudo-experiment will hold."""
        grid = grid or Grid.around(pools, columns)
        means = np.sum([grid.template(pool) for pool in pools], axis=0)
        density = means / (means.sum() * np.prod(grid.steps))
        return cls(grid, np.log(density).reshape(grid.shape))

    def anomaly_score(self, columns: Mapping[str, np.ndarray]) -> Float[np.ndarray, " n"]:
        """−ln f0, linear between the middles of cells; for `UnbinnedTest`."""
        both = self.grid.x_edges, self.grid.y_edges
        at = [
            np.clip((values - edges[0]) / step + 0.5, 0, len(edges))
            for values, edges, step in zip(self.grid.values(columns), both, self.grid.steps)
        ]
        return -ndimage.map_coordinates(self.log_density, at, order=1, mode="nearest")


def _between(
    x: Float[np.ndarray, " x"], at: Float[np.ndarray, " slices"], values: Float[np.ndarray, "slices x y"]
) -> Float[np.ndarray, "x y"]:
    """Values at each x, linear between slices and constant beyond the outermost."""
    if len(at) == 1:
        return values[0]
    right = np.clip(np.searchsorted(at, x), 1, len(at) - 1)
    part = np.clip((x - at[right - 1]) / (at[right] - at[right - 1]), 0.0, 1.0)[:, None]
    rows = np.arange(len(x))
    return (1 - part) * values[right - 1, rows] + part * values[right, rows]


def _log_probability(density: ScoreDensity, edges: Float[np.ndarray, "rows edges"]) -> Float[np.ndarray, "rows bins"]:
    """ln of the probability of each bin, the outermost open; from the nearer tail, so that nothing cancels."""
    rows = len(edges)
    zero, one = np.zeros((rows, 1)), np.ones((rows, 1))
    cdf, sf = (f(edges.ravel()).reshape(edges.shape) for f in (density.cdf, density.sf))
    by_cdf = np.diff(np.hstack([zero, cdf, one]), axis=1)
    by_sf = -np.diff(np.hstack([one, sf, zero]), axis=1)
    return np.log(np.maximum(np.where(np.hstack([cdf, one]) < 0.5, by_cdf, by_sf), SMALLEST))
