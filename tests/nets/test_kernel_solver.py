"""Conjugate gradients that toys share, and products with kernels that are never whole."""

import numpy as np
import pytest
from scipy.linalg import cholesky, solve, solve_triangular
from threadpoolctl import threadpool_limits

from serendip.errors import FitError
from serendip.nets import many_centres as module
from serendip.nets.kernel_products import KernelProducts
from serendip.nets.kernel_solver import conjugate_gradients, solve_shared
from serendip.nets.many_centres import many_centres

R, RIDGE = 60, 0.05
RNG = np.random.default_rng(4)
SCALE = np.logspace(0, -3, R)


def gram(features, curvature):
    return features.T @ (curvature[:, None] * features)


def toy_like_the_reference():
    """A reference's Gram matrix, and a toy's features and curvatures."""
    reference, toy = RNG.normal(size=(5000, R)) * SCALE, RNG.normal(size=(500, R)) * SCALE
    return gram(reference, np.full(5000, 0.025)), toy, np.full(500, 0.25)


def kernel(x, z, width):
    return np.exp(-0.5 * ((x[:, None] - z) ** 2).sum(axis=2) / width**2)


def test_a_toy_is_solved_as_by_its_dense_matrix():
    shared, toy, curvature = toy_like_the_reference()
    rhs = RNG.normal(size=(R, 2))
    x, residual = solve_shared(
        cholesky(2 * shared + RIDGE * np.eye(R), lower=True), shared, toy, curvature, rhs, RIDGE, 1e-10
    )
    assert residual <= 1e-10
    np.testing.assert_allclose(x, solve(shared + gram(toy, curvature) + RIDGE * np.eye(R), rhs), atol=1e-8)


def test_a_basis_stands_for_the_product_with_it():
    shared, toy, curvature = toy_like_the_reference()
    basis = RNG.normal(size=(R, R)) / np.sqrt(R)
    factor = cholesky(2 * shared + RIDGE * np.eye(R), lower=True)
    rhs = RNG.normal(size=(R, 1))
    direct, _ = solve_shared(factor, shared, toy @ basis, curvature, rhs, RIDGE, 1e-12)
    spared, _ = solve_shared(factor, shared, toy, curvature, rhs, RIDGE, 1e-12, basis=basis)
    np.testing.assert_allclose(spared, direct, atol=1e-9)


def test_features_may_be_stored_in_single_precision():
    shared, toy, curvature = toy_like_the_reference()
    factor = cholesky(2 * shared + RIDGE * np.eye(R), lower=True)
    rhs = RNG.normal(size=(R, 1))
    double, _ = solve_shared(factor, shared, toy, curvature, rhs, RIDGE, 1e-10)
    single, _ = solve_shared(factor, shared, toy.astype(np.float32), curvature, rhs, RIDGE, 1e-6)
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())


def test_a_fitting_preconditioner_needs_few_iterations():
    shared, toy, curvature = toy_like_the_reference()
    a = shared + gram(toy, curvature) + RIDGE * np.eye(R)
    near = np.linalg.inv(2 * shared + RIDGE * np.eye(R))
    rhs = RNG.normal(size=(R, 3))
    counts = [conjugate_gradients(lambda v: a @ v, m, rhs, 1e-8)[2] for m in (lambda v: near @ v, lambda v: v)]
    assert counts[0] <= 20 < counts[1] / 2


def test_columns_do_not_depend_on_their_company():
    a = np.diag(np.linspace(1, 50, R))
    rhs = RNG.normal(size=(R, 3)) * [1.0, 1e-6, 0.0]
    together, _, _ = conjugate_gradients(lambda v: a @ v, lambda v: v, rhs, 1e-10)
    alone = [conjugate_gradients(lambda v: a @ v, lambda v: v, rhs[:, [i]], 1e-10)[0] for i in range(3)]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), rtol=1e-12, atol=0)


