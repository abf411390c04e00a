"""The validity gate: the questions that a sceptical reader would ask, asked of every search without being told to.

A check that fails makes the result invalid and says why; none can be switched off, only its limit moved, and the limit
stands beside its value in the report.
"""

from collections.abc import Sequence

import numpy as np

from serendip.data import Window, effective_size
from serendip.run.nulls import DensitySampler
from serendip.score.classifiers import make_classifier
from serendip.search.prepare import Prepared
from serendip.search.result import Check
from serendip.search.scan import Scan
from serendip.search.template_quality import TemplateQuality, makes_template, template_methods
from serendip.seeds import seed_for
from serendip.stats.background_fit import fit_background
from serendip.stats.two_sample import two_sample_test

RARE = 0.01  # what fewer toys reach is no fluctuation


def check_all(
    p: Prepared,
    data: Scan,
    toys: Sequence[Scan],
    mass_auc: np.ndarray,
    spurious: float,
    templates: Sequence[TemplateQuality] = (),
) -> tuple[Check, ...]:
    """Every check, in the order in which a reader should worry.

    Args:
        p: the analysis.
        data: the scan of the data.
        toys: the scans of the background-only toys.
        mass_auc: of the two-sample test of each window against its sidebands, (windows,).
        spurious: signal that the fit finds where the background follows another family, in units of its error.
        templates: of the template methods in the control windows, (methods × windows,), windows fastest.
    """
    return (
        enough_events(p),
        enough_expected(p, data),
        features_know_the_mass(p, mass_auc),
        *templates_describe_background(p, templates),
        sculpting_in_data(p, data, toys),
        sculpting_in_toys(p, data, toys),
        spurious_signal(p, spurious),
        fit_goodness(p, data),
        *null_checks(p, data),
        local_p_calibrated(p, toys),
        enough_toys(p, toys),
    )


def enough_events(p: Prepared) -> Check:
    """Every window and its sidebands hold enough effective events to train on."""
    limit_in, limit_out = p.config.gate.min_window_events, p.config.gate.min_sideband_events
    inside = [effective_size(p.events.w[window.contains(p.m)]) for window in p.windows]
    outside = [effective_size(p.events.w[~window.contains(p.m)]) for window in p.windows]
    worst = int(np.argmin(inside))
    return Check(
        "enough events",
        min(inside) >= limit_in and min(outside) >= limit_out,
        float(min(inside)),
        f"at least {limit_in} in a window, {limit_out} in its sidebands",
        f"Window {p.windows[worst]} holds the fewest effective events. Widen the windows, or leave it out.",
    )


def enough_expected(p: Prepared, data: Scan) -> Check:
    """The best window's background after the cut is large enough for a fit to mean something."""
    limit = p.config.gate.min_expected
    expected = float(data.expected[data.best]) / p.weight_scale(p.windows[data.best[1]])
    left_out = int(np.isneginf(data.z).sum())
    return Check(
        "expected background",
        bool(expected >= limit),
        expected,
        f"at least {limit:g} effective events",
        f"{left_out} of {data.z.size} spectra expect fewer and were not scanned, in data and toys alike. "
        "Loosen the cuts where too many are left out.",
    )


def features_know_the_mass(p: Prepared, mass_auc: np.ndarray) -> Check:
    """Features that depend on the mass tell window from sidebands in every window, a signal only in those it is in.

    That is no fault where both the methods and the toys model the dependence.
    """
    limit = p.config.gate.max_mass_auc
    value = float(np.median(mass_auc))
    assuming = [method.title for method in p.config.method if not makes_template(method)]
    if p.config.null.generator == "mass_shuffle":
        assuming.append("null.generator: mass_shuffle")
    return Check(
        "features know the mass",
        bool(value <= limit or not assuming),
        value,
        f"median AUC over windows at most {limit:g}"
        + (f", for {', '.join(assuming)}" if assuming else "; without effect, since methods and toys model the mass"),
        "A classifier tells each window from its sidebands by the features alone; 0.5 means that it cannot. Where it can, "
        "a cut makes bumps from nothing, with a good fit. Decorrelate the features from the mass, or use a method that "
        "models it.",
    )


