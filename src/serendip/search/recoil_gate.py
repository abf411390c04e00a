"""The validity gate of a recoil search: what its p-value takes for granted, asked of every run.

As in the other searches, a check that fails makes the result invalid and says why; none can be switched off, only its limit
moved.
"""

import numpy as np
from jaxtyping import Float
from scipy import stats

from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_statistics import learned_test
from serendip.search.result import Check
from serendip.stats.score_density import ScoreDensity
from serendip.stats.two_sample import TwoSampleResult, two_sample_test

LAST = 0.2  # of the epochs, in which little should be left to learn
COMPARED = ("elbo", "h_b", "cs1", "log_cs2", "energy")
MOST_COMPARED, FEWEST_COMPARED = 5, 50  # times the data; ten events a fold
THROWN = 20_000  # background counts thrown for the p of a count


def check_recoil(found: RecoilFindings) -> tuple[Check, ...]:
    """Every check, in the order in which a reader should worry; without data those that look at them are left out."""
    simulated = (
        classifier_learned(found),
        training_settled(found),
        trigger_known(found),
        parts_disjoint(found),
        pool_large(found),
        tail_known(found),
        p_values_uniform(found),
        enough_toys(found),
    )
    if found.p.config.data is None:
        return simulated
    return (*simulated, control_rate(found), simulation_like_data(found))


def classifier_learned(found: RecoilFindings) -> Check:
    """The classifier tells electron from nuclear recoils in events held out."""
    limit, value = found.p.config.gate.min_accuracy, found.classifier["accuracy"]
    return Check(
        "classifier learned",
        bool(value >= limit),
        value,
        f"accuracy at least {limit:g}",
        "On events held out, over the energies of the training, at even odds. A poor classifier makes no false claim; it "
        "sees no signal either. Train it on more events, or longer.",
    )


def training_settled(found: RecoilFindings) -> Check:
    """Neither model was still learning when its training ended."""
    limit = found.p.config.gate.max_unsettled
    value = max(_unsettled(np.atleast_2d(task["validation_loss"])) for task in found.trained)
    return Check(
        "training settled",
        bool(value <= limit),
        value,
        f"at most {limit:g} of the whole gain",
        "What the last fifth of the epochs gained in loss on events held out, over what all epochs gained; for the worse "
        "model. Train for more epochs.",
    )


def _unsettled(losses: Float[np.ndarray, "members epochs"]) -> float:
    """The part of the gain that came at the end, averaged over members."""
    mean = np.nanmean(losses, axis=0)
    gain = mean[0] - mean.min()
    before = mean[: max(int((1 - LAST) * len(mean)), 1)].min()
    return float((before - mean.min()) / gain) if gain > 0 else 1.0


def trigger_known(found: RecoilFindings) -> Check:
    """The trigger sees most events at the lowest searched energy, so that its edge, which is known worst, lies below."""
    limit, value = found.p.config.gate.min_efficiency, float(found.judged["efficiency"])
    low = found.p.config.selection.energy[0]
    return Check(
        "trigger efficient",
        bool(value >= limit),
        value,
        f"at least {limit:g} at {low:g} keV",
        "Part of electron recoils at the lowest searched energy that trigger. Where it is small, rates depend on the "
        "threshold. Raise selection.energy.",
    )


def parts_disjoint(found: RecoilFindings) -> Check:
    """No event that the density is made from comes back in a toy."""
    density, toys = (_ids(found, part) for part in ("density", "toys"))
    value = float(len(np.intersect1d(density, toys)))
    return Check(
        "density disjoint from toys",
        value == 0,
        value,
        "no event in common",
        "Events with the same terms of the score in both parts of the pools. f0 bends to its own events: toys that hold "
        "them look more like background than data do.",
    )


def _ids(found: RecoilFindings, part: str) -> np.ndarray:
    pools = found.scores.backgrounds(part)
    return np.concatenate([pool.column("elbo") + 1j * pool.column("h_b") for pool in pools])


def pool_large(found: RecoilFindings) -> Check:
    """Toys are drawn from many more events than they hold."""
    limit = found.p.config.gate.max_pool_share
    value = max(pool.overlap for pool in found.scores.backgrounds("toys"))
    return Check(
        "pools large",
        bool(value <= limit),
        value,
        f"at most {limit:g}",
        "Events of an experiment over those of the pool that toys are drawn from, for the worst background. Toys share the "
        "pool's fluctuations, and Z is overstated by about half of this part. Enlarge the pool.",
    )


