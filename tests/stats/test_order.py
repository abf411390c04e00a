import numpy as np
import pytest
from scipy import stats
from tests.stats.falling import EDGES, WINDOW, expected, toys

from serendip.stats.order import choose_order, f_test
from serendip.stats.spectrum import Spectrum


def test_f_is_the_textbook_one_where_bins_are_full():
    f, p = f_test(50.0, 40.0, 38.0, 38, 1)
    assert f == pytest.approx((50 - 40) / (40 / 38))
    assert p == pytest.approx(stats.f.sf(f, 1, 38))


def test_a_third_parameter_is_taken_where_the_spectrum_needs_it_and_kept_in_the_table():
    choice = choose_order(Spectrum.from_counts(toys(1e5, 1)[0], EDGES), "dijet")
    assert choice.order == 3
    assert [(test.smaller, test.larger) for test in choice.tests] == [(2, 3), (3, 4)]
    assert choice.tests[0].p < 0.05 <= choice.tests[1].p
    assert choice.fit.order == 3


def test_a_signal_in_the_window_does_not_choose_the_order():
    counts = toys(1e5, 1)[0]
    with_signal = counts.copy()
    with_signal[14:19] += 0.5 * expected(1e5)[14:19]
    orders = [choose_order(Spectrum.from_counts(n, EDGES), "dijet", WINDOW).order for n in (counts, with_signal)]
    assert orders[0] == orders[1]


def test_stops_at_the_last_order_that_can_be_fitted_and_says_why():
    counts = np.zeros(45)
    counts[:3] = [50.0, 3.0, 40.0]
    choice = choose_order(Spectrum.from_counts(counts, EDGES), "power_exponential")
    assert choice.order == 2
    assert "populated bins" in choice.failed[3]
