"""The validity gate of a goodness-of-fit search: what its p-value takes for granted, asked of every run.

As in the resonance search, a check that fails makes the result invalid and says why; none can be switched off, only its
limit moved, and the limit stands beside its value in the report.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

from serendip.data import effective_size
from serendip.search.fit_prepare import FitPrepared
from serendip.search.fit_stability import Shift, centre_count, kernel_of
from serendip.search.result import Check
from serendip.stats.calibration import Calibration
from serendip.stats.sample_tests.ecdf import Ecdf
from serendip.stats.sample_tests.nuisance_draws import NuisanceDraws
from serendip.stats.sample_tests.nuisances import LearnedShape
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.toys import IndependentDraws, Permutation

DRIFT_BY_CHANCE = 1.63  # of Kolmogorov's distance, in its scale: 1 % lie beyond


def check_fit(
    p: FitPrepared,
    toys: Float[np.ndarray, "toys columns"],
    calibrations: Sequence[Calibration],
    best: int,
    shifts: Sequence[Shift],
    thrown: Sequence[Float[np.ndarray, "some columns"]] = (),
) -> tuple[Check, ...]:
    """Every check, in the order in which a reader should worry.

    Args:
        p: the analysis.
        toys: the statistics of the toys.
        calibrations: of each column.
        best: the most significant column.
        shifts: of Z under other settings.
        thrown: the statistics of toys with one nuisance at −1 σ or +1 σ.
    """
    return (
        enough_reference(p),
        *weight_checks(p),
        toys_independent(p),
        toys_alike(p, toys),
        stable(p, shifts),
        *nuisance_checks(p, toys, thrown),
        fit_quoted(p, calibrations, best),
        enough_toys(p, toys),
    )


def enough_reference(p: FitPrepared) -> Check:
    """The reference is large enough to be what the data are compared with, and for the kernels that stand on it."""
    gate = p.config.gate
    kernels = [kernel for test in p.tests if (kernel := kernel_of(test)) is not None]
    centres = [centre_count(kernel, p.reference, p.expected) for kernel in kernels]
    limit = max([gate.min_reference_events, *(gate.min_events_per_centre * count for count in centres)])
    value = effective_size(p.reference.w)
    return Check(
        "enough reference events",
        bool(value >= limit),
        value,
        f"at least {limit:g} effective events"
        + (f", {gate.min_events_per_centre:g} for each of {max(centres)} centres" if centres else ""),
        "(Σw)²/Σw² of the reference, what is kept for toys left out. With few events for each centre a kernel follows "
        "single events of the reference. Give more events, or fewer centres.",
    )


def weight_checks(p: FitPrepared) -> tuple[Check, ...]:
    """What weights must fulfil; asked where they count."""
    counted = p.config.expected == "weights" and any(test.counts for test in p.tests)
    permuted = isinstance(p.source, Permutation) and not p.source.weightless
    return (*([yield_known(p)] if counted else []), *([weights_know_the_features(p)] if permuted else []))


def yield_known(p: FitPrepared) -> Check:
    """N(R), where it is the reference's sum of weights, is known much better than data fluctuate."""
    limit = p.config.gate.max_yield_variance
    value = float(p.reference.w @ p.reference.w / p.reference.total)
    return Check(
        "yield known",
        bool(value <= limit),
        value,
        f"variance of N(R) at most {limit:g} of N(R)",
        "Σw²/Σw of the reference. Toys take N(R) for exact, while data differ from it by the reference's fluctuation too, "
        "and the p of a test that sees the number of events is too small. Give more reference events of smaller weight, "
        "or take expected: data.",
    )


def weights_know_the_features(p: FitPrepared) -> Check:
    """Weights do not depend on the features, as permutations take for granted when they give an event another's weight."""
    limit = p.config.gate.max_weight_drift
    value = max(weight_drift(p.data), weight_drift(p.reference))
    return Check(
        "weights know the features",
        bool(value <= limit),
        value,
        f"distance at most {limit:g}",
        "Kolmogorov's distance of a feature with weights from the same without, beyond what chance gives; the largest, in "
        "data and reference. Permuted weights fluctuate elsewhere than the true ones do, and p is too small or too large. "
        "Unweight the events, or take null.source: independent.",
    )


def weight_drift(sample: Sample) -> float:
    """The largest distance of a feature's distribution with weights from that without, less that of random weights."""
    equal = np.ones(len(sample))
    chance = DRIFT_BY_CHANCE * np.sqrt(max(1 / effective_size(sample.w) - 1 / len(sample), 0.0))
    apart = [np.abs(Ecdf.fit(x, sample.w).shares - Ecdf.fit(x, equal).shares).max() for x in sample.x.T]
    return max(float(max(apart) - chance), 0.0)


def toys_independent(p: FitPrepared) -> Check:
    """Toys do not all share the fluctuations of the events they are drawn from."""
    limit = p.config.gate.max_toy_overlap
    source = p.source
    if isinstance(source, NuisanceDraws):
        source = IndependentDraws(source.pool, source.expected)
    value = source.overlap if isinstance(source, IndependentDraws) else 0.0
    return Check(
        "toys independent",
        bool(value <= limit),
        value,
        f"at most {limit:g} of a toy's events in another toy",
        "The share of a toy's events that a second toy holds too: 0 from a simulator, from disjoint splits, and for "
        "permutations. Toys drawn from few events fluctuate too little about each other, and the p is too "
        "small. Keep more events for toys (null.share), or take null.source: permutation.",
    )


