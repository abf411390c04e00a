"""The sheet that figures are drawn on: mplhep's style, safe labels, room for legends, bytes without dates."""

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from scipy import stats

# Petroff 2021, arXiv:2107.02270: six colours told apart under every common colour blindness.
BLUE, ORANGE, RED, PURPLE, GREY, VIOLET = "#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd"
COLOURS = (BLUE, ORANGE, PURPLE, RED, VIOLET, GREY)
MARKERS = "osD^vP"
LINES = ("-", "--", "-.", ":")

_STYLE: dict[str, Any] = {
    **mplhep.style.CMS,
    "font.sans-serif": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 13,
    "axes.labelsize": 14,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 11.5,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 1.0,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "pdf.fonttype": 42,
    **{f"{a}tick.{size}.size": length for a in "xy" for size, length in (("major", 6), ("minor", 3))},
}


def style() -> AbstractContextManager[None]:
    """The look of every figure, for the length of a `with`."""
    return mpl.rc_context(_STYLE)  # type: ignore[arg-type]  # any name is a key to older stubs


def render(figure: Figure, kind: str) -> bytes:
    """The figure as `png` or `pdf`, without dates, so that the same numbers give the same bytes."""
    metadata = {"Software": None} if kind == "png" else {"CreationDate": None, "Creator": None, "Producer": None}
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
    return buffer.getvalue()


def safe_text(text: str) -> str:
    """A label as Matplotlib can draw it: mathematics between dollars, or plain dollars where that fails."""
    try:
        MathTextParser("agg").parse(text)
    except ValueError:
        return text.replace("$", r"\$")
    return text


def with_unit(name: str, unit: str) -> str:
    """An axis label, with its unit in brackets where it has one."""
    return safe_text(f"{name} [{unit}]" if unit else name)


def scientific(value: float) -> str:
    """Three digits, such as 1.24×10⁻⁴⁸, as mathematics where there is a power of ten."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    times = "" if mantissa == "1" else rf"{mantissa}\times"
    return f"${times}10^{{{int(exponent)}}}$" if exponent else mantissa


def poisson_errors(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Downward and upward 68.3 % errors of Poisson counts (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    tail = stats.norm.sf(1)
    low = np.where(counts > 0, stats.chi2.ppf(tail, 2 * np.maximum(counts, 1e-9)) / 2, 0.0)
    return counts - low, stats.chi2.isf(tail, 2 * (counts + 1)) / 2 - counts


def new_figure(title: str, width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """A figure with its title, and its axes as `Figure.subplots` gives them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(**grid)
    np.ravel(axes)[0].set_title(safe_text(title), pad=10)
    return figure, axes


def legend_above(ax: Axes, x: np.ndarray, y: np.ndarray, height: float, left: float = 0.45) -> None:
    """A legend in the upper right corner, and the axis long enough that no point lies under it.

    Args:
        ax: an axis with its lower limit set.
        x: where the points are.
        y: their upper ends.
        height: the share of the axis that the legend takes, downward.
        left: the share of the axis at which it begins.
    """
    to_axis, back = (np.log10, lambda v: 10**v) if ax.get_yscale() == "log" else (np.asarray, lambda v: v)
    low, _ = ax.get_ylim()
    x_low, x_high = ax.get_xlim()
    seen = np.isfinite(y) & (y > low)
    below = seen & (x > x_low + left * (x_high - x_low))
    rise = max(
        float(np.max(to_axis(y[part]) - to_axis(low), initial=0)) / share
        for part, share in ((seen, 0.95), (below, 1 - height))
    )
    ax.set_ylim(low, back(to_axis(low) + (rise or 1.0)))
    ax.legend(loc="upper right")


def legend_below(figure: Figure, ax: Axes) -> None:
    """The legend of `ax` under the figure, where no data can be; none where nothing has a label."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
