"""Figures of a learned density ratio: features of data, reference and reweighted reference, and maps of pairs."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from serendip.report.canvas import (
    BLUE,
    GREY,
    RED,
    legend_above,
    new_figure,
    poisson_errors,
    safe_text,
    with_unit,
)
from serendip.report.ratio_panels import PairMaps, PairPanel, RatioPanel

SMALLEST_REACH, LARGEST_REACH = 3.0, 5.0  # of the colours of maps, in σ
RATIO_ROOM = 5.0  # a ratio beyond is on a log axis


def draw_ratio(panel: RatioPanel) -> Figure:
    """Data over the reference and its reweighting; below, both divided by the reference."""
    figure, (top, bottom) = new_figure(
        panel.title, 8, 6.6, nrows=2, sharex=True, gridspec_kw={"height_ratios": [2.2, 1], "hspace": 0.03}
    )
    top.set_xlim(panel.edges[0], panel.edges[-1])
    widths = np.diff(panel.edges)
    scale = np.ones_like(widths) if np.allclose(widths, widths[0]) else widths
    down, up = poisson_errors(panel.data) if panel.is_poisson else (np.sqrt(panel.data_variance),) * 2
    _draw_counts(top, panel, scale, (down, up))
    per = f"{widths[0]:.3g} {panel.unit}".strip() if np.all(scale == 1) else panel.unit or "unit"
    top.set_ylabel(f"Events / {per}")
    _draw_ratios(bottom, panel, (down, up))
    bottom.set_xlabel(with_unit(panel.feature, panel.unit))
    top.set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal")
    figure.align_ylabels([top, bottom])
    return figure


def _draw_counts(ax: Axes, panel: RatioPanel, scale: np.ndarray, errors: tuple[np.ndarray, np.ndarray]) -> None:
    centres, seen = 0.5 * (panel.edges[1:] + panel.edges[:-1]), panel.data_variance > 0
    reference, predicted, data = (values / scale for values in (panel.reference, panel.predicted, panel.data))
    ax.stairs(reference, panel.edges, fill=True, color=BLUE, alpha=0.35, label="Reference")
    ax.stairs(predicted, panel.edges, color=RED, lw=1.8, label="Reference × learned ratio", baseline=None)
    down, up = (error / scale for error in errors)
    ax.errorbar(centres[seen], data[seen], [down[seen], up[seen]], fmt="o", ms=4.5, color="black", lw=1.1, label="Data")
    shown = np.concatenate([reference, predicted, data])
    positive = shown[shown > 0]
    if len(positive) and not np.any(shown < 0) and positive.max() > 20 * np.median(positive):
        ax.set_yscale("log")
        ax.set_ylim(bottom=_log_floor(panel, scale, positive))
    else:
        ax.set_ylim(bottom=min(0.0, 1.2 * float(shown.min())))
    legend_above(ax, centres, np.maximum.reduce([data + np.where(seen, up, 0.0), reference, predicted]), 0.25)


def _log_floor(panel: RatioPanel, scale: np.ndarray, positive: np.ndarray) -> float:
    """A third of one event in the emptiest bin where data are events, else just below the smallest value."""
    return max(0.3 * float(np.min(1 / scale)), 0.4 * positive.min()) if panel.is_poisson else 0.4 * positive.min()


def _draw_ratios(ax: Axes, panel: RatioPanel, errors: tuple[np.ndarray, np.ndarray]) -> None:
    known = panel.reference > 0
    safe = np.where(known, panel.reference, 1.0)
    band = np.where(known, np.sqrt(panel.reference_variance) / safe, 0.0)
    ax.stairs(1 + band, panel.edges, baseline=1 - band, fill=True, color=BLUE, alpha=0.35)
    ax.axhline(1, color=GREY, lw=0.9)
    predicted = np.where(known, panel.predicted / safe, np.nan)
    ax.stairs(predicted, panel.edges, color=RED, lw=1.8, baseline=None)
    centres, seen = 0.5 * (panel.edges[1:] + panel.edges[:-1]), known & (panel.data_variance > 0)
    ratio, down, up = (values[seen] / safe[seen] for values in (panel.data, *errors))
    ax.errorbar(centres[seen], ratio, [down, up], fmt="o", ms=4.5, color="black", lw=1.1)
    highest = float(max(np.max(ratio, initial=1.0), np.nanmax(predicted, initial=1.0)))
    if highest > RATIO_ROOM and not np.any(ratio <= 0):
        ax.set_yscale("log")
        lowest = min(float(np.min(ratio, initial=1.0)), float(np.nanmin(predicted, initial=1.0)))
        ax.set_ylim(max(0.6 * lowest, 1e-2), 2 * highest)
    else:
        ax.set_ylim(min(0.0, 1.1 * float(np.min(ratio, initial=0.0))), max(2.0, 1.15 * highest))
    ax.set_ylabel("Over reference", loc="center")


def draw_pairs(panel: PairPanel) -> Figure:
    """Two maps a pair, in the same colours: data, and the reweighted reference, both against the reference."""
    rows = max(len(panel.pairs), 1)
    figure, axes = new_figure("", 9.4, 3.5 * rows + 0.8, nrows=rows, ncols=2, squeeze=False)
    figure.suptitle(safe_text(panel.title), fontweight="bold", fontsize=14, x=0.02, ha="left")
    if not panel.pairs:
        for ax in np.ravel(axes):
            ax.set_axis_off()
        return figure
    largest = max(float(np.max(np.abs(values))) for pair in panel.pairs for values in (pair.data, pair.predicted))
    reach = min(max(largest, SMALLEST_REACH), LARGEST_REACH)
    norm = TwoSlopeNorm(0.0, -reach, reach)
    for (left, right), pair in zip(axes, panel.pairs):
        _draw_map(left, pair, pair.data, norm)
        _draw_map(right, pair, pair.predicted, norm)
        left.set_ylabel(with_unit(*pair.second))
        right.tick_params(labelleft=False)
        left.set_title("Data", loc="left", fontsize=12)
        right.set_title("Reference × learned ratio", loc="left", fontsize=12)
        right.set_title(safe_text(pair.note), loc="right", fontsize=11, fontweight="normal")
    ends = "both" if largest > reach else "neither"
    bar = figure.colorbar(ScalarMappable(norm, "RdBu_r"), ax=axes, shrink=0.8, aspect=14 * rows, extend=ends)
    bar.set_label("Above (red) or below the reference [σ]")
    return figure


def _draw_map(ax: Axes, pair: PairMaps, values: np.ndarray, norm: TwoSlopeNorm) -> None:
    shown = np.ma.masked_where(pair.empty, values)
    ax.set_facecolor("#c4c4c8")
    ax.pcolormesh(pair.x_edges, pair.y_edges, shown.T, norm=norm, cmap="RdBu_r", rasterized=True)
    ax.set_xlabel(with_unit(*pair.first))
