"""How wide, how many, how stiff: the choice of (σ, M, λ) of the kernel NPLM from a reference alone.

Sources: Letizia et al. 2022, arXiv:2204.02317, section 3.3 (σ a quantile of pairwise distances, M ≥ √N, λ as small as
is stable); Grosso & Letizia 2024, arXiv:2408.12296 (several quantiles at once).
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.spatial.distance import pdist

from serendip.errors import InputError, TooFewEventsError
from serendip.features.scaling import Standardise
from serendip.nets.kernel_logistic import LogisticReference
from serendip.seeds import rng_for
from serendip.stats.sample_tests.sample import Sample

PAIRED = 2000  # events whose pairwise distances are taken
FEWEST_CENTRES = 1000  # where the reference has as many: √N is a lower bound, and more cost little
SMALLEST, LARGEST = -10, -3  # decades of λ
LEVERAGE = 1.0  # of an event on its own f/2: one event alone must not make a ratio above e^½
PROBED = 512  # events whose leverage is looked at


def no_scaling(d: int) -> Standardise:
    """For features in units that are alike."""
    return Standardise(np.zeros(d), np.ones(d))


def standard_scaling(sample: Sample) -> Standardise:
    """By the moments of a sample, with |w|: those of signed weights may have no root.

    Raises:
        InputError: a feature is constant.
    """
    share = np.abs(sample.w)
    mean = np.average(sample.x, axis=0, weights=share)
    sd = np.sqrt(np.average((sample.x - mean) ** 2, axis=0, weights=share))
    constant = np.flatnonzero(sd <= 1e-12 * np.maximum(np.abs(mean), 1e-300))
    if len(constant):
        raise InputError(
            f"Got a reference whose feature {constant[0]} is constant ({mean[constant[0]]:g}), but expected it to vary. "
            "Drop the feature, or set standardise to false."
        )
    return Standardise(mean, sd)


def choose_widths(
    x: Float[np.ndarray, "n d"], widths: Sequence[float], percentiles: Sequence[float], seed: int
) -> tuple[float, ...]:
    """The widths given, and those at percentiles of the pairwise distances between 2000 events.

    Raises:
        InputError: a percentile of the distances is 0, as events that are copies of each other make it.
    """
    if not percentiles:
        return tuple(map(float, widths))
    rows = rng_for(seed, "nplm widths").permutation(len(x))[:PAIRED]
    quantiles = np.percentile(pdist(x[rows]), percentiles)
    for percentile, quantile in zip(percentiles, quantiles, strict=True):
        if quantile <= 0:
            raise InputError(
                f"Got a distance of 0 at the {percentile:g} % quantile of pairs, but expected distinct events. "
                "Take a higher percentile, or give widths."
            )
    return (*map(float, widths), *map(float, quantiles))


def draw_centres(x: Float[np.ndarray, "n d"], count: int | None, total: float, seed: int) -> Float[np.ndarray, "m d"]:
    """M events, each at most once.

    Args:
        x: events to draw from.
        count: M; without it √N of all events, or 1000 where there are as many.
        total: N, reference and data together.
        seed: of the draw.

    Raises:
        TooFewEventsError: there are fewer events than M.
    """
    m = min(len(x), max(FEWEST_CENTRES, math.ceil(math.sqrt(total)))) if count is None else count
    if m > len(x):
        raise TooFewEventsError(
            f"Got {len(x)} events to draw {m} centres from, but expected at least as many. Lower centres."
        )
    return x[rng_for(seed, "nplm centres").choice(len(x), m, replace=False)]


def choose_penalty(reference: LogisticReference, total: float, seed: int) -> float:
    """The smallest power of ten, from 1e-10, with which no event of the reference bends f by more than ½ alone.

    Its leverage φᵀ A⁻¹ φ is twice the f that one more event makes where it stands. This is how we read "as small as is
    stable": below it f follows single events, and e^f may overflow.
    """
    rows = rng_for(seed, "nplm penalty").permutation(len(reference.w))[:PROBED]
    probes = reference.features[np.sort(rows)].astype(float)
    for decade in range(SMALLEST, LARGEST):
        matrix = reference.gram / 2
        matrix.flat[:: len(matrix) + 1] += 10.0**decade * total
        try:
            half = solve_triangular(cholesky(matrix, lower=True), probes.T, lower=True)
        except LinAlgError:
            continue
        if np.max((half**2).sum(axis=0)) <= LEVERAGE:
            return 10.0**decade
    return 10.0**LARGEST
