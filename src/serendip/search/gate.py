"""The validity gate: the questions that a sceptical reader would ask, asked of every search without being told to.

A check that fails makes the result invalid and says why; none can be switched off, only its limit moved, and the limit
stands beside its value in the report.
"""

from collections.abc import Sequence

import numpy as np

from serendip.data import Window, effective_size
from serendip.search.gate_null import null_checks
from serendip.search.prepare import Prepared
from serendip.search.result import Check
from serendip.search.scan import Scan
from serendip.search.template_quality import TemplateQuality, control_window, makes_template, template_methods

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
        *templates_describe_background(p, data, templates),
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
        + (f", for {', '.join(assuming)}" if assuming else "; no fault here, since methods and toys model the mass"),
        "A classifier tells each window from its sidebands by the features alone; 0.5 means that it cannot. Where it can, "
        "a cut makes bumps from nothing, with a good fit. Decorrelate the features from the mass, or use a method that "
        "models it.",
    )


def templates_describe_background(p: Prepared, data: Scan, templates: Sequence[TemplateQuality]) -> tuple[Check, ...]:
    """The predicted background looks like background that the method never saw; asked where a method predicts any.

    The median over windows tells a density that does not fit, the best window's own control one that fails where it counts.
    Controls that touch the best window are left out: a signal there is no fault of the template.
    """
    if not templates:
        return ()
    found = [
        excess for method in range(len(template_methods(p.config))) for excess in _aucs(p, data, templates, method)
    ]
    limit = p.config.gate.max_template_auc
    # Two errors are allowed, since a window of few events cannot say more.
    auc, error = max(found, key=lambda one: one[0] - 2 * one[1]) if found else (float("nan"), 0.0)
    return (
        Check(
            "background template",
            bool(auc <= limit + 2 * error),
            auc,
            f"AUC in control windows, in the median and beside the best window, at most {limit:g} + {2 * error:.3f} (two "
            "errors)",
            "A classifier between the worst method's template and the events of a window beside the one searched. Where it "
            "tells them apart, the template's faults are found as a signal. Train the density longer, or choose another "
            "one. Not a number: no window has a control with events on both sides; widen mass.range.",
        ),
    )


def _aucs(p: Prepared, data: Scan, templates: Sequence[TemplateQuality], method: int) -> list[tuple[float, float]]:
    """AUC and error of one method's templates: the median over controls, and the one beside the best window."""
    number, best = len(p.windows), p.windows[data.best[1]]
    ours = templates[method * number : (method + 1) * number]
    controls = [control_window(p, window) for window in p.windows]
    judged = [
        quality
        for quality, control in zip(ours, controls, strict=True)
        if control is not None and (control.high <= best.low or control.low >= best.high)
    ]
    found = [(quality.auc, quality.error) for quality in (ours[data.best[1]],) if np.isfinite(quality.auc)]
    if judged:
        median = float(np.median([quality.auc for quality in judged]))
        found.append((median, float(np.median([quality.error for quality in judged]))))
    return found


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
    """Background-only toys through the chain show neither excess nor deficit on average.

    A deficit is as grave: where data do not share what makes it in toys, the global p is far too small.
    """
    limit = p.config.gate.max_z_mean
    z = _toy_z(toys)
    value = float(max(np.nanmean(z, axis=0), key=abs)) if z.size else 0.0
    # The largest of many means fluctuates: allow it three standard errors of its own.
    noise = 3.0 * float(np.nanstd(z, axis=0).max()) / np.sqrt(len(z)) if z.size else 0.0
    return Check(
        "sculpting, in toys",
        bool(abs(value) <= limit + noise),
        value,
        f"mean Z of background-only toys within ± ({limit:g} + {noise:.2f}), three standard errors allowed",
        "The mean significance farthest from 0 over methods, windows and cuts. An excess comes from the cut or the "
        "background function; the global p corrects for it, the local p does not. A deficit may come from events that toys "
        "share with what methods train on.",
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