def toys_alike(p: FitPrepared, toys: Float[np.ndarray, "toys columns"]) -> Check:
    """The first and the second half of the toys give the same p-values: those of one half are uniform among the other."""
    limit = p.config.gate.min_uniformity
    half = len(toys) // 2
    found = [float(stats.ks_2samp(column[:half], column[half:]).pvalue) for column in toys.T] if half else [1.0]
    value = min(1.0, min(found) * len(found))
    return Check(
        "null p-values uniform",
        bool(value >= limit),
        value,
        f"p at least {limit:g}",
        "Kolmogorov–Smirnov p of the second half of the toys among the first, for the worst statistic, times their number. "
        "Toys that differ with their order are no sample of one null.",
    )


def stable(p: FitPrepared, shifts: Sequence[Shift]) -> Check:
    """Z does not hang on a kernel's centres, width or penalty."""
    limit = p.config.gate.max_z_shift
    worst = max(shifts, key=lambda one: one.relative, default=None)
    moved = "" if worst is None else f" The worst: {worst.name}, Z from {worst.before:.1f} to {worst.after:.1f}."
    return Check(
        "stable in M, σ, λ",
        worst is None or worst.relative <= limit,
        float("nan") if worst is None else worst.relative,
        f"change of Z at most {limit:g} of the larger Z, or of 2" if shifts else "asked of kernel tests with toys",
        "Data and toys tested anew with half and twice the centres and widths, and a tenth and ten times the penalty; two "
        f"errors from toys are allowed.{moved} Raise the centres, or take several widths and their combination.",
    )


def nuisance_checks(
    p: FitPrepared, toys: Float[np.ndarray, "toys columns"], thrown: Sequence[Float[np.ndarray, "some columns"]]
) -> tuple[Check, ...]:
    """What τ − Δ takes for granted; asked where there are nuisances."""
    if not p.nuisances:
        return ()
    return variations_large(p), nuisance_closure(p), null_independent(p, toys, thrown)


def variations_large(p: FitPrepared) -> Check:
    """The samples that a nuisance was learned from fluctuate much less than data do."""
    limit = p.config.gate.max_variation_share
    value = max((p.expected / one.size for one in p.nuisances if isinstance(one, LearnedShape)), default=0.0)
    return Check(
        "nuisance samples large",
        bool(value <= limit),
        float(value),
        f"N(R) at most {limit:g} of a variation's effective events",
        "For the worst nuisance; 0 where none is learned from samples of its own. Data at ν = ±1 differ from what was "
        "learned by the fluctuations of these samples, toys do not: they are thrown by it. The p is then too small. Give "
        "more events of the variations.",
    )


def nuisance_closure(p: FitPrepared) -> Check:
    """The learned ratios turn the reference into the samples they were learned from."""
    limit = p.config.gate.max_closure_auc
    value = max((one.closure.auc for one in p.nuisances if isinstance(one, LearnedShape)), default=0.5)
    return Check(
        "nuisance closure",
        bool(value <= limit),
        float(value),
        f"AUC at most {limit:g}",
        "A classifier between the reweighted reference and the variation, in events held out, for the worst nuisance; 0.5 "
        "where none is learned. What the ratio misses is found as a signal. Give more events of the variations.",
    )


def null_independent(
    p: FitPrepared, toys: Float[np.ndarray, "toys columns"], thrown: Sequence[Float[np.ndarray, "some columns"]]
) -> Check:
    """The statistic is distributed alike wherever the nuisances truly are."""
    limit = p.config.gate.min_uniformity
    found = [
        float(stats.ks_2samp(toys[:, i], shifted[:, i]).pvalue) for shifted in thrown for i in range(toys.shape[1])
    ]
    value = min(1.0, min(found) * len(found)) if found else 1.0
    return Check(
        "null independent of nuisances",
        bool(value >= limit),
        value,
        f"p at least {limit:g}",
        "Kolmogorov–Smirnov p of toys with one nuisance at −1 σ or +1 σ against those at 0, for the worst case, times their "
        "number. Where it fails, p depends on what nobody knows. Describe the nuisance better, or split it in two.",
    )


def fit_quoted(p: FitPrepared, calibrations: Sequence[Calibration], best: int) -> Check:
    """Where the quoted p comes from a fit to toys, the fit describes them."""
    limit = p.config.gate.min_goodness
    value = _goodness(calibrations[best]) if calibrations else None
    return Check(
        "fit of the toys",
        value is None or value >= limit,
        float("nan") if value is None else value,
        f"goodness p at least {limit:g}" if value is not None else "asked where the quoted p comes from a fit",
        "Goodness of the χ², or of the fit to the tail, by which the best statistic's p goes beyond its toys; by bootstrap, "
        "as the same toys were fitted. A good fit says nothing where no toy is: more toys carry it farther.",
    )


def _goodness(calibration: Calibration) -> float | None:
    how = calibration.quoted.how
    if how == "χ² fit" and calibration.chi2 is not None:
        return calibration.chi2.ks_p
    return calibration.tail.goodness if how == "tail fit" and calibration.tail is not None else None


def enough_toys(p: FitPrepared, toys: Float[np.ndarray, "toys columns"]) -> Check:
    """Enough toys for a p-value."""
    limit = p.config.gate.min_toys
    return Check(
        "enough toys",
        len(toys) >= limit,
        float(len(toys)),
        f"at least {limit}",
        "Fewer toys leave p an upper limit, and no fit to them can be judged. Set null.toys, in a new folder.",
    )
