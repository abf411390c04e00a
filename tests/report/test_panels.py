"""The numbers that panels derive."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.report import (
    DriverFeature,
    RocCurve,
    ScanPanel,
    ScanSeries,
    ScorePanel,
    SpectrumPanel,
    TablePanel,
    ToyPanel,
)
from serendip.seeds import rng_for


def small_spectrum(counts: list[float], expected: list[float], variances: list[float] | None = None) -> SpectrumPanel:
    n = len(counts)
    edges = np.linspace(0.0, n, n + 1)
    counts_, expected_ = np.array(counts, float), np.array(expected, float)
    return SpectrumPanel(
        "small",
        "Small",
        edges,
        counts_,
        np.array(variances or counts, float),
        expected_,
        0.1 * expected_,
        Window(1, 2),
    )


def test_a_pull_of_unit_weights_is_the_z_of_the_poisson_p():
    pulls = small_spectrum([10, 2, 0, 5], [5, 0.1, 4, 5.0]).pulls
    assert pulls[0] == pytest.approx(stats.norm.isf(stats.poisson.sf(9, 5)))
    assert pulls[1] == pytest.approx(stats.norm.isf(stats.poisson.sf(1, 0.1)))
    assert pulls[2] == pytest.approx(-stats.norm.isf(stats.poisson.cdf(0, 4)))
    assert pulls[3] == 0


def test_a_pull_of_signed_weights_is_gaussian():
    panel = small_spectrum([10, -2], [5, 1], [4, 9])
    np.testing.assert_allclose(panel.pulls, [2.5, -1.0])


def test_only_bins_with_their_middle_in_the_window_are_inside():
    panel = small_spectrum([1, 1, 1], [1, 1, 1])
    assert panel.in_window.tolist() == [False, True, False]
    assert not replace(panel, window=None).in_window.any()


def test_a_spectrum_of_wrong_length_is_refused_by_name():
    with pytest.raises(InputError, match="small: Got 2 entries, but expected 3"):
        small_spectrum([1, 2, 3], [1, 2])


def test_falling_edges_are_refused():
    with pytest.raises(InputError, match="rising"):
        replace(small_spectrum([1, 1], [1, 1]), edges=np.array([0.0, 2.0, 1.0]))


def test_a_scan_refuses_p_of_zero():
    with pytest.raises(InputError, match="upper limit"):
        ScanSeries("cut", np.array([1.0]), np.array([0.0]))


def test_scan_numbers_stack_the_series():
    one = ScanSeries("a", np.array([1.0, 2.0]), np.array([0.5, 0.1]))
    two = ScanSeries("b", np.array([1.0]), np.array([0.2]), np.array([True]))
    numbers = ScanPanel("scan", "Scan", (one, two)).numbers()
    assert numbers["series"].tolist() == ["a", "a", "b"]
    assert numbers["local_p"].tolist() == [0.5, 0.1, 0.2]
    assert numbers["is_limit"].tolist() == [False, False, True]


def test_score_shares_sum_to_one_with_signed_weights():
    rng = rng_for(1, "shares")
    panel = ScorePanel("s", "S", rng.random(500), rng.random(300), window_weights=rng.choice([-0.2, 1.0], 500), bins=10)
    numbers = panel.numbers()
    assert numbers["window"].sum() == pytest.approx(1)
    assert numbers["sidebands"].sum() == pytest.approx(1)
    assert np.all(numbers["window_error"] > 0)


def feature_of(selected: np.ndarray, reference: np.ndarray) -> DriverFeature:
    edges = np.linspace(-6, 6, 31)
    widths = np.diff(edges)
    densities = []
    for values in (selected, reference):
        counts = np.histogram(values, edges)[0]
        densities += [counts / widths / len(values), np.sqrt(counts) / widths / len(values)]
    return DriverFeature("f", edges, *densities)


def test_driver_chi2_follows_its_bins_where_nothing_differs():
    rng = rng_for(2, "null drivers")
    found = [feature_of(rng.normal(size=150), rng.normal(size=20000)).chi2 for _ in range(200)]
    chi2, bins = np.mean(found, axis=0)
    assert chi2 == pytest.approx(bins - 1, rel=0.1)


def test_driver_chi2_sees_a_shift():
    rng = rng_for(3, "shifted drivers")
    chi2, bins = feature_of(rng.normal(0.7, 1, 150), rng.normal(size=20000)).chi2
    assert chi2 > 3 * bins


def test_sic_is_zero_where_no_background_passes():
    curve = RocCurve("c", np.array([0.0, 0.01, 1.0]), np.array([0.1, 0.5, 1.0]), 1000.0, 100.0)
    np.testing.assert_allclose(curve.sic, [0, 5, 1])


def test_toy_numbers_hold_every_toy_and_the_observed_value():
    numbers = ToyPanel("t", "T", np.array([3.0, 1.0, 2.0, 4.0]), 2.5).numbers()
    assert numbers["statistic"].tolist() == [1, 2, 3, 4, 2.5]
    assert numbers["share_of_toys_at_or_above"].tolist() == [1, 0.75, 0.5, 0.25, 0.5]
    assert numbers["is_observed"].tolist() == [False] * 4 + [True]


def test_a_ragged_table_is_refused():
    with pytest.raises(InputError, match="t: Got 1 entries, but expected 2"):
        TablePanel("t", "T", ("a", "b"), ((1,),))
