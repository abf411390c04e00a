"""The figure of a TPC's bands: corrected S2 against corrected S1, one region a kind of recoil, events as points."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from serendip.report.band_panels import Band, BandEvents, BandPanel
from serendip.report.canvas import BLUE, ORANGE, PURPLE, RED, legend_below, new_figure, safe_text, with_unit

BAND_COLOURS = (BLUE, RED, PURPLE, ORANGE)
POINTS = (("o", "black"), ("^", "#c46210"), ("s", "#4d4d52"))
ROOM = 1.15  # beyond the outermost band or bulk of points


def draw_bands(panel: BandPanel) -> Figure:
    """Events under the outlines of the bands, so that neither hides the other."""
    figure, ax = new_figure(panel.title, 8, 5.8)
    for events, (marker, colour) in zip(panel.events, POINTS * len(panel.events)):
        _draw_events(ax, events, marker, colour)
    for band, colour in zip(panel.bands, BAND_COLOURS * len(panel.bands)):
        _draw_band(ax, band, colour)
    if reach := _reach(panel):  # an axis of nothing cannot be logarithmic
        ax.set_yscale("log")
        ax.set_ylim(reach[0] / ROOM, reach[1] * ROOM)
        ax.yaxis.set_major_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    ax.set_xlabel(with_unit("cS1", panel.unit))
    ax.set_ylabel(with_unit("cS2", panel.unit))
    ax.set_title(safe_text(panel.note), loc="right", fontsize=12, fontweight="normal")
    if panel.bands:
        ax.set_xlim(min(band.edges[0] for band in panel.bands), max(band.edges[-1] for band in panel.bands))
    legend_below(figure, ax)
    return figure


def _draw_events(ax: Axes, events: BandEvents, marker: str, colour: str) -> None:
    crowd = max(len(events.cs1), 1)
    size, alpha = min(14.0, 4000 / crowd + 5), min(0.85, max(0.3, 300 / crowd))
    label = safe_text(events.label)
    ax.scatter(events.cs1, events.cs2, s=size, c=colour, marker=marker, alpha=alpha, lw=0, rasterized=True, label=label)


def _draw_band(ax: Axes, band: Band, colour: str) -> None:
    centres = 0.5 * (band.edges[1:] + band.edges[:-1])
    ax.fill_between(centres, band.low, band.high, color=colour, alpha=0.16, lw=0)
    for edge in (band.low, band.high):
        ax.plot(centres, edge, color=colour, lw=1.3, ls="--")
    ax.plot(centres, band.median, color=colour, lw=2.2, label=safe_text(f"{band.label}: median, 10 and 90 %"))


def _reach(panel: BandPanel) -> tuple[float, float] | None:
    """From the lowest to the highest of bands and 99 % of points; None where there are neither."""
    parts = [edge[np.isfinite(edge)] for band in panel.bands for edge in (band.low, band.high)]
    parts += [np.quantile(events.cs2, (0.005, 0.995)) for events in panel.events if len(events.cs2)]
    seen = np.concatenate(parts) if parts else np.array([])
    seen = seen[seen > 0]
    return (float(seen.min()), float(seen.max())) if len(seen) else None
