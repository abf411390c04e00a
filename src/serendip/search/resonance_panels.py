"""The figures and tables of a resonance search."""

from collections.abc import Iterator

import numpy as np

from serendip.data import Window
from serendip.errors import FitError
from serendip.report import (
    DriverFeature,
    DriversPanel,
    Panel,
    RocCurve,
    RocPanel,
    ScanPanel,
    ScanSeries,
    ScorePanel,
    SicPanel,
    SpectrumPanel,
    TablePanel,
    TailCurve,
    ToyPanel,
)
from serendip.search.findings import Findings
from serendip.search.prepare import Prepared
from serendip.search.template_panels import template_tables
from serendip.select.cuts import passes_cut
from serendip.stats import roc as stats_roc
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.excess import excesses
from serendip.stats.p_value import p_from_z
from serendip.stats.roc import roc_curve
from serendip.stats.spectrum import Spectrum
from serendip.stats.tail import log_tail

DRIVER_BINS = 30
ROC_POINTS = 400


def panels(found: Findings) -> list[Panel]:
    """Everything that the report shows, in its order."""
    shown: list[Panel] = [scan_panel(found), *spectrum_panels(found)]
    if found.toys:
        shown.append(toy_panel(found))
    shown += [score_panel(found), drivers_panel(found)]
    shown += list(truth_panels(found))
    shown += [scan_table(found), dependence_table(found), *template_tables(found.p, found.templates)]
    return shown


def percent(cut: float) -> str:
    """A cut as people say it: 1 %, 0.2 %."""
    return f"{100 * cut:g} %"


def scan_panel(found: Findings) -> ScanPanel:
    """Local p against the mass, one curve a method and cut, the uncut spectrum beside them."""
    p, mass = found.p, found.p.config.mass
    centres = np.array([window.centre for window in p.windows])
    series = []
    for i, method in enumerate(p.config.method):
        for j, cut in enumerate(p.config.cuts):
            z = found.data.z[i, :, j]
            used = np.isfinite(z)
            series.append(
                ScanSeries(f"{method.title}, {percent(cut)}", centres[used], np.array([p_from_z(v) for v in z[used]]))
            )
    series.append(ScanSeries("no cut", centres, np.array([p_from_z(v) for v in uncut_z(p)])))
    return ScanPanel(
        "scan",
        "Local p-value against the mass",
        tuple(s for s in series if len(s.mass)),
        best=found.window,
        global_text=str(found.global_p) if found.global_p else "no toys, no global p",
        mass_name=mass.name,
        unit=mass.unit,
        caption="Each point is one window, placed at its centre; overlapping windows share events. The curve without a cut "
        "is shown for comparison and is not among the trials.",
    )


def uncut_z(p: Prepared) -> np.ndarray:
    """Signed local Z of each window in the spectrum without a cut, (windows,)."""
    spectrum = p.spectrum(p.m, p.events.w)
    k = len(p.windows)
    return excesses(
        np.tile(spectrum.counts, (k, 1)),
        p.edges,
        p.windows,
        p.config.background.shape,
        p.config.background.order,
        alpha=p.config.background.alpha,
        variances=np.tile(spectrum.variances, (k, 1)),
    ).z


def spectrum_panels(found: Findings) -> Iterator[SpectrumPanel]:
    """The best window's spectrum before the cut and after each."""
    p = found.p
    whole = p.spectrum(p.m, p.events.w)
    yield spectrum_panel(
        "spectrum_uncut",
        "All events",
        whole,
        _fit(p, whole, found.window, p.uncut_fit.order),
        found.window,
        "",
    )
    method = p.config.method[found.data.best[0]].title
    for j, cut in enumerate(p.config.cuts):
        spectrum = found.cut_spectrum(j)
        order = int(found.data.order[found.data.best[0], found.data.best[1], j])
        fit = found.local.fit if j == found.data.best[2] else _fit(p, spectrum, found.window, order)
        best = " (the most significant cut)" if j == found.data.best[2] else ""
        yield spectrum_panel(
            f"spectrum_cut_{j + 1}",
            f"The {percent(cut)} most anomalous by {method}",
            spectrum,
            fit,
            found.window,
            f"Selected by the score trained for this window{best}.",
        )


