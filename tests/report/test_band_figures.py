"""The figure of bands shows bands and points at the edges of their numbers, and says them."""

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.report import Band, BandEvents, BandPanel, band_of
from serendip.report.band_figures import draw_bands
from serendip.report.band_panels import FEWEST
from serendip.report.canvas import render, style
from serendip.seeds import rng_for

EDGES = np.linspace(0, 100, 6)


def events(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = rng_for(1, "bands")
    cs1 = rng.uniform(0, 100, 5000)
    return cs1, scale * (1000 + 20 * cs1) * rng.lognormal(0, 0.1, 5000)


def test_a_band_holds_eight_of_ten_events_with_its_median_between():
    cs1, cs2 = events()
    band = band_of("ER", cs1, cs2, EDGES)
    bin_of = np.digitize(cs1, EDGES) - 1
    assert np.mean((cs2 > band.low[bin_of]) & (cs2 < band.high[bin_of])) == pytest.approx(0.8, abs=0.002)
    assert np.mean(cs2 > band.median[bin_of]) == pytest.approx(0.5, abs=0.002)


def test_bins_with_a_handful_of_events_stay_blank():
    cs1 = np.repeat([10.0, 30.0], [FEWEST, FEWEST - 1])
    band = band_of("ER", cs1, cs1, EDGES)
    assert np.array_equal(np.isfinite(band.median), [True, False, False, False, False])


def test_no_band_is_cut_by_the_axis_and_s2_is_logarithmic():
    panel = BandPanel("bands", "Bands", tuple(band_of(k, *events(s), EDGES) for k, s in (("ER", 1.0), ("NR", 0.2))))
    with style():
        (ax,) = draw_bands(panel).axes
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] < np.nanmin(panel.bands[1].low)
    assert ax.get_ylim()[1] > np.nanmax(panel.bands[0].high)
    assert ax.get_xlim() == (0, 100)


def test_a_lone_far_point_does_not_squeeze_the_bands():
    cs1, cs2 = events()
    lone = BandEvents("data", cs1[:1000], np.append(cs2[:999], 1e9))
    with style():
        (ax,) = draw_bands(BandPanel("bands", "Bands", (band_of("ER", cs1, cs2, EDGES),), (lone,))).axes
    assert ax.get_ylim()[1] < 1e4


def test_nothing_at_all_and_bands_without_events_still_draw():
    blank = band_of("ER", np.array([]), np.array([]), EDGES)
    none = BandEvents("data", np.array([]), np.array([]))
    for panel in (BandPanel("bands", "Bands", ()), BandPanel("bands", "Bands", (blank,), (none,))):
        with style():
            assert render(draw_bands(panel), "png").startswith(b"\x89PNG")


def test_the_numbers_have_a_row_a_bin_and_a_row_a_point():
    cs1, cs2 = events()
    numbers = BandPanel("bands", "Bands", (band_of("ER", cs1, cs2, EDGES),), (BandEvents("data", cs1, cs2),)).numbers()
    assert set(map(len, numbers.values())) == {5 + 5000}
    assert list(numbers["series"][[4, 5]]) == ["ER", "data"]
    assert numbers["cs2_50"][5] == cs2[0]


def test_columns_of_other_length_are_refused():
    with pytest.raises(InputError, match="ER: Got 3 entries, but expected 5"):
        Band("ER", EDGES, np.ones(5), np.ones(3), np.ones(5))
    with pytest.raises(InputError, match="data: Got 1 entries, but expected 2"):
        BandEvents("data", np.ones(2), np.ones(1))