def templates_describe_background(p: Prepared, templates: Sequence[TemplateQuality]) -> tuple[Check, ...]:
    """The predicted background looks like background that the method never saw; asked where a method predicts any."""
    if not templates:
        return ()
    limit = p.config.gate.max_template_auc
    aucs = np.array([quality.auc for quality in templates]).reshape(-1, len(p.windows))
    medians = np.median(aucs, axis=1)
    worst = int(np.argmax(medians))
    return (
        Check(
            "background template",
            bool(medians[worst] <= limit),
            float(medians[worst]),
            f"median AUC over control windows at most {limit:g}",
            f"A classifier between the template of {template_methods(p.config)[worst].title}, the worst, and the events of "
            "a window beside the one searched. Where it tells them apart, the template's faults are found as a signal. "
            "Train the density longer, or choose another one.",
        ),
    )


def sculpting_in_data(p: Prepared, data: Scan, toys: Sequence[Scan]) -> Check:
    """Excesses in windows that the best one does not touch: a signal makes none, a sculpted background many."""
    limit = p.config.gate.max_sculpting
    value = _elsewhere(data, p.windows)
    reached = float(np.mean([_elsewhere(toy, p.windows) >= value for toy in toys])) if toys else 0.0
    return Check(
        "sculpting, in the data",
        bool(value <= limit or reached > RARE),
        value,
        f"median Z away from the best window at most {limit:g}",
        "The median significance of the windows that do not overlap the best one, for the worst method and cut. "
        "If most windows show an excess, the cut shapes the background.",
    )


def _elsewhere(scan: Scan, windows: Sequence[Window]) -> float:
    best = windows[scan.best[1]]
    apart = [i for i, window in enumerate(windows) if window.high <= best.low or window.low >= best.high]
    if not apart:
        return 0.0
    medians = [
        np.median(column[np.isfinite(column)])
        for column in scan.z[:, apart, :].transpose(0, 2, 1).reshape(-1, len(apart))
        if np.isfinite(column).sum() >= 3  # of fewer windows a median says nothing
    ]
    return float(max(medians, default=0.0))


def sculpting_in_toys(p: Prepared, data: Scan, toys: Sequence[Scan]) -> Check:
    """Background-only toys through the chain show no excess on average."""
    limit = p.config.gate.max_z_mean
    z = _toy_z(toys)
    value = float(np.nanmean(z, axis=0).max()) if z.size else 0.0
    # The largest of many means fluctuates: allow it three standard errors of its own.
    noise = 3.0 * float(np.nanstd(z, axis=0).max()) / np.sqrt(len(z)) if z.size else 0.0
    return Check(
        "sculpting, in toys",
        bool(value <= limit + noise),
        value,
        f"mean Z of background-only toys at most {limit:g} + {noise:.2f} (three standard errors)",
        "The largest mean significance over methods, windows and cuts. An excess here comes from the cut or the "
        "background function. The global p corrects for it; the local p does not.",
    )


def spurious_signal(p: Prepared, spurious: float) -> Check:
    """The background function finds no signal in a background of another shape."""
    limit = p.config.gate.max_spurious
    return Check(
        "spurious signal",
        bool(abs(spurious) <= limit),
        float(spurious),
        f"at most {limit:g} of its error",
        "Fitted signal over its error where the background follows another smooth family that was fitted to the same data, "
        "for the best cut, largest over windows. Raise the order, or choose another family.",
    )


def fit_goodness(p: Prepared, data: Scan) -> Check:
    """The fit under the best window describes its sidebands."""
    limit = p.config.gate.min_goodness
    value = float(data.goodness_p[data.best])
    return Check(
        "background fit",
        bool(value >= limit),
        value,
        f"goodness p at least {limit:g}",
        "Saturated likelihood ratio of the sideband fit under the best window and cut. Raise the order, shorten the mass "
        "range, or choose another family.",
    )


def null_checks(p: Prepared, data: Scan) -> tuple[Check, ...]:
    """What the null generator takes for granted."""
    if p.config.null.generator == "reference":
        return (reference_size(p),)
    if p.config.null.generator == "density":
        return null_spectrum(p, data), toys_look_like_data(p, data)
    return null_spectrum(p, data), weights_know_the_mass(p)