def _fit(p: Prepared, spectrum: Spectrum, window: Window, order: int) -> BackgroundFit | None:
    try:
        return fit_background(spectrum, p.config.background.shape, order, window)
    except FitError:
        return None


def spectrum_panel(
    name: str, title: str, spectrum: Spectrum, fit: BackgroundFit | None, window: Window, remark: str
) -> SpectrumPanel:
    """A spectrum with the function fitted outside the window."""
    nothing = np.zeros(len(spectrum))
    fitted = (
        f"{fit.family.name} function with {fit.order} parameters, fitted outside the shaded window."
        if fit is not None
        else "No fit: too few populated bins."
    )
    return SpectrumPanel(
        name,
        title,
        spectrum.edges,
        spectrum.counts,
        spectrum.variances,
        nothing if fit is None else fit.expected,
        nothing if fit is None else fit.expected_error,
        window=window,
        mass_name=spectrum.mass_name,
        unit=spectrum.unit,
        caption=f"{remark} {fitted}".strip(),
        goodness_p=None if fit is None else fit.goodness_p,
    )


def toy_panel(found: Findings) -> ToyPanel:
    """The largest Z of each toy, with the fit to its tail."""
    curve = None
    if (tail := found.tail) is not None:
        z = np.linspace(
            np.sqrt(max(tail.threshold, 0.0)), max(found.data.largest_z, found.largest_toys.max()) + 0.5, 100
        )
        with np.errstate(divide="ignore"):
            survival = tail.n_tail / len(found.toys) * np.exp(log_tail(z**2 - tail.threshold, tail.shape, tail.scale))
        label = "tail fit (flagged)" if tail.flagged else "tail fit"
        curve = TailCurve(z, np.maximum(survival, 1e-300), tail.goodness, label)
    return ToyPanel(
        "toys",
        "Largest Z of background-only toys",
        found.largest_toys,
        found.data.largest_z,
        curve,
        caption=f"Each of the {len(found.toys)} toys repeats the whole analysis, retraining included, over all windows, "
        "cuts and methods.",
    )


def score_panel(found: Findings) -> ScorePanel:
    """The score in the best window and in its sidebands."""
    p = found.p
    anomaly = np.minimum(found.best_task["anomaly"].astype(float), 5.0)  # rarer than any cut: one overflow bin
    inside = found.window.contains(p.m)
    return ScorePanel(
        "score",
        "Score in the best window and in its sidebands",
        anomaly[inside],
        anomaly[~inside],
        cuts=tuple((percent(cut), -float(np.log10(cut))) for cut in p.config.cuts),
        window_weights=p.events.w[inside],
        sideband_weights=p.events.w[~inside],
        score_name=r"$-\log_{10}$ background efficiency",
        caption="Cross-fitted: no event is scored by a model that saw it.",
    )


def drivers_panel(found: Findings) -> DriversPanel:
    """What the selected events look like, feature by feature."""
    p = found.p
    cut = p.config.cuts[found.data.best[2]]
    inside = found.window.contains(p.m)
    selected = inside & passes_cut(found.best_task["anomaly"].astype(float), cut)
    features = tuple(_driver(p, name, selected, ~inside) for name in p.config.features)
    return DriversPanel(
        "drivers",
        "Which features drive the selected events",
        features,
        caption=f"Events of the best window that pass the {percent(cut)} cut, against all events of its sidebands, the "
        "feature that differs most first.",
    )


