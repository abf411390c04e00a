"""How strongly tests reject "background only" where there is a signal, against its strength, on the same pseudo-data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for
from serendip.stats.count_test import CalibratedTest
from serendip.stats.pseudo_experiments import LARGEST_OVERLAP, Pool, draw, pseudo_experiments, require_overlap

BAND = (0.15865525393145707, 0.5, 0.8413447460685429)
AT_ONCE = 200  # pseudo-experiments whose events are held in memory
RESAMPLES = 200
STEP = 1.25
FEWEST_EVENTS, MOST_EVENTS, POINTS = 1.0, 1000.0, 25


@dataclass(frozen=True, eq=False)
class RejectionCurve:
    """What one test makes of pseudo-experiments with a signal.

    Attributes:
        name: of the test.
        strengths: of the signal, rising, the first 0; a cross section in cm² or whatever `reference` was given in.
        events: signal events expected at each.
        z_experiments: Z of each pseudo-experiment, a row a strength; columns share their background over all rows.
        null_toys: how many the test was calibrated with.
        reach: the largest Z that its calibration can give.
    """

    name: str
    strengths: Float[np.ndarray, " s"]
    events: Float[np.ndarray, " s"]
    z_experiments: Float[np.ndarray, "s n"]
    null_toys: int
    reach: float

    @property
    def z(self) -> Float[np.ndarray, "s 3"]:
        """Quantiles of Z at 16, 50 and 84 %."""
        return np.quantile(self.z_experiments, BAND, axis=1).T

    @property
    def p(self) -> Float[np.ndarray, "s 3"]:
        """Quantiles of p at 16, 50 and 84 %, rising."""
        return special.ndtr(-self.z)[:, ::-1]

    @property
    def median_error(self) -> Float[np.ndarray, " s"]:
        """Standard error of the median Z by the number of pseudo-experiments, from a bootstrap."""
        return np.std(_bootstrap_medians(self.z_experiments, seed=0), axis=0)


@dataclass(frozen=True)
class Crossing:
    """The strength at which the median Z reaches a level.

    The error does not hold what the pools leave open, as toys and pseudo-experiments share them: about 2.7 % of the strength
    where their overlap is 0.05, and in proportion to its root.

    Attributes:
        level: of Z.
        value: the strength; None where the curve does not get there.
        error: its standard deviation by the pseudo-experiments and by the null's toys.
        events: signal events expected at it.
        why: where there is no value, the reason.
    """

    level: float
    value: float | None
    error: float | None
    events: float | None
    why: str = ""

    def __str__(self) -> str:
        if self.value is None or self.error is None:
            return f"no median Z = {self.level:g}: {self.why}"
        return f"{self.value:.3g} ± {self.error:.1g} ({self.events:.1f} events)"


def default_strengths(signal: Pool, reference: float = 1.0, points: int = POINTS) -> Float[np.ndarray, " s"]:
    """Strengths that give between 1 and 1,000 signal events, in even ratios."""
    if not signal.expected > 0:
        raise InputError(f"{signal.name}.expected: Got {signal.expected}, but expected a number above 0.")
    return reference / signal.expected * np.geomspace(FEWEST_EVENTS, MOST_EVENTS, points)


def rejection_curves(
    tests: Sequence[CalibratedTest],
    backgrounds: Sequence[Pool],
    signal: Pool,
    strengths: Float[np.ndarray, " s"],
    *,
    reference: float = 1.0,
    n: int = 1000,
    step: float = STEP,
    seed: int = 0,
    largest_overlap: float = LARGEST_OVERLAP,
) -> tuple[RejectionCurve, ...]:
    """Throw pseudo-experiments with a signal of each strength, and let every test look at the same ones.

    A pseudo-experiment keeps its background at all strengths, and its signal events as the strength grows, so that a curve
    is smooth and differences between strengths are well known. Background rates are thrown within their uncertainties;
    the signal's is not. Strength 0 is added: there Z must be that of the null.

    Args:
        tests: each calibrated with background alone, by toys of another seed.
        backgrounds: background events, kind by kind, with the columns of all tests.
        signal: signal events; `expected` of them at the strength `reference`.
        strengths: at least 0.
        reference: the strength at which `signal.expected` holds, such as a cross section in cm².
        n: pseudo-experiments at each strength.
        step: the largest ratio of neighbours; others are put between, and some below the lowest, as Z is far from linear in
            the strength. They cost little.
        seed: of the pseudo-experiments.
        largest_overlap: refuse background pools with fewer events than expected / this.

    Raises:
        InputError: a background pool is too small, a strength negative, or there is no test, strength or experiment, or
            `step` is not above 1.
    """
    require_events(1, tests=tests, strengths=strengths, pseudo_experiments=range(n))
    require_overlap(backgrounds, largest_overlap)
    if not (np.isfinite(strengths).all() and strengths.min() >= 0 and reference > 0):
        raise InputError(
            f"Got strengths {strengths}, reference {reference}, but expected finite ones >= 0, and one > 0."
        )
    if not step > 1:
        raise InputError(f"Got step={step}, but expected a ratio above 1.")
    strengths = _with_steps(np.unique(strengths[strengths > 0]), step)
    events = signal.expected * strengths / reference
    parts = [
        _z_of_some(tests, backgrounds, signal, events, min(AT_ONCE, n - start), rng_for(seed, "sensitivity", index))
        for index, start in enumerate(range(0, n, AT_ONCE))
    ]
    z = np.concatenate(parts, axis=2)
    return tuple(
        RejectionCurve(one.test.name, strengths, events, z_one, len(one.null.toys), one.null.reach)
        for one, z_one in zip(tests, z)
    )


def strength_at(curve: RejectionCurve, level: float = 3.0, *, seed: int = 0) -> Crossing:
    """Where the median Z crosses a level, linear between the curve's strengths.

    The error: a bootstrap over pseudo-experiments, and the binomial error of the null's p at the level, over the slope.
    """
    medians = _bootstrap_medians(curve.z_experiments, seed=seed)
    medians[0] = np.median(curve.z_experiments, axis=1)
    crossings = np.array([_crossing(curve.strengths, median, level) for median in medians])
    value = float(crossings[0])
    if np.isnan(value):
        reason = "the calibration cannot show it" if curve.reach < level else "the largest strength is too small"
        return Crossing(level, None, None, None, f"{reason}; the median gets to {medians[0].max():.2f}")
    found = crossings[~np.isnan(crossings)]
    p, density = special.ndtr(-level), np.exp(-0.5 * level**2) / np.sqrt(2 * np.pi)
    error_of_z = float(np.sqrt(p * (1 - p) / curve.null_toys) / density)
    shifted = [_crossing(curve.strengths, medians[0], level + sign * error_of_z) for sign in (-1, 1)]
    by_null = float(np.nanmax(np.abs(np.array(shifted) - value)))  # the lower one is always found
    events = float(np.interp(value, curve.strengths, curve.events))
    return Crossing(level, value, float(np.hypot(found.std(), by_null)), events)


def _with_steps(strengths: Float[np.ndarray, " s"], step: float) -> Float[np.ndarray, " all"]:
    """0, quarters of the lowest, and strengths whose neighbours differ by a ratio of at most `step`."""
    if len(strengths) == 0:
        return np.zeros(1)
    numbers = np.ceil(np.log(strengths[1:] / strengths[:-1]) / np.log(step) - 1e-9).astype(int)
    between = [
        np.geomspace(low, high, n, endpoint=False)[1:] for low, high, n in zip(strengths, strengths[1:], numbers)
    ]
    return np.unique(np.concatenate([[0.0], strengths[0] * np.array([0.25, 0.5, 0.75]), strengths, *between]))


def _z_of_some(
    tests: Sequence[CalibratedTest],
    backgrounds: Sequence[Pool],
    signal: Pool,
    events: Float[np.ndarray, " s"],
    n: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "tests s n"]:
    """Z of every test at every strength; the signal of one strength is that of the one before and some more."""
    drawn = pseudo_experiments(backgrounds, n, rng)
    more = [
        draw(replace(signal, expected=float(step), uncertainty=0.0), n, rng) for step in np.diff(events, prepend=0.0)
    ]
    z = np.empty((len(tests), len(events), n))
    for row, one in zip(z, tests):
        test = one.test
        counts = sum(events.counts(test.codes(events.pool.columns), test.cells) for events in drawn)
        codes = test.codes(signal.columns)
        for i, added in enumerate(more):
            counts = counts + added.counts(codes, test.cells)
            row[i] = one.z(counts)
    return z


def _bootstrap_medians(z: Float[np.ndarray, "s n"], seed: int) -> Float[np.ndarray, "resamples s"]:
    rng = rng_for(seed, "bootstrap of medians")
    return np.stack([np.median(z[:, rng.integers(z.shape[1], size=z.shape[1])], axis=1) for _ in range(RESAMPLES)])


def _crossing(strengths: Float[np.ndarray, " s"], median: Float[np.ndarray, " s"], level: float) -> float:
    """The first strength at which the rising median is at the level; NaN where it never is."""
    rising = np.maximum.accumulate(median)
    above = int(np.searchsorted(rising, level, side="left"))
    if above == len(rising):
        return float("nan")
    if above == 0:
        return float(strengths[0])
    low, high = rising[above - 1], rising[above]
    return float(strengths[above - 1] + (strengths[above] - strengths[above - 1]) * (level - low) / (high - low))
