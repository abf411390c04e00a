"""How many events a toy has, and which of a weighted pool: at unit weight, and none twice."""

from typing import Literal

import numpy as np

from serendip.errors import InputError
from serendip.stats.sample_tests.sample import Sample

Counts = Literal["poisson", "fixed"]


def draw_unweighted(pool: Sample, n: int, rng: np.random.Generator) -> Sample:
    """n different events, each with the probability n w / Σ w, at unit weight.

    Weighted events are drawn by systematic sampling in a random order, which has these probabilities exactly (Madow
    1949, doi:10.1214/aoms/1177729988).

    Raises:
        InputError: the pool is too small: n w / Σ w exceeds 1 for an event.
    """
    require_pool(pool, n)
    if np.all(pool.w == pool.w[:1]):
        return Sample(pool.x[rng.choice(len(pool), n, replace=False)])
    order = rng.permutation(len(pool))
    reach = np.cumsum(pool.w[order]) * (n / pool.total)
    rows = order[np.minimum(np.searchsorted(reach, rng.random() + np.arange(n), side="right"), len(pool) - 1)]
    return Sample(pool.x[rng.permutation(rows)])


def largest_draw(pool: Sample) -> int:
    """How many events can be drawn with probabilities ∝ w and none twice."""
    return int(pool.total / pool.w.max() * (1 + 1e-12)) if len(pool) else 0


def draw_count(expected: float, counts: Counts, rng: np.random.Generator) -> int:
    """The number of events of one toy."""
    return int(rng.poisson(expected)) if counts == "poisson" else round(expected)


def require_count(expected: float, counts: Counts) -> None:
    """Refuse an expectation that cannot be."""
    if not (np.isfinite(expected) and expected > 0):
        raise InputError(f"Got expected={expected:g}, but expected a positive number of events.")
    if counts not in ("poisson", "fixed"):
        raise InputError(f"Got counts={counts!r}, but expected 'poisson' or 'fixed'.")
    if counts == "fixed" and round(expected) == 0:
        raise InputError(f"Got expected={expected:g} at fixed counts, but expected at least one event.")


def require_pool(pool: Sample, n: int) -> None:
    """Refuse to draw more than the pool holds."""
    if n > largest_draw(pool):
        raise InputError(
            f"Got a pool of {len(pool)} events, from which {largest_draw(pool)} can be drawn at unit weight and none "
            f"twice, but expected at least {n}. Give more events, expect fewer, or take permutations."
        )


def require_positive_weights(pool: Sample) -> None:
    """Refuse a pool with negative weights, or with none above 0."""
    negative = int((pool.w < 0).sum())
    if negative:
        raise InputError(
            f"Got {negative} events of negative weight to draw toys from, but expected none: with their sign kept, toys "
            "would fluctuate more than the data. Make the weights positive first, or take permutations."
        )
    if not pool.total > 0:
        raise InputError(f"Got a pool whose weights sum to {pool.total:g}, but expected a sum above 0.")
