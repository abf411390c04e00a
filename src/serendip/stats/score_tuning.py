"""Which mixture of two terms makes the best score, and which cut on it: by the median p of background only with a signal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for
from serendip.stats.count_test import CalibratedTest, calibrate_test
from serendip.stats.pseudo_experiments import LARGEST_OVERLAP, Drawn, Pool, pseudo_experiments, require_overlap
from serendip.stats.score_density import ScoreDensity
from serendip.stats.sensitivity import BAND
from serendip.stats.unbinned import UnbinnedTest

PLATEAU = 0.1  # in Z: another training of the models moves it by as much

Combine = Callable[[Mapping[str, np.ndarray], float], np.ndarray]


@dataclass(frozen=True, eq=False)
class Tuning:
    """Rejection of "background only" against the mixture and the cut.

    Attributes:
        signals: names.
        ratios: R of TS = first + R · second, rising.
        keeps: part of the background above the cut.
        z: quantiles of Z at 16, 50 and 84 %.
    """

    signals: tuple[str, ...]
    ratios: Float[np.ndarray, " ratios"]
    keeps: Float[np.ndarray, " keeps"]
    z: Float[np.ndarray, "signals ratios keeps 3"]

    @property
    def p(self) -> Float[np.ndarray, "signals ratios keeps 3"]:
        """Quantiles of p at 16, 50 and 84 %, rising."""
        return special.ndtr(-self.z)[..., ::-1]

    @property
    def best(self) -> tuple[float, float]:
        """The smallest ratio, with its best cut, whose mean of the signals' median Z is within `PLATEAU` of the largest.

        On a plateau the choice would be noise, and a large ratio is blind to whatever the second term was not taught.
        """
        ratio, keep = self._best
        return float(self.ratios[ratio]), float(self.keeps[keep])

    def best_ratio(self, signal: str) -> tuple[float, bool]:
        """The best ratio for one signal at the chosen cut, and whether it lies inside the scan."""
        at = int(self.z[self.signals.index(signal), :, self._best[1], 1].argmax())
        return float(self.ratios[at]), 0 < at < len(self.ratios) - 1

    def rows(self) -> list[tuple[str, float, float, float, float]]:
        """Signal, ratio, kept part, median p and median Z of every point, for a table."""
        return [
            (signal, float(ratio), float(keep), float(self.p[i, j, k, 1]), float(self.z[i, j, k, 1]))
            for i, signal in enumerate(self.signals)
            for j, ratio in enumerate(self.ratios)
            for k, keep in enumerate(self.keeps)
        ]

    @property
    def _best(self) -> tuple[int, int]:
        mean = self.z[..., 1].mean(axis=0)
        ratio = int(np.flatnonzero(mean.max(axis=1) >= mean.max() - PLATEAU)[0])
        return ratio, int(mean[ratio].argmax())


def weighted_sum(first: str, second: str) -> Combine:
    """TS = first + R · second, of two columns."""
    return lambda columns, ratio: (
        np.asarray(columns[first], dtype=float) + ratio * np.asarray(columns[second], dtype=float)
    )


def tune(
    density_pools: Sequence[Pool],
    toy_pools: Sequence[Pool],
    signals: Sequence[Pool],
    combine: Combine,
    ratios: Sequence[float],
    keeps: Sequence[float] = (1.0,),
    *,
    statistic: str = "excess",
    toys: int = 10_000,
    n: int = 300,
    seed: int = 0,
    largest_overlap: float = LARGEST_OVERLAP,
) -> Tuning:
    """Scan the ratio and the cut: the median p of pseudo-experiments with each signal, calibrated at each point.

    All points see the same pseudo-experiments. Their events must not come back in the final test: give pools of their own,
    cut off by `split`, or the choice that suited them best would be judged by them.

    Args:
        density_pools: background events that f0 is learned from.
        toy_pools: background events that toys and pseudo-experiments are drawn from.
        signals: at the strength that is tuned for.
        combine: columns and ratio to the score; `weighted_sum`, or a method's own.
        ratios: R, at least one.
        keeps: part of the background above the cut, in (0, 1]; 1 for no cut.
        statistic: of the test.
        toys: background pseudo-experiments for each point.
        n: pseudo-experiments with each signal.
        seed: of both.
        largest_overlap: refuse background pools with fewer events than expected / this.

    Raises:
        InputError: a kept part is not in (0, 1], a pool too small, or there is nothing to scan.
    """
    require_events(1, ratios=ratios, cuts=keeps, signals=signals, pseudo_experiments=range(n))
    if not all(0 < keep <= 1 for keep in keeps):
        raise InputError(f"cuts: Got {tuple(keeps)}, but expected parts of the background in (0, 1]; 1 is no cut.")
    require_overlap(toy_pools, largest_overlap)
    drawn = [
        pseudo_experiments((*toy_pools, signal), n, rng_for(seed, "tuning", index))
        for index, signal in enumerate(signals)
    ]
    ordered = np.unique(np.asarray(ratios, dtype=float))
    z = np.empty((len(signals), len(ordered), len(keeps), 3))
    for j, ratio in enumerate(ordered):
        learned, thrown = ([_scored(p, combine, ratio) for p in pools] for pools in (density_pools, toy_pools))
        density = ScoreDensity.fit(
            np.concatenate([pool.column("ts") for pool in learned]),
            np.concatenate([pool.expected * pool.share for pool in learned]),
        )
        for k, keep in enumerate(keeps):
            cut = None if keep == 1 else float(density.isf(np.array([keep]))[0])
            test = UnbinnedTest.of(density, learned, statistic=statistic, cut=cut)
            calibrated = calibrate_test(test, thrown, toys=toys, seed=seed, largest_overlap=largest_overlap)
            for i, kinds in enumerate(drawn):
                z[i, j, k] = _z_band(calibrated, kinds, combine, ratio)
    return Tuning(tuple(signal.name for signal in signals), ordered, np.asarray(keeps, dtype=float), z)


def _scored(pool: Pool, combine: Combine, ratio: float) -> Pool:
    return pool.with_column("ts", combine(pool.columns, ratio))


def _z_band(one: CalibratedTest, kinds: Sequence[Drawn], combine: Combine, ratio: float) -> Float[np.ndarray, " 3"]:
    test = one.test
    counts = sum(kind.counts(test.codes({"ts": combine(kind.pool.columns, ratio)}), test.cells) for kind in kinds)
    return np.quantile(one.z(np.asarray(counts)), BAND)
