"""Every panel draws, at the edges of its numbers too, and draws the same bytes again."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from serendip.report import (
    DriversPanel,
    RocPanel,
    ScanPanel,
    ScanSeries,
    ScorePanel,
    SicPanel,
    SpectrumPanel,
    ToyPanel,
)
from serendip.report.canvas import poisson_errors, render, safe_text, style
from serendip.report.figures import DRAWINGS, draw


def of(panels: tuple, kind: type):
    return next(panel for panel in panels if isinstance(panel, kind))


def under_legend(figure, ax, x: np.ndarray, y: np.ndarray) -> int:
    """How many points stand under the legend."""
    with style():
        figure.canvas.draw()
    box = ax.get_legend().get_window_extent()
    points = ax.transData.transform(np.column_stack([x, y]))
    return int(np.sum([box.contains(*point) for point in points]))


def test_every_kind_of_figure_is_among_the_examples(panels):
    assert DRAWINGS.keys() <= {type(panel) for panel in panels}


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_the_same_panel_gives_the_same_bytes(panels, kind):
    scan = of(panels, ScanPanel)
    first = render(draw(scan), kind)
    assert first == render(draw(scan), kind)
    assert b"CreationDate" not in first


def test_drawing_leaves_pyplot_and_its_settings_alone(panels):
    size = plt.rcParams["font.size"]
    draw(of(panels, ScanPanel))
    assert plt.rcParams["font.size"] == size
    assert plt.get_fignums() == []


def test_no_point_stands_under_the_legend_of_a_spectrum(panels):
    spectrum = of(panels, SpectrumPanel)
    for panel in (
        spectrum,
        replace(spectrum, counts=spectrum.counts[::-1], variances=spectrum.variances[::-1]),
    ):
        figure = draw(panel)
        centres = 0.5 * (panel.edges[1:] + panel.edges[:-1])
        assert under_legend(figure, figure.axes[0], centres, panel.counts) == 0


def test_no_bin_stands_under_the_legend_of_the_toys(panels):
    toys = of(panels, ToyPanel)
    figure = draw(toys)
    heights, edges = np.histogram(toys.toys, 41)
    assert under_legend(figure, figure.axes[0], edges[:-1], heights.astype(float)) == 0


def test_bins_of_unequal_width_are_drawn_as_densities(panels):
    spectrum = of(panels, SpectrumPanel)
    even = draw(spectrum).axes[0].get_ylabel()
    uneven = draw(replace(spectrum, edges=spectrum.edges**1.1)).axes[0].get_ylabel()
    assert (even, uneven) == ("Events / 100 GeV", "Events / GeV")


def test_a_spectrum_with_negative_counts_is_not_drawn_on_a_log_axis(panels):
    spectrum = of(panels, SpectrumPanel)
    negative = replace(spectrum, counts=spectrum.counts - 100, variances=spectrum.variances + 1)
    assert draw(spectrum).axes[0].get_yscale() == "log"
    assert draw(negative).axes[0].get_yscale() == "linear"


def test_an_empty_spectrum_still_draws(panels):
    spectrum = of(panels, SpectrumPanel)
    nothing = np.zeros_like(spectrum.counts)
    empty = replace(spectrum, counts=nothing, variances=nothing, expected=nothing, expected_error=nothing, window=None)
    assert render(draw(empty), "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("p", [5e-324, 1e-60, 1.0])
def test_a_scan_draws_any_p_and_labels_one_to_five_sigma_apart(p):
    series = ScanSeries("cut", np.array([1.0, 2.0, 3.0]), np.array([0.5, p, 0.3]), np.array([False, True, False]))
    figure = draw(ScanPanel("scan", "Scan", (series,)))
    render(figure, "png")
    ax = figure.axes[0]
    depths = np.sort([text.xy[1] for text in ax.texts])
    assert len(depths) >= 3
    assert np.all(np.diff(depths) >= 0.04 * abs(ax.get_ylim()[0]))
    assert ax.get_ylim()[0] < np.log10(p)


def test_sigma_lines_stand_at_their_p(panels):
    ax = draw(of(panels, ScanPanel)).axes[0]
    lines = {text.get_text(): text.xy[1] for text in ax.texts}
    for z in (1, 2, 3, 4, 5):
        assert lines[f"{z}σ"] == pytest.approx(np.log10(stats.norm.sf(z)))


def test_panels_with_next_to_nothing_in_them_draw(panels):
    one = np.array([0.5])
    for panel in (
        ScorePanel("s", "S", one, one),
        ScorePanel("s", "S", np.array([]), np.array([])),
        ScorePanel("s", "S", one, one, window_weights=-one),
        DriversPanel("d", "D", ()),
        RocPanel("r", "R", ()),
        SicPanel("i", "I", (), (0.01,)),
        ScanPanel("c", "C", ()),
        ToyPanel("t", "T", np.array([]), 1.0),
        ToyPanel("t", "T", np.array([1.0]), 1.0),
        replace(of(panels, ToyPanel), tail=None, observed=1.0),
    ):
        figure = draw(panel)
        with style():
            figure.draw_without_rendering()
        assert figure.axes


def test_a_label_with_stray_dollars_is_drawn_as_text(panels):
    assert safe_text("$m_{jj}$") == "$m_{jj}$"
    assert safe_text("$a_{$") == r"\$a_{\$"
    render(draw(replace(of(panels, ScanPanel), mass_name="$a_{$", title="100 % & <b>_^\\")), "png")


def test_poisson_errors_cover_one_sigma():
    down, up = poisson_errors(np.array([0.0, 1.0, 9.0]))
    np.testing.assert_allclose(down, [0.0, 0.827, 2.943], atol=2e-3)
    np.testing.assert_allclose(up, [1.841, 2.300, 4.110], atol=2e-3)
