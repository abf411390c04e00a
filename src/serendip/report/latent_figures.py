"""Figures of a model of recoils: its latent space in a plane, and what it draws against data."""

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from serendip.report.canvas import GREY, RED, new_figure, safe_text, with_unit
from serendip.report.latent_panels import LatentPanel, PredictivePanel

COLUMNS = 4  # of small plots
TICKS = [digit * 10.0**power for power in range(-1, 4) for digit in (1, 2, 5)]  # keV
KINDS = (("Electron recoils", False, "o", 9), ("Nuclear recoils", True, "^", 13))  # label, kind, marker, size


def draw_latent(panel: LatentPanel) -> Figure:
    """One plot a kind of event, with common axes and colours; the other kind lies under it in grey."""
    figure, plots = new_figure(panel.title, 10.6, 5.0, ncols=2, sharex=True, sharey=True)
    low, high = float(panel.energy.min(initial=100.0)), float(panel.energy.max(initial=1.0))
    norm = LogNorm(low, high)
    for ax, (label, kind, marker, size) in zip(plots, KINDS):
        own = panel.is_nr == kind
        ax.scatter(panel.x[~own], panel.y[~own], s=4, color=GREY, alpha=0.25, lw=0, rasterized=True)
        colours = {"c": panel.energy[own], "norm": norm, "cmap": "viridis"}
        points = ax.scatter(panel.x[own], panel.y[own], s=size, marker=marker, lw=0, rasterized=True, **colours)
        ax.set_xlabel(safe_text(panel.axes[0]))
        handle = Line2D([], [], ls="", marker=marker, color=points.cmap(0.6), label=f"{label} ({own.sum():,})")
        ax.legend(handles=[handle], loc="upper right")
    plots[0].set_ylabel(safe_text(panel.axes[1]))
    bottom, top = plots[0].get_ylim()
    plots[0].set_ylim(bottom, top + 0.12 * (top - bottom))
    plots[1].set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal", pad=10)
    bar = figure.colorbar(points, ax=plots, label=with_unit(panel.scale, "keV"), pad=0.01)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    return figure


def draw_predictive(panel: PredictivePanel) -> Figure:
    """Small histograms: held-out events as points with errors, drawn ones as steps."""
    columns = min(COLUMNS, len(panel.features))
    rows = -(-len(panel.features) // columns)
    figure, grid = new_figure(panel.title, 3.4 * columns, 2.9 * rows + 0.5, nrows=rows, ncols=columns, squeeze=False)
    for ax, feature in zip(grid.ravel(), panel.features):
        centres = 0.5 * (feature.edges[1:] + feature.edges[:-1])
        ax.stairs(feature.drawn, feature.edges, color=RED, lw=1.6, label="Drawn from the model")
        style = {"fmt": "o", "ms": 3.2, "color": "black", "lw": 1}
        ax.errorbar(centres, feature.data, feature.data_error, label="Held-out events", **style)
        ax.set_xlim(feature.edges[0], feature.edges[-1])
        ax.set_ylim(0, 1.32 * max(float(feature.data.max()), float(feature.drawn.max()), 1e-9))
        ax.set_xlabel(with_unit(feature.feature, feature.unit))
        ax.text(0.96, 0.94, safe_text(feature.note), transform=ax.transAxes, ha="right", va="top", fontsize=11)
    for ax in grid.ravel()[len(panel.features) :]:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("Part of the events")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
