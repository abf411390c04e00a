"""Figures of outlier scores: the ranking in other coordinates, and the elbow of a latent-size scan."""

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serendip.report.canvas import BLUE, COLOURS, GREY, MARKERS, ORANGE, RED, legend_below, new_figure, safe_text
from serendip.report.outlier_panels import CoordinatePanel, LatentScanPanel


def draw_coordinates(panel: CoordinatePanel) -> Figure:
    """Above, the rank correlation after each map; below, how many of the most anomalous events stay so."""
    figure, axes = new_figure(panel.title, 8, 6.4, nrows=2, sharex=True)
    maps = panel.series[0].maps
    offsets = np.linspace(-0.24, 0.24, len(panel.series)) if len(panel.series) > 1 else [0.0]
    for series, offset, colour, marker in zip(panel.series, offsets, cycle(COLOURS), cycle(MARKERS)):
        label = safe_text(series.label)
        for ax, values in zip(axes, (series.correlations, series.shared)):
            ax.plot(np.arange(len(maps)) + offset, values, marker, ms=7, color=colour, label=label)
    for ax in axes:
        lowest = min(float(np.min(line.get_ydata())) for line in ax.lines)
        ax.set_ylim(min(0.0, lowest) - 0.05, 1.06)
        ax.axhline(1, color=GREY, lw=1, ls=":")
        ax.tick_params(axis="x", which="both", length=0)
        for boundary in np.arange(len(maps) - 1) + 0.5:
            ax.axvline(boundary, color=GREY, lw=0.6, alpha=0.5)
    axes[0].set_ylabel("Rank correlation")
    axes[1].set_ylabel(f"Share of top {100 * panel.top:g} % kept")
    axes[1].set_xlim(-0.5, len(maps) - 0.5)
    axes[1].set_xticks(np.arange(len(maps)), [safe_text(name) for name in maps])
    axes[1].set_xlabel("Map of every feature")
    legend_below(figure, axes[0])
    return figure


def draw_latent_scan(panel: LatentScanPanel) -> Figure:
    """The loss with its elbow, and below it the AUC where there is one."""
    rows = 1 if panel.auc is None else 2
    figure, grid = new_figure(panel.title, 7.2, 3.6 + 2.2 * (rows - 1), nrows=rows, sharex=True, squeeze=False)
    axes = grid[:, 0]
    axes[0].errorbar(panel.sizes, panel.loss, panel.error, fmt="o-", color=BLUE, lw=1.4)
    if np.all(panel.loss > 0) and panel.loss.max() > 10 * panel.loss.min():
        axes[0].set_yscale("log")
    axes[0].set_ylabel(safe_text(panel.loss_name))
    if panel.auc is not None:
        axes[1].plot(panel.sizes, panel.auc, "D-", color=RED, lw=1.4)
        axes[1].axhline(0.5, color=GREY, lw=1, ls=":", label="Chance")
        axes[1].set_ylim(min(0.45, float(panel.auc.min()) - 0.05), 1.02)
        axes[1].set_ylabel("AUC")
        axes[1].legend(loc="best")
    if panel.elbow is not None:
        for ax in axes:
            ax.axvline(panel.elbow, color=ORANGE, ls="--", lw=1.5, label=f"Elbow at {panel.elbow}")
        axes[0].legend(loc="upper right")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].xaxis.minorticks_off()
    axes[-1].set_xlabel("Latent size")
    return figure