def null_spectrum(p: Prepared, data: Scan) -> Check:
    """The spectrum that toys draw their masses from is that of the data, the best window left out."""
    limit = p.config.gate.min_goodness
    background = p.config.background
    window = p.windows[data.best[1]]
    fit = fit_background(p.spectrum(p.m, p.events.w), background.shape, p.uncut_fit.order, window)
    return Check(
        "null spectrum",
        bool(fit.goodness_p >= limit),
        float(fit.goodness_p),
        f"goodness p at least {limit:g}",
        f"The smooth function fitted to all events, order {p.uncut_fit.order}. Toys drawn from a poor fit are not like "
        "the data. Start the mass range above the turn-on, or allow a higher order.",
    )


def reference_size(p: Prepared) -> Check:
    """The background sample is large enough that toys drawn from it do not all share its fluctuations."""
    limit = p.config.gate.min_reference_ratio
    assert p.null_reference is not None  # the config saw to it
    value = len(p.null_reference) / len(p.events)
    return Check(
        "reference size",
        value >= limit,
        value,
        f"at least {limit:g} times the data",
        "Toys are drawn with replacement from the reference. Where it is not much larger than the data, they repeat its "
        "fluctuations, find them again, and the global p is too large. Give more events, or use mass_shuffle.",
    )


def toys_look_like_data(p: Prepared, data: Scan) -> Check:
    """Closure of the density null: features that it draws at the data's masses, against the data, best window left out."""
    limit = p.config.gate.max_null_auc
    away = ~p.windows[data.best[1]].contains(p.m)
    x, m, w = p.events.x()[away], p.m[away], p.events.w[away]
    assert isinstance(p.null, DensitySampler)
    drawn = p.null.events(m, seed_for(p.config.seed, "null closure"))
    found = two_sample_test(
        drawn.x(), x, w, w, classifier=lambda seed: make_classifier("trees", seed=seed), seed=p.config.seed
    )
    return Check(
        "null density",
        bool(found.auc <= limit),
        found.auc,
        f"AUC of toys against data at most {limit:g}",
        "A classifier between events drawn from the density that toys are made of and the data, the best window left out. "
        "Where it tells them apart, toys are not like the data. Train null.density longer, or choose another one.",
    )


def weights_know_the_mass(p: Prepared) -> Check:
    """The weights are alike at all masses, as mass_shuffle takes for granted when it gives an event another mass."""
    limit = p.config.gate.max_weight_drift
    drifts = [p.weight_scale(window, outside=False) / p.weight_scale(window, outside=True) - 1 for window in p.windows]
    value = float(max(drifts, key=abs))
    return Check(
        "weights know the mass",
        bool(abs(value) <= limit),
        value,
        f"at most {limit:g} from window to sidebands",
        "Relative change of Σw²/Σw between a window and its sidebands, the largest. Where weights depend on the mass, toys "
        "of mass_shuffle have other counts than the data. Unweight the events, or use a reference.",
    )


def local_p_calibrated(p: Prepared, toys: Sequence[Scan]) -> Check:
    """The spread of Z over background-only toys: 1 if local p-values are what they claim."""
    limit = p.config.gate.max_z_sd
    z = _toy_z(toys)
    value = float(np.nanstd(z, axis=0, ddof=1).mean()) if len(z) > 1 and z.size else 1.0
    return Check(
        "p-values uniform",
        bool(1 / limit <= value <= limit),
        value,
        f"standard deviation of Z between {1 / limit:.2f} and {limit:g}",
        "Mean over methods, windows and cuts of the spread of Z in background-only toys. Above 1, local p-values are too "
        "small (folds that train on each other's fluctuations add up); the global p stands on the toys and corrects for it.",
    )


def enough_toys(p: Prepared, toys: Sequence[Scan]) -> Check:
    """Enough retrained toys for a global p, and their fits converged."""
    limit = p.config.gate.min_toys
    converged = float(np.mean([toy.converged.mean() for toy in toys])) if toys else 0.0
    return Check(
        "enough toys",
        len(toys) >= limit and converged > 0.98,
        float(len(toys)),
        f"at least {limit}, 98 % of their fits converged",
        f"{100 * converged:.1f} % of the toys' fits converged. Fewer toys leave the global p an upper limit.",
    )


def _toy_z(toys: Sequence[Scan]) -> np.ndarray:
    """Z of all toys in every cell that is scanned, (toys, cells); NaN where a fit found no minimum."""
    if not toys:
        return np.empty((0, 0))
    z = np.array([toy.z.ravel() for toy in toys])
    scanned = np.isfinite(z).sum(axis=0) > 1
    return np.where(np.isfinite(z), z, np.nan)[:, scanned]
