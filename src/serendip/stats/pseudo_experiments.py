"""Pseudo-experiments: numbers of events thrown by Poisson, and the events drawn from pools of scored ones.

A pool's event appears in a pseudo-experiment a Poisson number of times with mean expected × its share of the weight, so that
sums over cells are independent Poisson numbers. Where only counts in cells matter, throwing those is the same and much
cheaper than drawing events (`throw_counts`); where several tests look at the same data, events are drawn (`draw`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for

LARGEST_OVERLAP = 0.05
ROUNDING = 1e-9  # of the sum of fractions


@dataclass(frozen=True, eq=False)
class Pool:
    """Scored events of one kind, and how many of them an exposure holds.

    Attributes:
        name: of the kind.
        columns: what is known of each event, such as scores, cs1, cs2; all of one length.
        expected: the mean number of events in the data.
        uncertainty: relative standard deviation of `expected`.
        w: weights, none negative; None for equal ones. Only their ratios matter.

    Raises:
        InputError: no event or column, columns of different length, values that are not finite, a negative expectation,
            uncertainty or weight.
    """

    name: str
    columns: Mapping[str, np.ndarray]
    expected: float
    uncertainty: float = 0.0
    w: np.ndarray | None = field(default=None)

    def __post_init__(self) -> None:
        sizes = {key: len(values) for key, values in self.columns.items()} | (
            {} if self.w is None else {"w": len(self.w)}
        )
        if not self.columns or len(set(sizes.values())) > 1 or min(sizes.values()) == 0:
            raise InputError(f"{self.name}: Got columns of lengths {sizes}, but expected some, of one length above 0.")
        for key, values in self.columns.items():
            if not np.isfinite(values).all():
                bad = int((~np.isfinite(values)).sum())
                raise InputError(f"{self.name}.{key}: Got {bad} values not finite, but expected none. Score them anew.")
        for key, value in (("expected", self.expected), ("uncertainty", self.uncertainty)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{self.name}.{key}: Got {value}, but expected a finite number, at least 0.")
        if self.w is not None and not (np.isfinite(self.w).all() and self.w.min() >= 0 and self.w.sum() > 0):
            raise InputError(f"{self.name}.w: Got a weight below 0 or infinite, or none above 0, but expected w >= 0.")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def share(self) -> Float[np.ndarray, " n"]:
        """Each event's part of the weight; the sum is 1."""
        return np.full(len(self), 1 / len(self)) if self.w is None else self.w / self.w.sum()

    @property
    def effective(self) -> float:
        """Effective number of events, (Σw)² / Σw²."""
        return float(len(self)) if self.w is None else float(1 / np.sum(self.share**2))

    @property
    def overlap(self) -> float:
        """The share of a pseudo-experiment's events that another one holds too: expected over effective number.

        Pseudo-experiments scatter about the pool, and data about the truth that the pool itself scatters about: by a part
        √(1 + overlap) more. Z is overstated by about half of the overlap.
        """
        return self.expected / self.effective

    def scaled(self, factor: float) -> "Pool":
        """The same kind with another expectation, such as for another exposure or cross section."""
        return replace(self, expected=self.expected * factor)

    def with_column(self, name: str, values: np.ndarray) -> "Pool":
        """The same events with one more thing known of each."""
        return replace(self, columns={**self.columns, name: values})

    def column(self, name: str) -> Float[np.ndarray, " n"]:
        """A column as float64.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.columns:
            raise InputError(f"{self.name}: Got column {name!r}, but expected one of: {', '.join(self.columns)}.")
        return np.asarray(self.columns[name], dtype=float)

    def table(self, names: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Columns side by side."""
        return np.stack([self.column(name) for name in names], axis=1)

    def __getitem__(self, rows: np.ndarray | slice) -> "Pool":
        """Some of the events, for the same expectation; where rows fall out by a cut, scale it yourself."""
        columns = {key: values[rows] for key, values in self.columns.items()}
        return replace(self, columns=columns, w=None if self.w is None else self.w[rows])