def _driver(p: Prepared, name: str, selected: np.ndarray, reference: np.ndarray) -> DriverFeature:
    values, w = p.events.columns[name], p.events.w
    low, high = np.quantile(values, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1.0, DRIVER_BINS + 1)
    densities = []
    for chosen in (selected, reference):
        counts = np.histogram(values[chosen], edges, weights=w[chosen])[0]
        error = np.sqrt(np.histogram(values[chosen], edges, weights=w[chosen] ** 2)[0])
        norm = np.diff(edges) * (counts.sum() or 1.0)
        densities += [counts / norm, error / norm]
    selected_density, selected_error, reference_density, reference_error = densities
    unit = p.events.units.get(name, "")
    return DriverFeature(name, edges, selected_density, selected_error, reference_density, reference_error, unit)


def truth_panels(found: Findings) -> Iterator[Panel]:
    """ROC and significance improvement within the best window, where the truth was given."""
    p = found.p
    if p.truth is None:
        return
    inside = found.window.contains(p.m)
    is_signal = p.truth.is_signal[inside]
    if is_signal.sum() < 10:
        return
    score = found.best_task["anomaly"][inside].astype(float)
    title = p.config.method[found.data.best[0]].title
    drawn = drawn_roc(title, roc_curve(score, is_signal, p.events.w[inside]))
    seen = (
        f"Of {is_signal.sum()} signal and {(~is_signal).sum()} background events in the best window; "
        "the search did not see this."
    )
    yield RocPanel("roc", "Background rejection, by truth", (drawn,), seen)
    yield SicPanel("sic", "Significance improvement, by truth", (drawn,), tuple(p.config.cuts), caption=seen)


def drawn_roc(label: str, curve: stats_roc.RocCurve) -> RocCurve:
    """A ROC curve thinned to what a figure can show."""
    picked = np.searchsorted(curve.eps_b, np.geomspace(1e-5, 1, ROC_POINTS)).clip(max=len(curve.eps_b) - 1)
    picked = np.unique(picked)
    return RocCurve(
        label,
        curve.eps_b[picked],
        curve.eps_s[picked],
        float(curve.n_b[-1]),
        float(curve.n_s[-1]),
        stats_roc.auc(curve),
    )


def scan_table(found: Findings) -> TablePanel:
    """Every method, window and cut."""
    p, data = found.p, found.data
    rows = []
    for i, method in enumerate(p.config.method):
        for j, window in enumerate(p.windows):
            for k, cut in enumerate(p.config.cuts):
                at = (i, j, k)
                z = float(data.z[at])
                rows.append(
                    (
                        method.title,
                        str(window),
                        percent(cut),
                        round(float(data.observed[at]), 1),
                        round(float(data.expected[at]), 1),
                        round(float(data.expected_error[at]), 1),
                        round(z, 2) if np.isfinite(z) else "not scanned",
                        int(data.order[at]),
                        round(float(data.goodness_p[at]), 3),
                    )
                )
    columns = ("method", "window", "cut", "observed", "expected", "± fit", "local Z", "order", "goodness p")
    return TablePanel("scan_table", "Every window and cut", columns, tuple(rows))


def dependence_table(found: Findings) -> TablePanel:
    """How well the features alone tell each window from its sidebands, and each one's correlation with the mass."""
    from scipy.stats import spearmanr

    p = found.p
    rows: list[tuple[object, ...]] = [
        (f"window {window}", f"AUC {auc_:.3f} ± {error:.3f}")
        for window, auc_, error in zip(p.windows, found.mass_auc, found.mass_auc_error, strict=True)
    ]
    rows += [
        (name, f"rank correlation {float(spearmanr(values, p.m).statistic):+.3f}")
        for name, values in p.events.columns.items()
    ]
    return TablePanel(
        "mass_dependence",
        "Do the features know the mass?",
        ("of", "value"),
        tuple(rows),
        caption="AUC of a classifier that tells the window from its sidebands by the features alone, 0.5 if it cannot; and "
        "the rank correlation of each feature with the mass. mass_shuffle toys assume that there is none.",
    )
