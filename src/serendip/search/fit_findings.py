"""The numbers of a finished goodness-of-fit search, from which result and report are made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.run.folder import RunFolder
from serendip.run.provenance import Stopwatch, peak_memory_mb, versions
from serendip.search.fit_gate import check_fit
from serendip.search.fit_prepare import FitPrepared, sample_summary
from serendip.search.fit_stability import Shift, shift
from serendip.search.fit_tasks import all_variants
from serendip.search.load import input_files
from serendip.search.result import BestStatistic, Result, p_value_json
from serendip.seeds import seed_for
from serendip.stats.calibration import ENOUGH_FOR_TAIL, Calibration, calibrate
from serendip.stats.combination import Combined, Local, combine
from serendip.stats.p_value import ONE_SIGMA, PValue
from serendip.stats.tail import TailFit, tail_p_value


@dataclass(frozen=True)
class Column:
    """One statistic: a test of the config, and which of its columns."""

    number: int
    test: str
    label: str
    alone: bool

    def __str__(self) -> str:
        return self.test if self.alone else f"{self.test}, {self.label}"


class FitFindings:
    """The numbers of a finished search.

    Attributes:
        p: the analysis.
        columns: what each statistic is.
        statistics: of the data, (columns,).
        toys: of each toy, (toys, columns).
        shifts: how Z moves under other settings of the kernels.
        thrown: of toys with one nuisance at −1 σ and +1 σ in turn, (toys, columns) each.
    """

    def __init__(
        self,
        p: FitPrepared,
        observed: Sequence[dict[str, Any]],
        toys: Sequence[dict[str, Any]],
        stability: Sequence[dict[str, Any]],
        nuisances: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.p = p
        names = {f"feature {i}": name for i, name in enumerate(p.config.features)}  # tests know no names
        self.columns = [
            Column(number, test.title, names.get(label, label), len(task["labels"]) == 1)
            for number, (test, task) in enumerate(zip(p.config.test, observed, strict=True))
            for label in task["labels"]
        ]
        self.statistics: Float[np.ndarray, " columns"] = np.concatenate([task["statistics"] for task in observed])
        by_test = [np.concatenate([task[str(i)] for task in toys]) for i in range(len(observed))] if toys else []
        self.toys: Float[np.ndarray, "toys columns"] = (
            np.concatenate(by_test, axis=1) if toys else np.empty((0, len(self.columns)))
        )
        self.shifts = self._shifts(stability)
        self.thrown = [np.concatenate([task[str(i)] for i in range(len(observed))], axis=1) for task in nuisances]

    @cached_property
    def calibrations(self) -> list[Calibration]:
        """Each statistic among its toys; none without toys."""
        if not len(self.toys):
            return []
        return [
            calibrate(float(t), toys, seed=seed_for(self.p.config.seed, "calibration", i))
            for i, (t, toys) in enumerate(zip(self.statistics, self.toys.T, strict=True))
        ]

    @cached_property
    def combined(self) -> Combined | None:
        """All statistics together, where there are several.

        Local p's come from the χ² fits where all of them describe their toys: those do not saturate.
        """
        if len(self.columns) == 1 or not len(self.toys):
            return None
        local: Local = "chi2" if self._smooth else "empirical"
        return combine(self.statistics, self.toys, self.p.config.combination, local=local)

    @property
    def _smooth(self) -> bool:
        """Whether a χ² describes every statistic's toys."""
        return all(one.chi2 is not None and not one.chi2.flagged for one in self.calibrations)

    @property
    def combined_tail(self) -> TailFit | None:
        """The global p by a fit to the combination's toys, where it goes on beyond them; a cross-check, never quoted.

        The tail is exponential, since every combination is −ln of χ² p-values or nearly so.
        """
        if self.combined is None or not self._smooth or len(self.toys) < ENOUGH_FOR_TAIL:
            return None
        seed = seed_for(self.p.config.seed, "combination tail")
        return tail_p_value(self.combined.statistic, self.combined.toys, family="exponential", seed=seed)

    @cached_property
    def best(self) -> int:
        """The most significant statistic; the first without toys."""
        return self._most_significant(range(len(self.columns)))

    @property
    def local_p(self) -> PValue | None:
        """Of the best statistic alone."""
        return self.calibrations[self.best].quoted if self.calibrations else None

    @property
    def global_p(self) -> PValue | None:
        """Of all statistics together; with one statistic, of that."""
        return self.local_p if self.combined is None else self.combined.p

    def best_of(self, number: int) -> int:
        """The most significant statistic of one test."""
        return self._most_significant([i for i, column in enumerate(self.columns) if column.number == number])

    @property
    def best_ratio(self) -> int | None:
        """The most significant statistic whose test learns a ratio of densities; None where none does."""
        learning = [i for i, column in enumerate(self.columns) if self.p.tests[column.number].has_ratio]
        return self._most_significant(learning) if learning else None

    def first_of(self, number: int) -> int:
        """The place of a test's first statistic."""
        return next(i for i, column in enumerate(self.columns) if column.number == number)

    def _most_significant(self, among: Sequence[int]) -> int:
        return max(among, key=lambda i: self.calibrations[i].quoted.z) if self.calibrations else among[0]

    def _shifts(self, stability: Sequence[dict[str, Any]]) -> list[Shift]:
        """How Z of each kernel test's best statistic moves."""
        found = []
        for variant, task in zip(all_variants(self.p), stability, strict=True):
            at = self.best_of(variant.number)
            column, toys = at - self.first_of(variant.number), len(task["toys"])
            before = float(self.statistics[at]), self.toys[:toys, at]
            after = float(task["observed"][column]), task["toys"][:, column]
            found.append(shift(str(self.columns[at]), variant.name, before, after, self.p.config.seed))
        return found

    def result(self, folder: RunFolder, watch: Stopwatch) -> Result:
        """Everything that result.json holds."""
        config = self.p.config
        return Result(
            search=config.search,
            method=", ".join(test.title for test in config.test),
            local_p=self.local_p,
            global_p=self.global_p,
            best=self._best(),
            trials={"statistics": len(self.columns)},
            checks=check_fit(self.p, self.toys, self.calibrations, self.best, self.shifts, self.thrown),
            seed=config.seed,
            config_sha256=folder.config_sha256,
            inputs=tuple(input_files(config)),
            cross_checks=self._cross_checks(),
            events=sample_summary(self.p),
            versions=versions(),
            timing=watch.timing(),
            peak_memory_mb=peak_memory_mb(),
        )

    def _best(self) -> BestStatistic:
        column, toys = self.columns[self.best], self.toys[:, self.best]
        label = "" if column.alone else column.label
        best = BestStatistic(column.test, label, float(self.statistics[self.best]))
        if not len(toys):
            return best
        low, median, high = np.quantile(toys, [0.5 - ONE_SIGMA / 2, 0.5, 0.5 + ONE_SIGMA / 2]).tolist()
        return replace(best, toy_median=median, toy_interval=(low, high))

    def _cross_checks(self) -> dict[str, Any]:
        """Every statistic alone, in each way that its p was got; all together by a fit to their tail."""
        found: dict[str, Any] = {}
        for column, one in zip(self.columns, self.calibrations, strict=False):
            ways = {"toys": one.p, "chi2": one.chi2_p, "tail": None if one.tail is None else one.tail.p}
            found[str(column)] = {way: p_value_json(p) for way, p in ways.items() if p is not None} | {
                "statistic": one.observed,
                "quoted": one.quoted.how,
                "why": one.why,
                "chi2_dof": None if one.chi2 is None else [one.chi2.dof, one.chi2.error],
                "chi2_ks_p": None if one.chi2 is None else one.chi2.ks_p,
            }
        if (tail := self.combined_tail) is not None:
            found["global_tail_fit"] = p_value_json(tail.p) | {
                "goodness_p": tail.goodness,
                "flagged": tail.flagged,
                "reason": tail.reason,
            }
        return found