def tail_known(found: RecoilFindings) -> Check:
    """What f0 does not know of its tail is small against the fluctuations of the counts there."""
    limit = found.p.config.gate.max_tail_error
    test = learned_test(found.scores)
    first = test.edges[test.thresholds]
    error = test.above * _relative_error(test.density, first)
    value = float(np.max(error / np.sqrt(np.maximum(test.above, 1.0))))
    return Check(
        "tail of the density known",
        bool(value <= limit),
        value,
        f"at most {limit:g} of the count's fluctuation",
        "Error of the background above a threshold on TS, by the number of simulated events, over the square root of that "
        "background or 1; for the worst threshold. Enlarge the pool.",
    )


def _relative_error(density: ScoreDensity, edges: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return density.relative_error(np.maximum(edges, density.knots[0]))


def p_values_uniform(found: RecoilFindings) -> Check:
    """Background-only data sets have small p-values no more often than they should.

    Only that side is asked. On the other a test claims less than it could: "saturated" does, whose toys differ from f0 by
    the fluctuations of two pools.
    """
    limit, values = found.p.config.gate.min_uniformity, np.asarray(found.tested["uniform"])
    value = float(stats.kstest(values, "uniform", alternative="greater").pvalue)
    return Check(
        "p-values uniform",
        value >= limit,
        value,
        f"one-sided Kolmogorov–Smirnov p at least {limit:g}",
        f"p of {len(values)} background-only data sets whose events are in neither f0 nor the toys: "
        f"{np.mean(values < 0.1):.1%} lie below 0.1, {np.mean(values < 0.32):.1%} below 0.32. Where too many do, enlarge "
        "the pool.",
    )


def enough_toys(found: RecoilFindings) -> Check:
    """Enough pseudo-experiments of the background."""
    limit, value = found.p.config.gate.min_toys, len(found.null.toys)
    return Check(
        "enough toys",
        value >= limit,
        float(value),
        f"at least {limit}",
        "Fewer leave p an upper limit, and no fit to their tail can be judged. Set test.toys, in a new folder.",
    )


def control_rate(found: RecoilFindings) -> Check:
    """The data hold as many events above the searched energies as the backgrounds predict."""
    gate, control = found.p.config.gate, found.p.control
    seen = len(found.scores.columns("data", "control ")["elbo"])
    value = count_p(seen, found.scores.expected(control), control.uncertainty)
    (low, high), expected = gate.control, found.scores.expected(control)
    return Check(
        "background rate",
        bool(value >= gate.min_rate_p),
        value,
        f"p at least {gate.min_rate_p:g}",
        f"Two-sided p of {seen} events of {low:g}–{high:g} keV, where {expected:.1f} are expected, known to "
        f"{control.uncertainty:.1%}. Where rates are wrong there, they are not right below. State backgrounds.NAME.scale "
        "and its uncertainty.",
    )


def count_p(seen: int, expected: float, uncertainty: float) -> float:
    """Two-sided p of a count whose mean has a relative error: twice the smaller tail, averaged over the error."""
    quantiles = stats.norm.ppf((np.arange(THROWN) + 0.5) / THROWN)
    means = np.maximum(expected * (1 + uncertainty * quantiles), 1e-9)
    above, below = stats.poisson.sf(seen - 1, means).mean(), stats.poisson.cdf(seen, means).mean()
    return float(min(1.0, 2 * min(above, below)))


def simulation_like_data(found: RecoilFindings) -> Check:
    """Above the searched energies, no classifier tells data from simulation, or from the calibration that stands for it."""
    limit, seen = found.p.config.gate.max_mismatch_auc, len(found.scores.columns("data", "control ")["elbo"])
    if seen < FEWEST_COMPARED:
        return Check(
            "simulation like data",
            False,
            float(seen),
            f"at least {FEWEST_COMPARED} events",
            "Data in the control region: too few to be told from simulation or not. Widen gate.control.",
        )
    value = mismatch(found)
    return Check(
        "simulation like data",
        bool(value.auc <= limit + 2 * value.error),
        value.auc,
        f"AUC at most {limit:g} + {2 * value.error:.3f} (two errors)",
        "Of a classifier between data and backgrounds, simulated or of the calibration, in the control region, by both "
        "terms of the score, cS1, log cS2 and energy. What it tells apart is a detector that differs from the simulated "
        "one: the known weakness of a score that was trained on simulation. Correct the detector's numbers, or give a "
        "calibration.",
    )


def mismatch(found: RecoilFindings) -> TwoSampleResult:
    """How well data and simulation are told apart in the control region."""
    data, like, w = found.scores.columns("data", "control "), found.scores.columns(found.p.control.name), None
    if found.scores.has("calibration"):
        like, w = found.scores.calibration(found.p.control, "control ")
    x_data, x_like = (np.column_stack([columns[name] for name in COMPARED]) for columns in (data, like))
    most = MOST_COMPARED * len(x_data)
    return two_sample_test(x_data, x_like[:most], None, None if w is None else w[:most], seed=found.p.seed("mismatch"))
