"""The kernel NPLM in slices is the one that fits into memory."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import kstest

from serendip.errors import FitError, InputError
from serendip.nets import many_centres
from serendip.nets.kernel_products import KernelProducts
from serendip.nets.kernel_solver import conjugate_gradients
from serendip.stats.sample_tests import large_kernel
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.large_kernel import LargeKernelNPLM, large_machine
from serendip.stats.sample_tests.sample import Sample

WIDTHS, M, PENALTY, EXPECTED = (0.8, 1.2), 150, 1e-6, 500.0


def draw(rng, n, shift=0.0):
    return Sample(rng.normal(size=(n, 4)) * [1, 2, 1, 1] + [shift, 0, 0, 0])


def large(reference, centres, tolerance=1e-10, penalty=PENALTY, widths=WIDTHS):
    w = reference.w * (EXPECTED / reference.total)
    machines = tuple(large_machine(reference.x, w, centres, s, penalty, tolerance=tolerance) for s in widths)
    return LargeKernelNPLM(tuple(map(str, widths)), lambda x: x, machines)


def dense(reference, centres, sample, width):
    """t by the whole kernel, a Cholesky factor without pivots, and a dense solve."""
    kernel = lambda x: np.exp(-0.5 * ((x[:, None] - centres) ** 2).sum(axis=2) / width**2)  # noqa: E731
    jittered = kernel(centres) + 1e-13 * len(centres) * np.eye(len(centres))
    transform = np.linalg.inv(np.linalg.cholesky(jittered)).T
    r, d = kernel(reference.x) @ transform, kernel(sample.x) @ transform
    w = reference.w * (EXPECTED / reference.total)
    matrix = (r.T * w) @ r / 4 + (d.T * sample.w) @ d / 4 + PENALTY * (len(r) + len(d)) * np.eye(len(centres))
    theta = np.linalg.solve(matrix, (sample.w @ d - w @ r) / 2)
    return 2 * (sample.w @ d @ theta - w @ np.expm1(r @ theta))


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    return Sample(draw(rng, 3000).x, rng.choice([1.5, 0.5, -0.2], 3000, p=[0.6, 0.35, 0.05]))


@pytest.mark.parametrize("whole", [0, 1000])
def test_it_is_the_dense_solve(reference, monkeypatch, whole):
    monkeypatch.setattr(many_centres, "LEADING", 60)
    monkeypatch.setattr(many_centres, "WHOLE", whole)
    rng = np.random.default_rng(2)
    samples = [draw(rng, 480), draw(rng, 530, 0.3), draw(rng, 300)]
    centres = reference.x[:M]
    expected = [[dense(reference, centres, sample, width) for width in WIDTHS] for sample in samples]
    np.testing.assert_allclose(large(reference, centres).statistics(samples), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("width", "spanning"), [(1.2, 150), (100.0, 75)])
def test_pivots_stand_for_all_centres(reference, width, spanning):
    sample, centres = draw(np.random.default_rng(3), 480), reference.x[:M]
    prepared = large(reference, centres, widths=(width,))
    assert len(prepared.machines[0].products.centres) <= spanning
    assert prepared.statistics([sample])[0, 0] == pytest.approx(dense(reference, centres, sample, width), abs=1e-3)


def test_the_test_hands_over_where_its_features_would_not_fit(reference, monkeypatch):
    rng = np.random.default_rng(9)
    samples, at = [draw(rng, 480), draw(rng, 530, 0.3)], draw(rng, 50).x
    settings = KernelNPLM(widths=WIDTHS, centres=M)
    small = settings.prepare(reference, EXPECTED, seed=3)
    monkeypatch.setattr(large_kernel, "MANY", M - 1)
    handed = settings.prepare(reference, EXPECTED, seed=3)
    assert isinstance(handed, LargeKernelNPLM)
    assert (handed.labels, handed.widths, handed.penalties) == (small.labels, small.widths, small.penalties)
    np.testing.assert_allclose(handed.statistics(samples), small.statistics(samples), rtol=1e-5)
    np.testing.assert_allclose(handed.log_ratio(samples[1], at), small.log_ratio(samples[1], at), atol=1e-3)
    with pytest.raises(InputError, match="'converged' with 150 centres"):
        KernelNPLM(widths=WIDTHS, centres=M, solution="converged").prepare(reference, EXPECTED)


def test_the_default_tolerance_moves_t_little(reference):
    rng = np.random.default_rng(4)
    samples, centres = [draw(rng, 500), draw(rng, 500, 0.2)], reference.x[:M]
    quick = large(reference, centres, tolerance=1e-6).statistics(samples)
    np.testing.assert_allclose(quick, large(reference, centres).statistics(samples), rtol=1e-5)


def test_a_sample_does_not_depend_on_its_batch(reference, monkeypatch):
    rng = np.random.default_rng(5)
    samples = [draw(rng, n) for n in (400, 500, 600)]
    prepared = large(reference, reference.x[:M], widths=WIDTHS[:1])
    together = prepared.statistics(samples)
    monkeypatch.setattr("serendip.stats.sample_tests.large_kernel.AT_ONCE", 1)
    np.testing.assert_allclose(prepared.statistics(samples), together, rtol=1e-9)


def test_p_values_are_uniform_and_a_shift_is_found():
    rng = np.random.default_rng(6)
    reference = draw(rng, 2000)
    prepared = large(reference, reference.x[:30], tolerance=1e-6, widths=WIDTHS[1:])
    null = prepared.statistics([draw(rng, rng.poisson(EXPECTED)) for _ in range(120)])[:, 0]
    tested = prepared.statistics([draw(rng, rng.poisson(EXPECTED)) for _ in range(60)])[:, 0]
    p = (1 + (null >= tested[:, None]).sum(axis=1)) / (1 + len(null))
    assert kstest(p, "uniform").pvalue > 1e-3
    assert prepared.statistics([draw(rng, 500, 0.5)])[0, 0] > null.max()


def test_other_features_are_refused(reference):
    prepared = large(reference, reference.x[:20], widths=WIDTHS[:1])
    with pytest.raises(InputError, match="3 features, but expected 4"):
        prepared.statistics([Sample(np.zeros((5, 3)))])


def test_an_overflow_is_named(reference, monkeypatch):
    prepared = large(reference, reference.x[:20], widths=WIDTHS[:1])
    monkeypatch.setattr(KernelProducts, "times", lambda self, x, v: np.full((len(x), v.shape[1]), 1e3))
    with pytest.raises(FitError, match=r"width 0\.8 and penalty 1e-06"):
        prepared.statistics([draw(np.random.default_rng(7), 500)])


def test_iterations_that_do_not_converge_are_refused(reference, monkeypatch):
    prepared = large(reference, reference.x[:20], widths=WIDTHS[:1])
    monkeypatch.setattr(many_centres, "conjugate_gradients", partial(conjugate_gradients, limit=2))
    with pytest.raises(FitError, match="after 2 iterations"):
        prepared.statistics([draw(np.random.default_rng(8), 500)])
