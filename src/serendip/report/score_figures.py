"""Figures of scores: their distribution, what they select, and how well they do where the truth is known."""

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serendip.report.canvas import (
    BLUE,
    COLOURS,
    GREY,
    LINES,
    ORANGE,
    RED,
    VIOLET,
    legend_above,
    legend_below,
    new_figure,
    safe_text,
    with_unit,
)
from serendip.report.columns import Numbers
from serendip.report.score_panels import DriverFeature, DriversPanel, RocCurve, RocPanel, ScorePanel, SicPanel


def draw_score(panel: ScorePanel) -> Figure:
    """Window over sidebands, with their ratio and the cuts."""
    figure, (top, bottom) = new_figure(
        panel.title, 8, 6, nrows=2, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.03}
    )
    rows, edges = panel.numbers(), panel.edges
    centres = 0.5 * (rows["low"] + rows["high"])
    top.set_xlim(edges[0], edges[-1])
    top.stairs(rows["sidebands"], edges, fill=True, color=BLUE, alpha=0.35, label="Sidebands")
    seen = rows["window_error"] > 0
    top.errorbar(
        centres[seen],
        rows["window"][seen],
        rows["window_error"][seen],
        fmt="o",
        ms=4,
        color="black",
        lw=1.1,
        label="Window",
    )
    _draw_cuts((top, bottom), panel.cuts)
    shares = np.concatenate([rows["window"], rows["sidebands"]])
    if np.any(shares > 0):
        top.set_yscale("log")
        top.set_ylim(bottom=0.5 * float(np.min(shares[shares > 0])))
    upper = np.maximum(rows["window"] + rows["window_error"], rows["sidebands"])
    legend_above(top, centres, upper, 0.08 * (2 + len(panel.cuts)), 0.7)
    top.set_ylabel("Share of events / bin")
    _draw_ratio(bottom, rows, centres)
    bottom.set_xlabel(safe_text(panel.score_name))
    figure.align_ylabels([top, bottom])
    return figure


def _draw_ratio(ax: Axes, rows: Numbers, centres: np.ndarray) -> None:
    """Window over sidebands; on a log axis where it reaches far from 1."""
    both = (rows["sidebands"] > 0) & (rows["window"] > 0)
    inside, outside = rows["window"][both], rows["sidebands"][both]
    ratio = inside / outside
    spread = ratio * np.hypot(rows["window_error"][both] / inside, rows["sidebands_error"][both] / outside)
    ax.errorbar(centres[both], ratio, spread, fmt="o", ms=4, color="black", lw=1.1)
    ax.axhline(1, color=GREY, lw=0.9)
    if len(ratio) and ratio.max() > 4:
        ax.set_yscale("log")
        ax.set_ylim(min(0.5, 0.7 * ratio.min()), 2 * ratio.max())
    else:
        ax.set_ylim(0, max(2.0, 1.2 * float(np.max(ratio, initial=1))))
    ax.set_ylabel("Ratio", loc="center")


def _draw_cuts(axes: tuple[Axes, ...], cuts: tuple[tuple[str, float], ...]) -> None:
    for (label, threshold), colour, line in zip(cuts, cycle((RED, VIOLET, ORANGE)), cycle(LINES)):
        for i, ax in enumerate(axes):
            ax.axvline(threshold, color=colour, ls=line, lw=1.5, label=safe_text(f"Cut {label}") if i == 0 else None)


def draw_drivers(panel: DriversPanel) -> Figure:
    """One small histogram a feature, the one that differs most first."""
    features = panel.ranked()
    columns = min(len(features), 2) or 1
    rows = -(-len(features) // columns) or 1
    figure, axes = new_figure(
        "", 8.4 if columns == 2 else 6, 3.3 * rows + 0.7, nrows=rows, ncols=columns, squeeze=False
    )
    figure.suptitle(safe_text(panel.title), fontweight="bold", fontsize=14, x=0.02, ha="left")
    for ax, feature in zip(np.ravel(axes), features):
        _draw_driver(ax, feature)
    for ax in np.ravel(axes)[len(features) :]:
        ax.set_axis_off()
    legend_below(figure, np.ravel(axes)[0])
    return figure


def _draw_driver(ax: Axes, feature: DriverFeature) -> None:
    centres = 0.5 * (feature.edges[1:] + feature.edges[:-1])
    ax.stairs(
        feature.reference,
        feature.edges,
        fill=True,
        color=BLUE,
        alpha=0.35,
        label="All events in the sidebands",
    )
    seen = feature.selected_error > 0
    ax.errorbar(
        centres[seen], feature.selected[seen], feature.selected_error[seen],
        fmt="o", ms=4, color="black", lw=1.1, label="Selected events in the window",
    )  # fmt: skip
    chi2, bins = feature.chi2
    ax.text(0.97, 0.95, f"χ²/bins = {chi2:.0f}/{bins}", transform=ax.transAxes, ha="right", va="top", fontsize=11)
    top = max(
        float(np.max(feature.reference, initial=0)),
        float(np.max(feature.selected + feature.selected_error, initial=0)),
    )
    ax.set_ylim(min(0.0, 1.1 * float(feature.selected.min())), 1.3 * top or 1.0)
    ax.set_xlim(feature.edges[0], feature.edges[-1])
    ax.set_xlabel(with_unit(feature.feature, feature.unit))
    ax.set_ylabel("Density")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)


