"""The panels of outlier scores draw, and say their numbers."""

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.report.canvas import render, style
from serendip.report.outlier_figures import draw_coordinates, draw_latent_scan
from serendip.report.outlier_panels import CoordinatePanel, CoordinateSeries, LatentScanPanel

MAPS = ("none, other seed", "logarithm", "square")


def coordinates(*values: tuple[float, ...]) -> CoordinatePanel:
    series = tuple(
        CoordinateSeries(f"method {i}", MAPS, np.array(row), np.clip(row, 0, 1)) for i, row in enumerate(values)
    )
    return CoordinatePanel("coordinates", "Coordinates", series, caption="Rank correlations.")


def scan(**other) -> LatentScanPanel:
    loss = np.array([2.8, 1.1, 0.4, 0.008])
    return LatentScanPanel(
        "latent", "Latent size", **({"sizes": np.arange(1, 5), "loss": loss, "error": 0.02 * loss} | other)
    )


def test_every_point_of_the_coordinates_is_within_the_axes():
    panel = coordinates((1.0, 0.9, -0.4), (0.7, 1.0, 1.0))
    with style():
        figure = draw_coordinates(panel)
    for ax in figure.axes:
        low, high = ax.get_ylim()
        for line in ax.lines[:2]:
            assert np.all((line.get_ydata() > low) & (line.get_ydata() < high))
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == list(MAPS)


def test_the_numbers_have_a_row_a_map_and_method():
    rows = coordinates((1.0, 0.9, -0.4), (0.7, 1.0, 1.0)).numbers()
    assert list(rows["series"]) == ["method 0"] * 3 + ["method 1"] * 3
    assert list(rows["map"]) == list(MAPS) * 2
    assert rows["rank_correlation"][2] == -0.4


def test_methods_with_other_maps_do_not_share_a_figure():
    one = CoordinateSeries("one", ("root",), np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="the same maps for all"):
        CoordinatePanel("c", "C", (one, *coordinates((1.0, 1.0, 1.0)).series))
    with pytest.raises(InputError, match="one: Got 2 entries, but expected 1"):
        CoordinateSeries("one", ("root",), np.ones(2), np.ones(1))


def test_the_loss_is_logarithmic_only_where_it_falls_far():
    assert draw_latent_scan(scan()).axes[0].get_yscale() == "log"
    assert draw_latent_scan(scan(loss=np.array([3.0, 2, 1.5, 1.4]))).axes[0].get_yscale() == "linear"
    assert draw_latent_scan(scan(loss=np.array([3.0, 2, 1.5, -1.4]))).axes[0].get_yscale() == "linear"


def test_the_auc_has_its_own_axis_and_its_column():
    auc = np.array([0.9, 0.7, 0.4, 0.8])
    figure = draw_latent_scan(scan(auc=auc, elbow=3))
    assert len(figure.axes) == 2
    assert figure.axes[1].get_ylim()[0] < 0.4
    assert "Elbow at 3" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert np.array_equal(scan(auc=auc).numbers()["auc"], auc)
    assert len(draw_latent_scan(scan()).axes) == 1
    assert "auc" not in scan().numbers()


def test_a_single_size_draws_and_columns_of_other_length_are_refused():
    panel = scan(sizes=np.array([2]), loss=np.ones(1), error=np.zeros(1))
    assert render(draw_latent_scan(panel), "png").startswith(b"\x89PNG")
    with pytest.raises(InputError, match="latent: Got 3 entries, but expected 4"):
        scan(auc=np.ones(3))
