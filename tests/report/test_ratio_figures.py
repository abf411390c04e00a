"""The panels of a learned ratio draw at the edges of their numbers, and say them."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.report.canvas import render, style
from serendip.report.ratio_figures import draw_pairs, draw_ratio
from serendip.report.ratio_panels import PairMaps, PairPanel, RatioPanel

EDGES = np.linspace(0, 3, 7)
COUNTS = np.array([40.0, 31, 22, 9, 3, 0])


def ratio(**other) -> RatioPanel:
    reference = np.array([41.0, 28, 19, 11, 4, 2])
    return replace(
        RatioPanel(
            "ratio_1", "Mass", "mass", EDGES, COUNTS, COUNTS, reference, reference / 50, reference * 1.1, reference / 40,
            unit="GeV", note="shows 80 %",
        ),
        **other,
    )  # fmt: skip


def maps(**other) -> PairMaps:
    cells = np.linspace(-4, 9, 12).reshape(3, 4)
    empty = np.zeros((3, 4), bool)
    empty[0, 0] = True
    first, second = ("mass", "GeV"), ("$p_T$", "GeV")
    return replace(PairMaps(first, second, np.arange(4.0), np.arange(5.0), cells, 0.5 * cells, empty), **other)


def test_no_point_is_outside_either_axis():
    with style():
        top, bottom = draw_ratio(ratio()).axes
    assert top.get_ylim()[1] > 40
    assert bottom.get_ylim()[1] > np.max(COUNTS[:5] / ratio().reference[:5])
    assert top.get_title(loc="right") == "shows 80 %"


def test_bins_of_unequal_width_are_drawn_as_densities():
    labels = [draw_ratio(ratio(edges=edges)).axes[0].get_ylabel() for edges in (EDGES, EDGES**1.2)]
    assert labels == ["Events / 0.5 GeV", "Events / GeV"]


def test_axes_are_logarithmic_where_counts_or_ratios_reach_far():
    steep = np.array([1e5, 1e4, 1e3, 1e2, 10, 1.0])
    tall = ratio(data=steep, data_variance=steep, reference=steep, predicted=steep * np.geomspace(1, 30, 6))
    assert [ax.get_yscale() for ax in draw_ratio(tall).axes] == ["log", "log"]
    assert [ax.get_yscale() for ax in draw_ratio(ratio()).axes] == ["linear", "linear"]
    signed = ratio(data=-steep, data_variance=steep, reference=steep, predicted=steep * 30)
    assert [ax.get_yscale() for ax in draw_ratio(signed).axes] == ["linear", "linear"]


def test_nothing_at_all_still_draws():
    nothing = np.zeros(6)
    empty = ratio(**dict.fromkeys(
        ("data", "data_variance", "reference", "reference_variance", "predicted", "predicted_variance"), nothing
    ))  # fmt: skip
    for figure in (draw_ratio(empty), draw_pairs(PairPanel("pairs", "Pairs", ()))):
        assert render(figure, "png").startswith(b"\x89PNG")


def test_both_maps_of_a_pair_have_the_same_colours_and_their_x_along_x():
    figure = draw_pairs(PairPanel("pairs", "Pairs", (maps(), maps(data=np.zeros((3, 4))))))
    left, right = (figure.axes[i].collections[0] for i in (0, 1))
    assert (left.norm.vmin, left.norm.vmax) == (right.norm.vmin, right.norm.vmax) == (-5.0, 5.0)
    assert left.get_array().shape == (4, 3)
    assert left.get_array().mask[0, 0]
    assert not left.get_array().mask[1:].any()
    assert figure.axes[0].get_xlabel() == "mass [GeV]"


def test_the_numbers_have_a_row_a_bin_and_a_row_a_cell():
    assert set(map(len, ratio().numbers().values())) == {6}
    rows = PairPanel("pairs", "Pairs", (maps(), maps())).numbers()
    assert len(rows["series"]) == 24
    assert (rows["x_low"][5], rows["y_low"][5]) == (1.0, 1.0)
    assert rows["data_residual"][5] == maps().data[1, 1]


def test_columns_and_cells_of_other_size_are_refused():
    with pytest.raises(InputError, match="ratio_1: Got 5 entries, but expected 6"):
        ratio(data=COUNTS[:5])
    with pytest.raises(InputError, match=r"mass, \$p_T\$: Got cells \(4, 3\), but expected \(3, 4\)"):
        maps(predicted=np.zeros((4, 3)))
