"""The figure of an anomaly score: data over background, signals as lines, and the ratio below."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serendip.report.anomaly_panels import AnomalyPanel
from serendip.report.canvas import BLUE, COLOURS, GREY, LINES, legend_above, new_figure, poisson_errors, safe_text

FLOOR = 0.05  # of the axis: events in a bin
ROOM = 5.0  # a ratio beyond is on a log axis


def draw_anomaly(panel: AnomalyPanel) -> Figure:
    """Events in bins of the score; below, data and background with each signal over the background alone."""
    figure, (top, bottom) = new_figure(
        panel.title, 8, 6.6, nrows=2, sharex=True, gridspec_kw={"height_ratios": [2.4, 1], "hspace": 0.03}
    )
    top.set_xlim(panel.edges[0], panel.edges[-1])
    _draw_counts(top, panel)
    _draw_ratios(bottom, panel)
    bottom.set_xlabel(safe_text(panel.score_name))
    top.set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal")
    figure.align_ylabels([top, bottom])
    return figure


def _draw_counts(ax: Axes, panel: AnomalyPanel) -> None:
    ax.set_yscale("log")
    ax.set_ylim(bottom=FLOOR)
    ax.stairs(np.maximum(panel.background, FLOOR), panel.edges, fill=True, color=BLUE, alpha=0.35, label="Background")
    highest = panel.background
    for (label, counts), colour, line in zip(panel.signals, COLOURS[1:], LINES * 2):
        ax.stairs(np.maximum(counts, FLOOR), panel.edges, color=colour, ls=line, lw=1.8, label=label, baseline=None)
        highest = np.maximum(highest, counts)
    if panel.data is not None:
        down, up = poisson_errors(panel.data)
        seen = panel.data > 0
        x, y, error = _centres(panel)[seen], panel.data[seen], [down[seen], up[seen]]
        ax.errorbar(x, y, error, fmt="o", ms=4.5, color="black", lw=1.1, label="Data")
        highest = np.maximum(highest, panel.data + up)
    _draw_cut(ax, panel)
    ax.set_ylabel("Events / bin")
    legend_above(ax, _centres(panel), highest, 0.3)


def _draw_ratios(ax: Axes, panel: AnomalyPanel) -> None:
    known = panel.background > 0
    safe = np.where(known, panel.background, 1.0)
    band = np.where(known, panel.background_error / safe, 0.0)
    ax.stairs(1 + band, panel.edges, baseline=1 - band, fill=True, color=BLUE, alpha=0.35)
    ax.axhline(1, color=GREY, lw=0.9)
    for (_, counts), colour, line in zip(panel.signals, COLOURS[1:], LINES * 2):
        ax.stairs(np.where(known, 1 + counts / safe, np.nan), panel.edges, color=colour, ls=line, lw=1.8, baseline=None)
    if panel.data is not None:
        down, up = poisson_errors(panel.data)
        seen = known & (panel.data > 0)
        ratio, below, above = (values[seen] / safe[seen] for values in (panel.data, down, up))
        ax.errorbar(_centres(panel)[seen], ratio, [below, above], fmt="o", ms=4.5, color="black", lw=1.1)
    _draw_cut(ax, panel)
    highest = max((1 + float((counts / safe)[known].max(initial=0)) for _, counts in panel.signals), default=2.0)
    highest = max(highest, 2.0 if panel.data is None else float((panel.data / safe)[known].max(initial=2.0)))
    if highest > ROOM:
        ax.set_yscale("log")
        ax.set_ylim(0.3, 2 * highest)
    else:
        ax.set_ylim(0, 1.2 * highest)
    ax.set_ylabel("Over background", loc="center")


def _draw_cut(ax: Axes, panel: AnomalyPanel) -> None:
    if panel.cut is not None:
        ax.axvspan(panel.edges[0], panel.cut, color=GREY, alpha=0.18, lw=0)


def _centres(panel: AnomalyPanel) -> np.ndarray:
    return 0.5 * (panel.edges[1:] + panel.edges[:-1])
