"""Panels drawn with Matplotlib; no pyplot, so that nothing is shared between figures."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy import special

from serendip.report.anomaly_figures import draw_anomaly
from serendip.report.anomaly_panels import AnomalyPanel
from serendip.report.band_figures import draw_bands
from serendip.report.band_panels import BandPanel
from serendip.report.canvas import (
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    RED,
    legend_above,
    legend_below,
    new_figure,
    poisson_errors,
    safe_text,
    style,
    with_unit,
)
from serendip.report.latent_figures import draw_latent, draw_predictive
from serendip.report.latent_panels import LatentPanel, PredictivePanel
from serendip.report.outlier_figures import draw_coordinates, draw_latent_scan
from serendip.report.outlier_panels import CoordinatePanel, LatentScanPanel
from serendip.report.panels import (
    DriversPanel,
    FigurePanel,
    RocPanel,
    ScanPanel,
    ScorePanel,
    SicPanel,
    SpectrumPanel,
    ToyPanel,
)
from serendip.report.pulse_figures import draw_pulses
from serendip.report.pulse_panels import PulsePanel
from serendip.report.ratio_figures import draw_pairs, draw_ratio
from serendip.report.ratio_panels import PairPanel, RatioPanel
from serendip.report.score_figures import draw_drivers, draw_roc, draw_score, draw_sic
from serendip.report.sensitivity_figures import draw_mixture_scan, draw_rejection
from serendip.report.sensitivity_panels import MixtureScanPanel, RejectionPanel


def draw(panel: FigurePanel) -> Figure:
    """The figure of a panel."""
    with style():
        figure = DRAWINGS[type(panel)](panel)
        FigureCanvasAgg(figure)
        return figure


def _spectrum(panel: SpectrumPanel) -> Figure:
    figure, (top, bottom) = new_figure(
        panel.title, 8, 6.6, nrows=2, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.03}
    )
    widths = np.diff(panel.edges)
    even = np.allclose(widths, widths[0])
    scale = np.ones_like(widths) if even else widths  # densities where bins differ, else steps would look like signals
    top.set_xlim(panel.edges[0], panel.edges[-1])
    _draw_fit(top, panel, scale)
    upper = _draw_counts(top, panel, scale)
    per = f"{widths[0]:g} {panel.unit}".strip() if even else panel.unit or "unit"
    top.set_ylabel(f"Events / {per}")
    _spectrum_limits(top, panel, scale, upper)
    _draw_pulls(bottom, panel)
    bottom.set_xlabel(with_unit(panel.mass_name, panel.unit))
    figure.align_ylabels([top, bottom])
    return figure


def _draw_fit(ax: Axes, panel: SpectrumPanel, scale: np.ndarray) -> None:
    low, high = (
        (panel.expected - panel.expected_error) / scale,
        (panel.expected + panel.expected_error) / scale,
    )
    goodness = "" if panel.goodness_p is None else f" (goodness p = {panel.goodness_p:.2g})"
    ax.stairs(high, panel.edges, baseline=low, fill=True, color=BLUE, alpha=0.3, label="± 1σ of the fit")
    ax.stairs(
        panel.expected / scale,
        panel.edges,
        color=BLUE,
        lw=1.8,
        label=f"Background fit{goodness}",
        baseline=None,
    )
    if panel.window:
        ax.axvspan(
            panel.window.low,
            panel.window.high,
            color=ORANGE,
            alpha=0.18,
            lw=0,
            label=f"Window {panel.window} {panel.unit}",
        )


def _draw_counts(ax: Axes, panel: SpectrumPanel, scale: np.ndarray) -> np.ndarray:
    """The points, hollow where the fit did not see them; returns their upper ends."""
    root = np.sqrt(panel.variances)
    down, up = poisson_errors(panel.counts) if panel.is_poisson else (root, root)
    y, down, up = panel.counts / scale, down / scale, up / scale
    centres = 0.5 * (panel.edges[1:] + panel.edges[:-1])
    filled = panel.variances > 0
    for bins, face, label in (
        (~panel.in_window, "black", "Data"),
        (panel.in_window, "white", "Data, not in the fit"),
    ):
        if bins.any():
            at = bins & filled
            ax.errorbar(
                centres[at],
                y[at],
                [down[at], up[at]],
                fmt="o",
                ms=4.5,
                color="black",
                mfc=face,
                lw=1.1,
                label=label,
                zorder=4,
            )
    return np.where(filled, y + up, 0.0)


def _spectrum_limits(ax: Axes, panel: SpectrumPanel, scale: np.ndarray, upper: np.ndarray) -> None:
    """A log axis where the spectrum falls by more than a factor of 20."""
    shown = np.concatenate([panel.counts / scale, panel.expected / scale])
    positive = shown[shown > 0]
    if len(positive) and not np.any(shown < 0) and positive.max() > 20 * positive.min():
        ax.set_yscale("log")
        one_event = float(np.min(1 / scale))
        ax.set_ylim(bottom=max(0.4 * positive.min(), 0.25 * one_event if panel.is_poisson else 0.0))
    else:
        ax.set_ylim(bottom=min(0.0, 1.2 * float(shown.min())))
    centres = 0.5 * (panel.edges[1:] + panel.edges[:-1])
    legend_above(ax, centres, np.maximum(upper, panel.expected / scale), 0.07 * len(ax.get_legend_handles_labels()[0]))


def _draw_pulls(ax: Axes, panel: SpectrumPanel) -> None:
    band = panel.expected_error / panel.statistical_error
    ax.stairs(band, panel.edges, baseline=-band, fill=True, color=BLUE, alpha=0.3)
    ax.stairs(np.where(panel.in_window, 0, panel.pulls), panel.edges, fill=True, color="#717581")
    ax.stairs(np.where(panel.in_window, panel.pulls, 0), panel.edges, fill=True, color=ORANGE)
    ax.axhline(0, color="black", lw=0.8)
    reach = max(3.4, 1.15 * float(np.max(np.abs(panel.pulls), initial=0)))
    ax.set_ylim(-min(reach, max(3.4, -1.15 * float(panel.pulls.min()))), reach)
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_ylabel("(Data − fit) / σ", loc="center")


def _scan(panel: ScanPanel) -> Figure:
    figure, ax = new_figure(panel.title, 8, 5.2)
    if panel.best:
        ax.axvspan(panel.best.low, panel.best.high, color=ORANGE, alpha=0.18, lw=0, label=f"Best window {panel.best}")
    lowest = 0.0
    for series, colour, marker, line in zip(panel.series, cycle(COLOURS), cycle(MARKERS), cycle(LINES)):
        depth = np.log10(series.p)
        lowest = min(lowest, float(depth.min(initial=0)))
        ax.plot(series.mass, depth, line, marker=marker, color=colour, label=safe_text(series.label))
        ax.plot(series.mass[series.limits], depth[series.limits] - 0.02 * abs(lowest), "v", color=colour, ms=9)
    _sigma_lines(ax, min(1.12 * lowest, -3.2))
    ax.set_ylabel("Local p")
    ax.set_xlabel(with_unit(panel.mass_name, panel.unit))
    if panel.global_text:
        ax.plot([], [], " ", label=safe_text(f"Global {panel.global_text}"))
    legend_below(figure, ax)
    return figure


def _sigma_lines(ax: Axes, lowest: float) -> None:
    """The axis in log₁₀ p, exact where p itself would underflow a log axis, and the line of each whole Z."""
    ax.set_ylim(lowest, 0.15)
    ax.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda depth, _: "1" if depth == 0 else f"$10^{{{depth:.0f}}}$"))
    ax.yaxis.minorticks_off()
    last = 0.0
    for z in range(1, 38):
        depth = float(special.log_ndtr(-z)) / np.log(10)
        if depth < lowest:
            break
        if last - depth < 0.045 * abs(lowest):
            continue
        last = depth
        ax.axhline(depth, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=0.5)
        ax.annotate(
            f"{z}σ",
            (1, depth),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color="#5a5a60",
        )


def _toys(panel: ToyPanel) -> Figure:
    figure, (left, right) = new_figure(panel.title, 10, 4.8, ncols=2)
    low = min(float(panel.toys.min(initial=panel.observed)), panel.observed)
    high = max(float(panel.toys.max(initial=panel.observed)), panel.observed)
    margin = 0.06 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, 41)
    reached = int(np.sum(panel.toys >= panel.observed))
    for ax in (left, right):
        ax.set_xlim(edges[0], edges[-1])
        ax.set_xlabel(safe_text(panel.statistic))
        label = f"Observed {panel.observed:.2f}: {reached} of {len(panel.toys)} toys reach it"
        ax.axvline(panel.observed, 0, 0.82, color="black", lw=1.6, label=label if ax is left else None)
    heights, _, _ = left.hist(
        panel.toys, edges, color=BLUE, alpha=0.45, label=f"{len(panel.toys):,} background-only toys"
    )
    left.set_ylim(bottom=0)
    left.set_ylabel("Toys / bin")
    legend_above(left, 0.5 * (edges[1:] + edges[:-1]), heights, 0.18, 0.0)
    _draw_survival(right, panel)
    return figure


def _draw_survival(ax: Axes, panel: ToyPanel) -> None:
    toys = np.sort(panel.toys)
    share = np.arange(len(toys), 0, -1) / max(len(toys), 1)
    ax.step(toys, share, where="pre", color=BLUE, label="Toys")
    lowest = float(share.min(initial=1.0))
    if panel.tail:
        goodness = "" if panel.tail.goodness_p is None else f" (goodness p = {panel.tail.goodness_p:.2g})"
        ax.plot(
            panel.tail.z,
            panel.tail.survival,
            color=RED,
            ls="--",
            label=safe_text(f"{panel.tail.label}{goodness}"),
        )
        lowest = min(lowest, max(float(np.interp(panel.observed, panel.tail.z, panel.tail.survival)), 1e-15))
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.3 * lowest)
    legend_above(ax, toys, share, 0.18, 0.0)
    ax.set_ylabel("Share of toys at or above")


DRAWINGS: dict[type, Callable[[Any], Figure]] = {
    SpectrumPanel: _spectrum,
    ScanPanel: _scan,
    ScorePanel: draw_score,
    DriversPanel: draw_drivers,
    RocPanel: draw_roc,
    SicPanel: draw_sic,
    ToyPanel: _toys,
    CoordinatePanel: draw_coordinates,
    LatentScanPanel: draw_latent_scan,
    RatioPanel: draw_ratio,
    PairPanel: draw_pairs,
    PulsePanel: draw_pulses,
    MixtureScanPanel: draw_mixture_scan,
    RejectionPanel: draw_rejection,
    AnomalyPanel: draw_anomaly,
    BandPanel: draw_bands,
    LatentPanel: draw_latent,
    PredictivePanel: draw_predictive,
}
