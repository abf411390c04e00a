import numpy as np
import pytest
from tests.stats.falling import EDGES, WINDOW, expected, toys

from serendip.errors import FitError, InputError
from serendip.stats.background_fit import fit_background
from serendip.stats.spectrum import Spectrum


def test_a_spectrum_without_noise_gives_its_parameters_back():
    fit = fit_background(Spectrum.from_counts(expected(1e6), EDGES), "dijet", 3)
    assert fit.family.parameters[:3] == ("p0", "p2", "p1")
    np.testing.assert_allclose(fit.parameters[1:], [5.0, 9.0], atol=0.01)
    assert fit.chi2 < 1e-3
    assert fit.converged


def test_the_window_is_left_out_and_predicted():
    counts = expected(1e5)
    counts[14:19] += 1e4
    fit = fit_background(Spectrum.from_counts(counts, EDGES), "dijet", 3, WINDOW)
    b, error = fit.expected_in(WINDOW)
    assert b == pytest.approx(expected(1e5)[14:19].sum(), rel=1e-3)
    assert 0 < error < np.sqrt(b)
    assert fit.ndof == 40 - 3


def test_the_error_of_the_background_is_its_spread_over_toys():
    fits = [fit_background(Spectrum.from_counts(n, EDGES), "dijet", 3, WINDOW) for n in toys(3000, 150)]
    b, error = np.array([fit.expected_in(WINDOW) for fit in fits]).T
    assert b.std() == pytest.approx(error.mean(), rel=0.2)
    assert b.mean() == pytest.approx(expected(3000)[14:19].sum(), abs=4 * b.std() / np.sqrt(150))


def test_a_flat_family_of_two_equal_coefficients_fits_the_mean():
    fit = fit_background(Spectrum.from_counts(np.full(10, 7.0), np.linspace(0.0, 10.0, 11)), "bernstein", 2)
    np.testing.assert_allclose(fit.parameters, 7.0, rtol=1e-4)


def test_names_too_few_populated_bins_and_the_way_out():
    counts = np.zeros(45)
    counts[:2] = 5.0
    with pytest.raises(FitError, match="Got 2 populated bins"):
        fit_background(Spectrum.from_counts(counts, EDGES), "dijet", 3)


def test_refuses_a_window_that_cuts_a_bin():
    with pytest.raises(InputError, match="bin edges"):
        fit_background(Spectrum.from_counts(expected(100), EDGES), "dijet", 3, type(WINDOW)(3000.0, 3333.0))