def draw_roc(panel: RocPanel) -> Figure:
    """Background rejection against signal efficiency, and the line of chance."""
    figure, ax = new_figure(panel.title, 7.2, 5.6)
    best = 10.0
    for curve, colour, line in zip(panel.curves, cycle(COLOURS), cycle(LINES)):
        seen = (curve.fpr > 0) & (curve.tpr > 0)
        area = "" if curve.auc is None else f", AUC {curve.auc:.3f}"
        ax.plot(curve.tpr[seen], 1 / curve.fpr[seen], line, color=colour, label=safe_text(f"{curve.label}{area}"))
        best = max(best, float(np.max(1 / curve.fpr[seen], initial=10)))
    chance = np.geomspace(1 / best, 1, 200)
    ax.plot(chance, 1 / chance, color=GREY, lw=1, ls=":", label="Chance")
    ax.set_yscale("log")
    ax.set_xlim(0, 1)
    ax.set_ylim(1, 2 * best)
    ax.set_xlabel("Signal efficiency $ε_S$")
    ax.set_ylabel("Background rejection $1/ε_B$")
    ax.legend(loc="upper right")
    return figure


def draw_sic(panel: SicPanel) -> Figure:
    """Significance improvement, dotted where too few background events remain to be trusted."""
    figure, ax = new_figure(panel.title, 7.6, 5.6)
    ax.set_xscale("log")
    for curve, colour, line in zip(panel.curves, cycle(COLOURS), cycle(LINES)):
        kept = curve.fpr * curve.n_background
        trusted, thin = kept >= panel.fewest, (kept > 0) & (kept <= panel.fewest)
        ax.plot(curve.fpr[trusted], curve.sic[trusted], line, color=colour, label=safe_text(curve.label))
        ax.plot(curve.fpr[thin], curve.sic[thin], ":", color=colour, lw=1)
    ax.plot([], [], ":", color="black", lw=1, label=f"fewer than {panel.fewest} background events")
    ax.axhline(1, color=GREY, lw=1)
    few = [c.fpr * c.n_background >= panel.fewest / 5 for c in panel.curves]
    lowest = min((float(c.fpr[far].min(initial=1)) for c, far in zip(panel.curves, few)), default=1e-3)
    highest = max((float(c.sic[far].max(initial=1)) for c, far in zip(panel.curves, few)), default=1.0)
    ax.set_xlim(0.5 * lowest, 1)
    ax.set_ylim(0, 1.15 * highest)
    for cut in panel.cuts:
        _mark_cut(ax, panel.curves, cut, 1.15 * highest)
    ax.set_xlabel("Background efficiency $ε_B$")
    ax.set_ylabel("Significance improvement $ε_S$ / √$ε_B$")
    ax.legend(loc="upper right")
    return figure


def _mark_cut(ax: Axes, curves: tuple[RocCurve, ...], cut: float, top: float) -> None:
    """A line at the cut, and beside each curve the events that it keeps there; texts are kept apart."""
    ax.axvline(cut, ymax=0.66, color=GREY, lw=1, ls="--", zorder=0.5)
    background = " / ".join(sorted({f"{cut * curve.n_background:,.0f}" for curve in curves}))
    text: dict[str, Any] = {
        "textcoords": "offset points",
        "fontsize": 10.5,
        "bbox": {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1},
    }
    ax.annotate(
        f"cut {100 * cut:g} %\nB = {background}",
        (cut, 0.66),
        (0, 3),
        xycoords=("data", "axes fraction"),
        ha="center",
        **text,
    )
    marks = [(float(np.interp(cut, c.fpr, c.sic)), float(np.interp(cut, c.fpr, c.tpr)) * c.n_signal) for c in curves]
    height = -np.inf
    for (sic, signal), colour in sorted(zip(marks, cycle(COLOURS))):
        ax.plot(cut, sic, "o", color=colour, ms=6)
        height = max(sic + 0.01 * top, height + 0.045 * top)
        ax.annotate(f"S = {signal:,.0f}", (cut, height), (8, 0), color=colour, **text)