def split(pool: Pool, *fractions: float, seed: int = 0) -> tuple[Pool, ...]:
    """Cut a pool at random into parts that share no event, each with the whole expectation.

    Args:
        pool: what is cut.
        fractions: of the events, one a part; their sum is at most 1.
        seed: of the shuffle.

    Raises:
        InputError: a fraction is not above 0, their sum is above 1, or a part holds no event.
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + ROUNDING:
        raise InputError(f"Got fractions {fractions}, but expected numbers above 0 with a sum of at most 1.")
    ends = np.minimum(np.floor(np.cumsum(fractions) * len(pool) + ROUNDING).astype(int), len(pool))
    order = rng_for(seed, f"split {pool.name}").permutation(len(pool))
    return tuple(pool[np.sort(order[low:high])] for low, high in zip(np.append(0, ends[:-1]), ends))


def require_overlap(pools: Sequence[Pool], largest: float = LARGEST_OVERLAP) -> None:
    """Refuse pools too small for what is drawn from them.

    Raises:
        TooFewEventsError: there is no pool.
        InputError: an overlap is above `largest`.
    """
    require_events(1, pools=pools)
    for pool in pools:
        if pool.overlap > largest:
            need = math.ceil(pool.expected / largest)
            raise InputError(
                f"{pool.name}: Got {pool.effective:.0f} effective events to draw {pool.expected:.0f} from, but expected at "
                f"least {need}, an overlap of at most {largest:g}. Simulate more, or lower the exposure."
            )


def cell_means(pool: Pool, codes: Int[np.ndarray, " n"], cells: int) -> Float[np.ndarray, " cells"]:
    """Expected counts in each cell; events with a code below 0 are outside."""
    inside = codes >= 0
    return pool.expected * np.bincount(codes[inside], pool.share[inside], minlength=cells)


def throw_counts(
    means: Float[np.ndarray, "k cells"], uncertainties: Float[np.ndarray, " k"], n: int, rng: np.random.Generator
) -> Int[np.ndarray, "n cells"]:
    """Counts of n pseudo-experiments: each kind's rate thrown (Gaussian, at least 0), then Poisson counts.

    Args:
        means: expected counts of each kind.
        uncertainties: relative, of each kind's rate; a kind's cells share one factor.
        n: how many.
        rng: random numbers.
    """
    filled = np.flatnonzero(means.sum(axis=0) > 0)
    factors = throw_rates(uncertainties, n, rng)
    counts = np.zeros((n, means.shape[1]), dtype=np.int64)
    counts[:, filled] = rng.poisson(factors @ means[:, filled])
    return counts


def throw_rates(uncertainties: Float[np.ndarray, " k"], n: int, rng: np.random.Generator) -> Float[np.ndarray, "n k"]:
    """Factors of each kind's rate in n pseudo-experiments."""
    return np.maximum(1 + uncertainties * rng.standard_normal((n, len(uncertainties))), 0.0)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Events of one kind in n pseudo-experiments.

    Attributes:
        pool: where they were drawn from, with replacement.
        experiment: which pseudo-experiment each belongs to, rising.
        rows: which event of the pool each is.
        n: how many pseudo-experiments.
    """

    pool: Pool
    experiment: Int[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]
    n: int

    def counts(self, codes: Int[np.ndarray, " pool"], cells: int) -> Int[np.ndarray, "n cells"]:
        """How many fall in each cell, by the codes of the pool's events; a code below 0 is outside."""
        code = codes[self.rows]
        inside = code >= 0
        flat = self.experiment[inside] * cells + code[inside]
        return np.bincount(flat, minlength=self.n * cells).reshape(self.n, cells)

    def data(self, index: int) -> dict[str, np.ndarray]:
        """The columns of one pseudo-experiment."""
        low, high = np.searchsorted(self.experiment, (index, index + 1))
        return {key: values[self.rows[low:high]] for key, values in self.pool.columns.items()}


def draw(pool: Pool, n: int, rng: np.random.Generator) -> Drawn:
    """Draw the events of one kind for n pseudo-experiments, its rate thrown anew in each."""
    factors = throw_rates(np.array([pool.uncertainty]), n, rng)[:, 0]
    numbers = rng.poisson(pool.expected * factors)
    total = int(numbers.sum())
    if pool.w is None:
        rows = rng.integers(len(pool), size=total)
    else:
        rows = np.minimum(np.searchsorted(np.cumsum(pool.share), rng.random(total), side="right"), len(pool) - 1)
    return Drawn(pool, np.repeat(np.arange(n), numbers), rows, n)


def pseudo_experiments(pools: Sequence[Pool], n: int, rng: np.random.Generator) -> tuple[Drawn, ...]:
    """Draw the events of n pseudo-experiments, kind by kind.

    A data set of 7,000 events costs about 0.1 ms, so that 1,000 of them take well below a second.
    """
    return tuple(draw(pool, n, rng) for pool in pools)


def one_data_set(pools: Sequence[Pool], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The columns of a single pseudo-experiment, of all kinds together; only columns that all pools have."""
    drawn = [draw(pool, 1, rng).data(0) for pool in pools]
    common = [key for key in drawn[0] if all(key in data for data in drawn)]
    return {key: np.concatenate([data[key] for data in drawn]) for key in common}