def test_a_limit_returns_the_best_so_far_with_its_residual():
    a = np.diag(np.linspace(1, 1e6, R))
    rhs = np.ones((R, 1))
    x, residual, iterations = conjugate_gradients(lambda v: a @ v, lambda v: v, rhs, 1e-12, limit=3)
    assert iterations == 3
    assert residual == pytest.approx(np.linalg.norm(a @ x - rhs) / np.linalg.norm(rhs))


def test_an_indefinite_matrix_is_refused():
    with pytest.raises(FitError, match="not positive definite"):
        solve_shared(np.eye(R), np.zeros((R, R)), np.eye(R), np.full(R, -1.0), np.ones((R, 1)), 0.5)


@pytest.mark.parametrize("threads", [1, 2])
def test_sliced_products_are_those_of_the_whole_kernel(monkeypatch, threads):
    monkeypatch.setattr("serendip.nets.kernel_products.SLICE", 2000)  # several slices a thread
    x, z = RNG.normal(50.0, 1.0, size=(333, 4)), RNG.normal(50.0, 1.0, size=(90, 4))
    v, u, w = RNG.normal(size=(90, 2)), RNG.normal(size=(333, 2)), RNG.normal(size=333)
    products, whole = KernelProducts(z, 1.5), kernel(x, z, 1.5)
    with threadpool_limits(threads, user_api="blas"):
        np.testing.assert_allclose(products.block(x), whole, rtol=1e-12)
        np.testing.assert_allclose(products.times(x, v), whole @ v, atol=1e-11)
        np.testing.assert_allclose(products.transposed_times(x, u), whole.T @ u, atol=1e-11)
        np.testing.assert_allclose(products.normal(x, w, v), gram(whole, w) @ v, atol=1e-9)


def test_no_events_add_nothing():
    products = KernelProducts(RNG.normal(size=(5, 2)), 1.0)
    assert not products.normal(np.empty((0, 2)), np.empty(0), np.ones((5, 1))).any()
    assert products.times(np.empty((0, 2)), np.ones((5, 1))).shape == (0, 1)


@pytest.mark.parametrize("whole", [0, 1000])
def test_many_centres_find_the_dense_minimum(monkeypatch, whole):
    monkeypatch.setattr(module, "LEADING", 40)  # most features are left to the second level
    monkeypatch.setattr(module, "WHOLE", whole)
    x, toy, z = RNG.normal(size=(4000, 3)), RNG.normal(size=(400, 3)), RNG.normal(size=(150, 3))
    ridge, width = 0.01, 2.0
    shared, own = np.full(4000, 0.025), np.full(400, 0.25)
    system = many_centres(z, width, (x, shared), ridge)
    centres, lower = system.products.centres, np.tril(system.factor)
    assert len(system.leading) == (len(centres) if whole else 40)
    rhs = RNG.normal(size=(len(centres), 1))
    alpha, residual, iterations = system.solve([(toy, own)], rhs, np.array([ridge]), 1e-9)
    features = solve_triangular(lower, kernel(np.concatenate([x, toy]), centres, width).T, lower=True).T
    matrix = gram(features, np.concatenate([shared, own])) + ridge * np.eye(len(centres))
    right = solve_triangular(lower, rhs, lower=True)
    beta = solve(matrix, right)
    np.testing.assert_allclose(lower.T @ alpha, beta, rtol=0, atol=1e-6 * np.abs(beta).max())
    assert residual <= 1e-9
    assert iterations < 100


def test_copies_of_a_centre_span_nothing_new():
    z = RNG.normal(size=(30, 2))
    events = (RNG.normal(size=(500, 2)), np.full(500, 0.5))
    once, twice = (many_centres(c, 0.5, events, 1.0) for c in (z, np.concatenate([z, z])))
    assert len(twice.factor) == len(once.factor) <= 30
    assert twice.residual < 1e-13


def test_negative_curvature_is_refused():
    with pytest.raises(FitError, match="not positive"):
        many_centres(RNG.normal(size=(20, 2)), 1.0, (RNG.normal(size=(500, 2)), np.full(500, -0.5)), 1e-3)
