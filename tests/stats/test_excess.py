import math

import numpy as np
import pytest
from scipy import stats
from tests.stats.falling import EDGES, WINDOW, expected, toys

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.stats.excess import excesses, local_p_value
from serendip.stats.spectrum import Spectrum


def test_p_is_uniform_without_a_signal():
    found = excesses(toys(3000, 1000), EDGES, [WINDOW] * 1000, order=3)
    assert found.converged.all()
    assert stats.kstest(found.z, "norm").pvalue > 0.01


def test_an_injected_signal_has_the_z_of_a_counting_experiment_with_an_uncertain_background():
    """Asimov data; the closed form is that of n on, τb off: Cousins et al., arXiv:physics/0702156, eq. 25."""
    counts = expected(3000.0)
    b = counts[14:19].sum()
    counts[14:19] += 16.0
    found = excesses(counts[None], EDGES, [WINDOW], order=3)
    n, tau = b + 80.0, b / found.expected_error[0] ** 2
    on, off = n * (1 + tau) / (n + tau * b), b * (1 + tau) / (n + tau * b)
    assert found.z[0] == pytest.approx(math.sqrt(2 * (n * math.log(on) + tau * b * math.log(off))), rel=0.03)
    assert found.z[0] < math.sqrt(2 * (n * math.log(n / b) - 80.0))


def test_long_sidebands_give_the_z_of_a_known_background():
    """Source: arXiv:1007.1727, eq. 97."""
    edges = np.linspace(0.0, 2001.0, 2002)
    counts = np.full(2001, 4.0)
    counts[1000] = 20.0
    z = excesses(counts[None], edges, [Window(1000.0, 1001.0)], "bernstein", 2).z[0]
    assert z == pytest.approx(math.sqrt(2 * (20 * math.log(20 / 4) - 16)), rel=2e-3)


def test_deficits_are_negative_and_an_empty_window_is_finite():
    counts = toys(3000, 2)
    counts[0, 14:19] = 0.0
    counts[1, 14:19] = np.floor(0.6 * expected(3000)[14:19])
    found = excesses(counts, EDGES, [WINDOW] * 2)
    assert (found.z < -3).all()
    assert np.isfinite(found.z).all()
    assert found.observed[0] == 0.0
    assert local_p_value(Spectrum.from_counts(counts[0], EDGES), WINDOW, order=3).asymptotic.p > 0.99


def test_a_huge_excess_has_a_finite_z():
    counts = toys(300, 1)
    counts[0, 14:19] += 1e7
    found = excesses(counts, EDGES, [WINDOW], order=3)
    assert 100 < found.z[0] < np.inf


def test_edge_windows_and_auto_orders_converge():
    windows = [Window(float(EDGES[0]), float(EDGES[4])), Window(float(EDGES[41]), float(EDGES[45])), WINDOW]
    found = excesses(toys(3000, 3), EDGES, windows)
    assert found.converged.all()
    assert set(found.order) <= {2, 3, 4, 5}


def test_signed_weights_leave_z_of_unit_width():
    plus, minus = toys(8000, 500), toys(1000, 500, seed=5)
    found = excesses(plus - minus, EDGES, [WINDOW] * 500, order=3, variances=plus + minus)
    assert abs(found.z.mean()) < 0.2
    assert 0.9 < found.z.std() < 1.1


def test_one_spectrum_in_full_agrees_with_the_batch_and_with_its_toys():
    counts = toys(3000, 1)[0]
    counts[14:19] += 10.0
    full = local_p_value(Spectrum.from_counts(counts, EDGES), WINDOW, order=3, toys=800, seed=4)
    batch = excesses(counts[None], EDGES, [WINDOW], order=3)
    assert full.z == pytest.approx(batch.z[0], abs=1e-3)
    assert full.expected == pytest.approx(batch.expected[0], rel=1e-3)
    assert full.expected_error == pytest.approx(batch.expected_error[0], rel=1e-2)
    assert full.toys is not None
    assert full.toys.n_toys == 800
    low, high = full.toys.interval
    assert 0.6 * low < full.asymptotic.p < 1.6 * high


def test_toys_repeat_the_choice_of_the_order():
    full = local_p_value(Spectrum.from_counts(toys(1000, 1)[0], EDGES), WINDOW, toys=100, seed=1)
    assert full.order_choice is not None
    assert full.toys == local_p_value(Spectrum.from_counts(toys(1000, 1)[0], EDGES), WINDOW, toys=100, seed=1).toys


def test_refuses_fewer_windows_than_spectra_and_an_unknown_order():
    with pytest.raises(InputError, match="one each"):
        excesses(toys(100, 2), EDGES, [WINDOW])
    with pytest.raises(InputError, match='"auto"'):
        excesses(toys(100, 1), EDGES, [WINDOW], order="best")
