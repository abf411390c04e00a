"""The numbers of a finished recoil search, from which gate, result and report are made."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from serendip.run.folder import RunFolder
from serendip.run.provenance import Stopwatch, peak_memory_mb, sha256_of, versions
from serendip.search.recoil_prepare import RecoilPrepared
from serendip.search.recoil_scores import OpenScores
from serendip.search.recoil_statistics import curves_of
from serendip.search.recoil_training import classifier_scores
from serendip.search.result import BestStatistic, Check, Result, p_value_json
from serendip.stats.null_distribution import NullDistribution
from serendip.stats.p_value import ONE_SIGMA, PValue
from serendip.stats.sensitivity import RejectionCurve, strength_at
from serendip.stats.unbinned import STATISTICS

Task = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class RecoilFindings:
    """What the stages found.

    Attributes:
        p: the analysis.
        scores: the scored events, with R.
        trained: of each model, its losses.
        judged: the models in events held out.
        pools: of each task, its cut flow.
        samples: of data and calibration, their cut flows.
        chosen: R and cut, and what they were chosen by.
        tested: the tests of background alone.
        sensitivity: of each point.
    """

    p: RecoilPrepared
    scores: OpenScores
    trained: Sequence[Task]
    judged: Task
    pools: Sequence[Task]
    samples: Sequence[Task]
    chosen: Task
    tested: Task
    sensitivity: Sequence[Task]

    @property
    def statistic(self) -> str:
        """The statistic that is quoted."""
        return self.p.config.test.statistic

    @property
    def observed(self) -> float | None:
        """Its value for the data."""
        return float(self.tested[f"{self.statistic} observed"]) if self.p.config.data is not None else None

    @cached_property
    def null(self) -> NullDistribution:
        """Its distribution under background alone."""
        return self.null_of(self.statistic)

    def null_of(self, statistic: str) -> NullDistribution:
        """Of any of the statistics."""
        return NullDistribution.fit(self.tested[f"{statistic} toys"], seed=self.p.seed("null tail"))

    def p_of(self, statistic: str) -> PValue | None:
        """The p of the data by any of the statistics; None without data."""
        if self.p.config.data is None:
            return None
        return self.null_of(statistic).p_value(float(self.tested[f"{statistic} observed"]), seed=self.p.seed("p value"))

    @cached_property
    def local_p(self) -> PValue | None:
        """Of the data; also the global one, since R, cut and statistic were fixed before the data were looked at."""
        return self.p_of(self.statistic)

    @cached_property
    def classifier(self) -> dict[str, float]:
        """How well electron and nuclear recoils are told apart in events held out."""
        return self.classifier_in(np.ones(len(self.judged["is_nr"]), bool))

    def classifier_in(self, part: Bool[np.ndarray, " n"]) -> dict[str, float]:
        """The same in some of these events."""
        return classifier_scores(self.judged["log_odds"][part], self.judged["is_nr"][part])

    @cached_property
    def curves(self) -> list[tuple[RejectionCurve, ...]]:
        """Of each mass, the learned test's and the classical ones'."""
        return [curves_of(task) for task in self.sensitivity]

    @property
    def cut_flows(self) -> dict[str, dict[str, int]]:
        """Of each kind of pool and each sample, how many events were left after each cut."""
        flows: dict[str, dict[str, int]] = {}
        for task in self.pools:
            flow = flows.setdefault(task["kind"], {"simulated": 0})
            for cut, left in {"simulated": task["simulated"], **task["flow"]}.items():
                flow[cut] = flow.get(cut, 0) + int(left)
        return flows | {sample["sample"]: dict(sample["flow"]) for sample in self.samples}

    def result(self, checks: tuple[Check, ...], folder: RunFolder, watch: Stopwatch) -> Result:
        """Everything that result.json holds."""
        config = self.p.config
        return Result(
            search=config.search,
            method=f"anomaly function, R = {self.scores.ratio:g}",
            local_p=self.local_p,
            global_p=self.local_p,
            best=self._best(),
            trials={},
            checks=checks,
            seed=config.seed,
            config_sha256=folder.config_sha256,
            inputs=tuple(self._inputs()),
            cross_checks=self._cross_checks(),
            events=self._events(),
            versions=versions(),
            timing=watch.timing(),
            peak_memory_mb=peak_memory_mb(),
        )

    def _best(self) -> BestStatistic:
        low, median, high = np.quantile(self.null.toys, [0.5 - ONE_SIGMA / 2, 0.5, 0.5 + ONE_SIGMA / 2]).tolist()
        return BestStatistic("anomaly function", self.statistic, self.observed, median, (low, high))

    def _inputs(self) -> list[dict[str, Any]]:
        given = [
            s.path for s in (self.p.config.data, self.p.config.calibration) if s is not None and s.path is not None
        ]
        detector = self.p.config.true_detector
        given += [path for path in (detector.s1_map, detector.s2_map) if path is not None]
        files = [Path(path) for path in given]
        return [{"name": f.name, "sha256": sha256_of(f), "bytes": f.stat().st_size} for f in files]

    def _events(self) -> dict[str, Any]:
        """Expected backgrounds after cuts, and what the data hold."""
        found: dict[str, Any] = {f"expected {kind.name}": self.scores.expected(kind) for kind in self.p.searched}
        return found | {str(sample["sample"]): len(sample["elbo"]) for sample in self.samples}

    def _cross_checks(self) -> dict[str, Any]:
        """The other statistics, what was fixed before the data, and the cross sections that would be seen."""
        level = self.p.config.sensitivity.significance
        others = {name: p for name in STATISTICS if name != self.statistic and (p := self.p_of(name)) is not None}
        return {
            "fixed before the data": {
                "ratio": self.scores.ratio,
                "kept": self.scores.keep,
                "statistic": self.statistic,
            },
            "classifier": self.classifier,
            **{name: p_value_json(p) for name, p in others.items()},
            "sensitivity": [
                {"mass": task["mass"], "test": curve.name, "significance": level, **asdict(strength_at(curve, level))}
                for task, curves in zip(self.sensitivity, self.curves)
                for curve in curves
            ],
        }
