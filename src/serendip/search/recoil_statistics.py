"""The statistical tasks of a recoil search: choose R and cut, test background alone, find the sensitivity.

Only the choice looks at signals, at simulated ones, and before the data: whatever it settles on, the p-value is of one test.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serendip.score.semi.anomaly_function import combine
from serendip.search.recoil_prepare import UNIT_CROSS_SECTION, RecoilPrepared
from serendip.search.recoil_scores import TERMS, OpenScores, Scores
from serendip.seeds import rng_for
from serendip.stats.count_test import CalibratedTest, calibrate_test
from serendip.stats.p_value import toy_p_value
from serendip.stats.pseudo_experiments import Pool, one_data_set, split
from serendip.stats.score_tuning import Tuning, tune
from serendip.stats.sensitivity import RejectionCurve, rejection_curves
from serendip.stats.template import TemplateScore
from serendip.stats.template_likelihood import ProfileLikelihoodRatio, TemplateNullTest
from serendip.stats.unbinned import STATISTICS, UnbinnedTest

ANY_OVERLAP = np.inf  # the gate asks, and says so in the report
LEARNED, CEILING = "anomaly function", "signal-aware likelihood"
TEMPLATE, TEMPLATE_SCORE = "2-D template, cells", "2-D template, −ln f0 as score"
REPEATED_TOYS = 500  # that a repeated data set is ranked among


def choose_task(scores: Scores, index: int) -> dict[str, object]:
    """R and the cut, by the median p of pseudo-experiments with the signals of the config; what is given stays as it is.

    The part of the pools that f0 is made from is cut in two for it: no event comes back in toys of the final test.
    """
    s, anomaly = scores.open, scores.open.p.config.anomaly
    halves = [split(pool, 0.5, 0.5, seed=s.p.seed("halves")) for pool in s.backgrounds("density")]
    tuning = tune(
        [learned for learned, _ in halves],
        [thrown for _, thrown in halves],
        [s.signal(mass, anomaly.cross_section, "density") for mass in anomaly.masses],
        lambda columns, ratio: combine(np.column_stack([columns[term] for term in TERMS]), ratio),
        anomaly.ratios if anomaly.ratio == "auto" else [anomaly.ratio],
        anomaly.keeps if anomaly.keep == "auto" else [anomaly.keep],
        statistic=s.p.config.test.statistic,
        toys=min(s.p.config.test.toys, 10_000),
        n=anomaly.experiments,
        seed=s.p.seed("choose"),
        largest_overlap=ANY_OVERLAP,
    )
    ratio, keep = tuning.best
    return {"ratio": ratio, "keep": keep, "ratios": tuning.ratios, "keeps": tuning.keeps, "z": tuning.z}


def tuning_of(task: Mapping[str, Any], masses: list[float]) -> Tuning:
    """What `choose_task` found, from its result."""
    return Tuning(tuple(f"{mass:g} GeV" for mass in masses), task["ratios"], task["keeps"], task["z"])


def learned_test(s: OpenScores, statistic: str | None = None) -> UnbinnedTest:
    """The test of the chosen score, its density learned; quoted, or by another statistic."""
    statistic = statistic or s.p.config.test.statistic
    plain = UnbinnedTest.fit(s.backgrounds("density"), statistic=statistic, name=LEARNED)
    if s.keep == 1:
        return plain
    cut = float(plain.density.isf(np.array([s.keep]))[0])
    return UnbinnedTest.of(plain.density, s.backgrounds("density"), statistic=statistic, cut=cut, name=LEARNED)


def test_task(scores: Scores, index: int) -> dict[str, object]:
    """Each statistic of the data, and of background pseudo-experiments; the quoted one's p-values of background alone."""
    s, found = scores.open, {}
    for statistic in STATISTICS:
        one = _calibrated(s, learned_test(s, statistic), s.backgrounds("toys"))
        found[f"{statistic} toys"] = one.null.toys
        if s.has("data"):
            found[f"{statistic} observed"] = np.array(one.observed(s.columns("data")))
    return {**found, "uniform": background_p_values(s)}


def background_p_values(s: OpenScores) -> np.ndarray:
    """p of background-only data sets whose events are in neither the density nor the toys that they are ranked among.

    Each set has halves of the pools of its own: in one pair of halves all sets would share what these fluctuate.
    """
    test, p = learned_test(s), np.empty(s.p.config.gate.repeated)
    for i in range(len(p)):
        seed = s.p.seed("repeated", i)
        halves = [split(pool, 0.5, 0.5, seed=seed) for pool in s.backgrounds("toys")]
        one = calibrate_test(
            test, [first for first, _ in halves], toys=REPEATED_TOYS, seed=seed, largest_overlap=ANY_OVERLAP
        )
        value = one.observed(one_data_set([second for _, second in halves], rng_for(seed, "repeated data")))
        p[i] = toy_p_value(int(np.sum(one.null.toys >= value)), REPEATED_TOYS).p
    return p


def points(p: RecoilPrepared) -> list[float]:
    """The mass of each task of the sensitivity."""
    return list(p.config.sensitivity.masses)


def sensitivity_task(scores: Scores, index: int) -> dict[str, object]:
    """Z of pseudo-experiments with signals of one mass and every cross section: the learned test and the classical ones."""
    s = scores.open
    settings, mass = s.p.config.sensitivity, points(s.p)[index]
    learn, aside = s.backgrounds("density"), s.signal(mass, UNIT_CROSS_SECTION, "density")
    template = TemplateScore.fit(learn)
    learn, toys, (signal,) = (
        [pool.with_column("template", template.anomaly_score(pool.columns)) for pool in pools]
        for pools in (learn, s.backgrounds("toys"), [s.signal(mass, UNIT_CROSS_SECTION, "toys")])
    )
    tests = (
        learned_test(s),
        UnbinnedTest.fit(learn, column="template", statistic=s.p.config.test.statistic, name=TEMPLATE_SCORE),
        TemplateNullTest.fit(learn, name=TEMPLATE),
        ProfileLikelihoodRatio.fit(learn, aside, name=CEILING),
    )
    curves = rejection_curves(
        [_calibrated(s, test, toys) for test in tests],
        toys,
        signal,
        np.array(settings.cross_sections),
        reference=UNIT_CROSS_SECTION,
        n=settings.experiments,
        seed=s.p.seed("sensitivity", index),
        largest_overlap=ANY_OVERLAP,
    )
    found: dict[str, object] = {"mass": mass, "names": [curve.name for curve in curves]}
    for i, curve in enumerate(curves):
        found |= {f"z {i}": curve.z_experiments, f"reach {i}": curve.reach}
    return found | {"strengths": curves[0].strengths, "events": curves[0].events, "toys": s.p.config.test.toys}


def curves_of(task: Mapping[str, Any]) -> tuple[RejectionCurve, ...]:
    """What `sensitivity_task` found, from its result."""
    return tuple(
        RejectionCurve(name, task["strengths"], task["events"], task[f"z {i}"], task["toys"], task[f"reach {i}"])
        for i, name in enumerate(task["names"])
    )


def _calibrated(s: OpenScores, test: Any, pools: Sequence[Pool]) -> CalibratedTest:
    return calibrate_test(test, pools, toys=s.p.config.test.toys, seed=s.p.seed("toys"), largest_overlap=ANY_OVERLAP)
