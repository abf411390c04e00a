"""The panels of a test's power draw at the edges of their numbers, and say them."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.report.canvas import render, style
from serendip.report.sensitivity_figures import draw_mixture_scan, draw_rejection
from serendip.report.sensitivity_panels import MedianBand, MixtureScanPanel, RejectionPanel

WEIGHT = np.array([0.0, 0.1, 1.0, 10.0])
P = np.array([0.1, 0.01, 0.002, 0.03])
STRENGTH = np.geomspace(1e-49, 1e-47, 21)


def scan(**other) -> MixtureScanPanel:
    band = MedianBand("30 GeV", WEIGHT, P / 5, P, np.minimum(5 * P, 1.0))
    return replace(MixtureScanPanel("scan", "Mixture", (band,), 1.0), **other)


def rejection(**other) -> RejectionPanel:
    z = STRENGTH / 1e-48
    band = MedianBand("learned", STRENGTH, z - 1, z, z + 1)
    return replace(RejectionPanel("rejection", "Rejection", (band,), (3e-48,), reach=4.3), **other)


def test_power_grows_upward_and_every_band_is_inside():
    with style():
        ax = draw_mixture_scan(scan()).axes[0]
    bottom, top = ax.get_ylim()
    assert bottom == 1.0
    assert top < P.min() / 5
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] > -0.1


def test_an_axis_without_zero_is_plainly_logarithmic():
    positive = MedianBand("30 GeV", WEIGHT[1:], P[1:], P[1:], P[1:])
    assert draw_mixture_scan(scan(bands=(positive,))).axes[0].get_xscale() == "log"
    short = MedianBand("30 GeV", WEIGHT[:2], P[1:3], P[1:3], P[1:3])
    assert draw_mixture_scan(scan(bands=(short,))).axes[0].get_xscale() == "linear"


def test_a_median_is_not_drawn_beyond_what_the_calibration_can_show():
    with style():
        ax = draw_rejection(rejection()).axes[0]
    median = next(line for line in ax.lines if line.get_label().startswith("learned"))
    assert median.get_ydata().max() < 4.3
    assert len(median.get_xdata()) == np.sum(STRENGTH / 1e-48 < 4.3)
    assert r"3\times10^{-48}" in median.get_label()
    unlimited = draw_rejection(rejection(reach=None)).axes[0]
    assert next(line for line in unlimited.lines if line.get_label().startswith("learned")).get_ydata().max() > 9


def test_nothing_at_all_still_draws():
    for figure in (draw_mixture_scan(scan(bands=())), draw_rejection(rejection(bands=(), crossings=()))):
        assert render(figure, "png").startswith(b"\x89PNG")


def test_the_numbers_have_a_row_a_point_and_say_the_crossing():
    assert len(scan().numbers()["median"]) == len(WEIGHT)
    assert set(rejection().numbers()["crossing"]) == {3e-48}
    assert np.isnan(rejection(crossings=(None,)).numbers()["crossing"]).all()


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="outside its band"):
        MedianBand("x", WEIGHT, P, P / 2, P)
    with pytest.raises(InputError, match=r"p outside \(0, 1\]"):
        scan(bands=(MedianBand("x", WEIGHT, 0 * P, P, P),))
    with pytest.raises(InputError, match="rejection: Got 2 entries, but expected 1"):
        rejection(crossings=(None, None))
    with pytest.raises(InputError, match="strength of 0"):
        rejection(bands=(MedianBand("x", WEIGHT, P, P, P),))
