"""Figures of a TPC's events: waveforms, and patterns as discs at the photomultipliers' places."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from serendip.report.canvas import COLOURS, GREY, RED, new_figure, safe_text
from serendip.report.pulse_panels import EventPulses, PulsePanel

COLOUR_MAP = colormaps["viridis"].with_extremes(under="#ececf0")  # tubes with less than a photoelectron stay pale
MARGIN = 0.25  # beside the middle of a pulse, in parts of the time that it takes
LEFT_OUT = 0.02  # part of a pulse before its middle, and after it


def draw_pulses(panel: PulsePanel) -> Figure:
    """One row an event: S1, S2, and the top array."""
    rows = len(panel.events)
    figure, axes = new_figure(
        "", 12.5, 3.4 * rows + 0.6, nrows=rows, ncols=3, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 0.95]}
    )
    figure.suptitle(safe_text(panel.title), fontweight="bold", fontsize=14, x=0.02, ha="left")
    brightest = max(float(event.pattern.max()) for event in panel.events)
    norm = LogNorm(1.0, max(brightest, 10.0))
    for i, (row, event) in enumerate(zip(axes, panel.events)):
        colour = COLOURS[i % len(COLOURS)]
        _draw_wave(row[0], "S1", event.s1, panel.samples[0], 1.0, colour)
        _draw_wave(row[1], "S2", event.s2, panel.samples[1], 1e-3, colour)
        _draw_pattern(row[2], panel, event, norm)
        row[0].set_title(safe_text(event.label), loc="left", fontsize=12)
    for i, label in enumerate(("Time [ns]", "Time [µs]", "x [cm]")):
        axes[-1, i].set_xlabel(label)
    bar = figure.colorbar(ScalarMappable(norm, COLOUR_MAP), ax=axes[:, 2], aspect=14 * rows, shrink=0.9, extend="min")
    bar.set_label("S2 light in a tube [PE]")
    return figure


def _draw_wave(ax: Axes, name: str, wave: np.ndarray, sample: float, unit: float, colour: str) -> None:
    """Where the pulse is, with a margin; the rest of the record is empty. A sample is in ns, `unit` those of the axis."""
    edges = unit * sample * np.arange(len(wave) + 1)
    ax.stairs(wave, edges, fill=True, color=colour, alpha=0.35)
    ax.stairs(wave, edges, color=colour, lw=1.3)
    charge = np.cumsum(np.maximum(wave, 0.0))
    low, high = np.searchsorted(charge, charge[-1] * np.array([LEFT_OUT, 1 - LEFT_OUT]))
    margin = int(MARGIN * (high + 1 - low)) + 1
    ax.set_xlim(edges[max(low - margin, 0)], edges[min(high + 1 + margin, len(wave))])
    ax.set_ylim(0, 1.3 * max(float(wave.max()), 1e-9))
    ax.set_ylabel(f"PE / {sample:g} ns")
    text = f"{name}: {wave.sum():,.0f} PE"
    ax.text(0.96, 0.94, text, transform=ax.transAxes, ha="right", va="top", fontsize=11.5)


def _draw_pattern(ax: Axes, panel: PulsePanel, event: EventPulses, norm: LogNorm) -> None:
    """Tubes as discs; a cross where the event was reconstructed."""
    size = np.full(len(panel.tubes), panel.diameter)
    discs = EllipseCollection(size, size, np.zeros_like(size), units="x", offsets=panel.tubes, transOffset=ax.transData)
    discs.set(array=np.maximum(event.pattern, 1e-3), cmap=COLOUR_MAP, norm=norm, edgecolor=GREY, linewidth=0.15)
    ax.add_collection(discs)
    ax.plot(*event.place, "x", color=RED, ms=9, mew=1.8)
    reach = 1.02 * (float(np.max(np.hypot(*panel.tubes.T))) + 0.5 * panel.diameter)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", ylabel="y [cm]")
