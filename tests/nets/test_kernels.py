import numpy as np
import pytest
from scipy.spatial.distance import cdist

from serendip.errors import FitError, InputError
from serendip.nets.kernel_logistic import logistic_reference, newton, one_step, weighted_gram
from serendip.nets.kernels import gaussian_kernel, nystrom_basis, outermost


@pytest.mark.parametrize("d", [1, 3, 4, 21])
def test_kernel_is_the_gaussian_of_the_distance(d):
    rng = np.random.default_rng(0)
    x, z = rng.normal(3, 1, (50, d)), rng.normal(3, 1, (20, d))
    assert gaussian_kernel(x, z, 1.7) == pytest.approx(np.exp(-(cdist(x, z) ** 2) / (2 * 1.7**2)), rel=1e-12)


def test_kernel_of_an_event_with_itself_is_one_far_from_the_origin():
    x = np.random.default_rng(0).normal(1e6, 1, (30, 5))
    assert np.diag(gaussian_kernel(x, x, 1.0)) == pytest.approx(np.ones(30), abs=1e-12)


def test_features_reproduce_the_kernel_of_the_centres():
    z = np.random.default_rng(0).exponential(size=(400, 1))
    basis = nystrom_basis(z, 1.0)
    phi = basis.features(z)
    assert len(basis) < 60
    # The jitter weakens directions of K below 1e-13 M = 4e-11.
    assert phi @ phi.T == pytest.approx(gaussian_kernel(z, z, 1.0), abs=1e-10)


def test_all_centres_are_kept_where_none_can_be_spared():
    z = np.random.default_rng(0).normal(size=(80, 6))
    basis = nystrom_basis(z, 1.0)
    assert np.array_equal(basis.pivots, z)
    assert basis.truncation == 0
    assert basis.features(z) @ basis.features(z).T == pytest.approx(gaussian_kernel(z, z, 1.0), abs=1e-9)


def test_duplicated_centres_span_nothing_new():
    z = np.random.default_rng(0).normal(size=(50, 1))
    once, thrice = nystrom_basis(z, 0.5), nystrom_basis(np.tile(z, (3, 1)), 0.5)
    x = np.linspace(-2, 2, 100)[:, None]
    kernels = [basis.features(x) @ basis.features(x).T for basis in (once, thrice)]
    assert kernels[0] == pytest.approx(kernels[1], abs=1e-4)


def test_features_do_not_depend_on_the_chunks():
    rng = np.random.default_rng(0)
    basis = nystrom_basis(rng.normal(size=(100, 1)), 0.5)
    x = rng.normal(size=(10_000, 1))
    assert np.abs(basis.features(x)[7000:] - basis.features(x[7000:])).max() < 1e-8
    assert basis.features(x[:0]).shape == (0, len(basis))


def test_outermost_events_are_those_farthest_from_the_mean():
    x = np.arange(100.0)[:, None]
    assert sorted(outermost(x, 4)[:, 0]) == [0, 1, 98, 99]
    assert len(outermost(x, 200)) == 100


def test_moments_are_in_double_precision_however_features_are_stored(monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5000, 1)), rng.normal(1, 0.5, 5000)
    basis = nystrom_basis(rng.normal(size=(100, 1)), 0.5)
    double = logistic_reference(basis, x, w)
    monkeypatch.setattr("serendip.nets.kernel_logistic.SINGLE_ABOVE", 10)
    single = logistic_reference(basis, x, w)
    assert single.features.dtype == np.float32
    assert np.array_equal(single.gram, double.gram)
    theta = rng.normal(size=(len(basis), 3)) / 10
    assert single.excess(theta) == pytest.approx(double.excess(theta), rel=1e-5)
    assert double.gram == pytest.approx(weighted_gram(basis.features(x), w), rel=1e-9)


def test_one_newton_step_from_zero_is_the_first_of_the_full_solution():
    rng = np.random.default_rng(0)
    phi_d, phi_r = rng.normal(size=(300, 4)), rng.normal(size=(900, 4))
    w = np.full(900, 1 / 3)
    gram = weighted_gram(phi_d, np.ones(300)) + weighted_gram(phi_r, w)
    step = one_step(gram, phi_d.sum(0) - w @ phi_r, 1.0)
    full = newton([(phi_d, np.ones(300), 1.0), (phi_r, w, -1.0)], 1.0, step)
    p_d, p_r = 1 / (1 + np.exp(phi_d @ full)), 1 / (1 + np.exp(-phi_r @ full))
    assert phi_d.T @ p_d - phi_r.T @ (w * p_r) - full == pytest.approx(np.zeros(4), abs=1e-6)
    assert step == pytest.approx(full, abs=0.05)


def test_a_width_or_centres_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="width above 0"):
        nystrom_basis(np.zeros((3, 1)), 0.0)
    with pytest.raises(InputError, match="no centres"):
        nystrom_basis(np.zeros((0, 1)), 1.0)
    with pytest.raises(FitError, match="negative weights"):
        one_step(-np.eye(2), np.ones(2), 0.1)
