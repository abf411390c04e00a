import numpy as np
import pytest
from tests.stats.falling import EDGES, WINDOW, toys

from serendip.errors import FitError, InputError
from serendip.stats.background_fit import fit_background
from serendip.stats.batched_fit import fit_many
from serendip.stats.spectrum import Spectrum, bins_inside

INSIDE = bins_inside(EDGES, WINDOW)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize(("family", "order"), [("dijet", 4), ("ua2", 3), ("power_exponential", 3), ("bernstein", 4)])
def test_equals_iminuit_within_a_thousandth_in_two_log_likelihood(family, order, merge):
    counts = np.concatenate([toys(events, 20) for events in (40, 500, 1e4, 1e6)])
    inside = np.tile(INSIDE, (len(counts), 1))
    many = fit_many(counts, EDGES, family, order, fitted=~inside, merged=inside if merge else None)
    compared = 0
    for i, n in enumerate(counts):
        try:
            one = fit_background(Spectrum.from_counts(n, EDGES), family, order, WINDOW, merge=merge)
        except FitError:
            continue
        if many.converged[i]:
            assert abs(many.chi2[i] - one.chi2) < 1e-3
            assert many.chi2_moments[i, 0] == pytest.approx(one.chi2_moments[0], rel=1e-2)
            compared += 1
    assert compared >= 78
    assert (counts == 0).sum() > 800


def test_weighted_spectra_equal_iminuit_too():
    plus, minus = toys(3000, 20), toys(300, 20, seed=2)
    counts, variances = plus - minus, plus + minus
    many = fit_many(counts, EDGES, "dijet", 3, variances=variances)
    for i in range(20):
        one = fit_background(Spectrum(EDGES, counts[i], variances[i]), "dijet", 3)
        assert abs(many.chi2[i] - one.chi2) < 1e-3


def test_orders_may_differ_between_spectra_of_one_call():
    counts, orders = toys(1000, 12), np.tile([2, 3, 4, 5], 3)
    for family, mixed in (("dijet", orders), ("bernstein", orders)):
        together = fit_many(counts, EDGES, family, mixed)
        for order in (2, 3, 4, 5):
            alone = fit_many(counts[mixed == order], EDGES, family, order)
            np.testing.assert_allclose(together.chi2[mixed == order], alone.chi2, atol=1e-5)


def test_the_merged_bins_are_one_cell():
    counts = toys(1000, 5)
    shuffled = counts.copy()
    shuffled[:, 14:19] = counts[:, [18, 14, 17, 15, 16]]
    inside = np.tile(INSIDE, (5, 1))
    first, second = (fit_many(n, EDGES, fitted=~inside, merged=inside) for n in (counts, shuffled))
    np.testing.assert_allclose(first.chi2, second.chi2, atol=1e-5)
    assert (first.ndof == 41 - 3).all()


def test_the_goodness_of_good_fits_is_uniform_even_in_sparse_spectra():
    for events in (150, 1e4):
        p = fit_many(toys(events, 600), EDGES, "dijet", 3).goodness_p
        assert abs(p.mean() - 0.5) < 0.05
        assert 0.24 < p.std() < 0.33


def test_hopeless_spectra_are_flagged_and_finite():
    counts = np.zeros((4, 45))
    counts[1, 0] = 3.0
    counts[2, :4] = [9.0, 1.0, 0.0, 1.0]
    counts[3] = toys(1000, 1)[0]
    fits = fit_many(counts, EDGES, "dijet", 4)
    assert fits.converged.tolist() == [False, False, False, True]
    for values in (fits.theta, fits.expected, fits.chi2, fits.covariance, fits.goodness_p):
        assert np.isfinite(values).all()


def test_refuses_bins_that_are_fitted_and_merged():
    with pytest.raises(InputError, match="both fitted and merged"):
        fit_many(toys(100, 1), EDGES, merged=INSIDE[None])
