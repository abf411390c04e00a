"""Figures of a test's power: p against a setting of the score, and rejection against the signal's strength."""

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from serendip.report.canvas import (
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    legend_below,
    new_figure,
    safe_text,
    scientific,
    with_unit,
)
from serendip.report.sensitivity_panels import MedianBand, MixtureScanPanel, RejectionPanel

SMALLEST_P = 1e-7
HIGHEST_Z = 6.0
LEVELS = (1, 2, 3, 4, 5)


def draw_mixture_scan(panel: MixtureScanPanel) -> Figure:
    """A line and its band for each signal; p falls upward, so that higher is more power, as in other figures."""
    figure, ax = new_figure(panel.title, 8, 5.6)
    lowest = 1.0
    weights = np.unique(np.concatenate([band.x for band in panel.bands])) if panel.bands else np.array([1.0])
    positive = weights[weights > 0]
    for band, colour, marker, line in zip(panel.bands, cycle(COLOURS), cycle(MARKERS), cycle(LINES)):
        _draw_band(ax, band, colour, marker, line)
        lowest = min(lowest, float(band.low.min()))
    bottom = max(0.4 * lowest, SMALLEST_P)
    ax.set_yscale("log")
    ax.set_ylim(1.0, bottom)
    if len(positive) and positive[-1] > 20 * positive[0]:
        _log_axis_with_zero(ax, positive, has_zero=bool(weights[0] == 0))
    _draw_levels(ax, bottom)
    ax.axvline(panel.chosen, color=GREY, ls="--", lw=1.2, label=f"Chosen: ${panel.symbol}$ = {panel.chosen:.4g}")
    ax.set_xlabel(safe_text(f"Weight ${panel.symbol}$ of the second term"))
    ax.set_ylabel(safe_text("$p(H_0)$"))
    ax.set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal")
    legend_below(figure, ax)
    return figure


def _log_axis_with_zero(ax: Axes, positive: np.ndarray, has_zero: bool) -> None:
    """A logarithmic axis; where 0 is on it, at its left end and linear up to the smallest number."""
    if not has_zero:
        ax.set_xscale("log")
        return
    ax.set_xscale("symlog", linthresh=positive[0], linscale=0.7)
    ax.set_xlim(-0.15 * positive[0], 1.3 * positive[-1])


def draw_rejection(panel: RejectionPanel) -> Figure:
    """A line and its band for each test; where a median crosses the level, a tick down to the axis and its strength."""
    figure, ax = new_figure(panel.title, 8, 6.2)
    ax.set_xscale("log")
    for band, at, colour, marker, line in zip(
        panel.bands, panel.crossings, cycle(COLOURS), cycle(MARKERS), cycle(LINES)
    ):
        crossing = "" if at is None else f": {panel.level:g}σ at {scientific(at)}"
        _draw_band(ax, _below(band, panel.reach), colour, marker, line, f"{band.label}{crossing}")
        if at is not None:
            ax.plot([at, at], [0, panel.level], color=colour, lw=1.1, ls=line)
            ax.plot([at], [panel.level], "o", color=colour, mec="white", ms=8, zorder=5)
    top = max((float(band.high.max()) for band in panel.bands), default=1.0)
    ax.set_ylim(0, min(max(1.12 * top, panel.level + 1), HIGHEST_Z if panel.reach is None else panel.reach + 0.4))
    ax.axhline(panel.level, color="black", lw=0.9)
    if panel.reach is not None and panel.reach < ax.get_ylim()[1]:
        ax.axhspan(panel.reach, ax.get_ylim()[1], color=GREY, alpha=0.25, lw=0, label="Beyond the calibration")
    for label, at in panel.marked:
        ax.axvline(at, color=GREY, ls=":", lw=1.2)
        ax.annotate(
            safe_text(label),
            (at, 0.985),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="top",
            ha="right",
            fontsize=10.5,
        )
    ax.set_xlabel(with_unit(*panel.strength))
    ax.set_ylabel("Rejection of “no signal” [σ]")
    ax.set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def _below(band: MedianBand, reach: float | None) -> MedianBand:
    """A band cut where its median gets to the reach, as a line on from there would say that Z no longer grows."""
    if reach is None:
        return band
    seen = slice(0, max(int(np.searchsorted(np.maximum.accumulate(band.middle), reach)), 2))
    low, middle, high = (np.minimum(values[seen], reach) for values in (band.low, band.middle, band.high))
    return MedianBand(band.label, band.x[seen], low, middle, high)


def _draw_band(ax: Axes, band: MedianBand, colour: str, marker: str, line: str, label: str | None = None) -> None:
    ax.fill_between(band.x, band.low, band.high, color=colour, alpha=0.1, lw=0)
    for edge in (band.low, band.high):
        ax.plot(band.x, edge, color=colour, ls=line, lw=0.7, alpha=0.7)
    many = max(len(band.x) // 12, 1)
    ax.plot(
        band.x, band.middle, color=colour, ls=line, marker=marker, markevery=many, ms=5, label=safe_text(label or band.label)
    )  # fmt: skip


def _draw_levels(ax: Axes, bottom: float) -> None:
    """Grey lines at whole Z, named inside on the right."""
    for z in LEVELS:
        p = float(stats.norm.sf(z))
        if p > bottom:
            ax.axhline(p, color=GREY, lw=0.8, ls=":")
            ax.annotate(
                f"{z}σ",
                (0.995, p),
                xycoords=("axes fraction", "data"),
                va="bottom",
                ha="right",
                color="#66666c",
                fontsize=11,
            )
