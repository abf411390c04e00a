import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from serendip.errors import FitError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample, make_test
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.nplm_recipe import draw_centres
from serendip.stats.uniformity import uniformity


def exponential(n: int, index: int, task: str = "toy") -> Sample:
    return Sample(rng_for(7, task, index).exponential(size=(n, 1)))


def gaussian(n: int, d: int, index: int, shift: float = 0.0) -> Sample:
    return Sample(rng_for(8, f"gaussian {d}", index).normal(size=(n, d)) + shift)


def dense_basis(centres: np.ndarray, width: float) -> np.ndarray:
    """T of the published code: TᵀT = K_MM + 1e-13 M."""
    m = len(centres)
    return cholesky(np.exp(-cdist(centres, centres, "sqeuclidean") / (2 * width**2)) + 1e-13 * m * np.eye(m))


def dense(reference: Sample, sample: Sample, expected: float, centres, width: float, penalty: float) -> float:
    """The published statistic by its own formula: 1/n KᵀWK + λ TᵀT in the basis of T, one Newton step from 0."""
    x = np.concatenate([sample.x, reference.x])
    w = np.concatenate([sample.w, reference.w * expected / reference.total])
    y = np.arange(len(x)) < len(sample)
    kernel = np.exp(-cdist(x, centres, "sqeuclidean") / (2 * width**2))
    phi = solve_triangular(dense_basis(centres, width), kernel.T, trans="T").T
    hessian = (phi.T * (w / 4)) @ phi / len(x) + penalty * np.eye(len(centres))
    gradient = phi.T @ np.where(y, -w / 2, w / 2) / len(x)
    f = -phi @ cho_solve(cho_factor(hessian), gradient)
    return float(2 * (w[y] @ f[y] - w[~y] @ np.expm1(f[~y])))


def centres_of(reference: Sample, count: int, seed: int) -> np.ndarray:
    return draw_centres(reference.x, count, 0.0, seed)


def plain(width: float = 0.7, **settings) -> KernelNPLM:
    """Features as they are, λ as in the published runs."""
    return KernelNPLM(**{"widths": (width,), "standardise": False, "penalty": 1e-6, "centres": 100} | settings)


@pytest.mark.parametrize("penalty", [1e-6, 1e-10])
@pytest.mark.parametrize("width", [0.1, 0.7, 3.0])
def test_equals_a_dense_solution_on_the_same_centres_in_one_dimension(penalty, width):
    reference, sample = exponential(20_000, 0, "reference"), exponential(1000, 1)
    prepared = plain(width, penalty=penalty, centres=300).prepare(reference, 1000.0, seed=3)
    expected = dense(reference, sample, 1000.0, centres_of(reference, 300, 3), width, penalty)
    assert prepared.statistics([sample])[0, 0] == pytest.approx(expected, abs=1e-4)
    assert len(prepared.machines[0].reference.basis) < 150
    assert max(prepared.truncation) < 1e-6


@pytest.mark.parametrize("far", [4.0, 9.0, 11.0])
def test_interpolated_kernels_are_exact_for_signals_beyond_the_centres(far):
    """The last centre stands at 5.6, the last reference event at 10.6."""
    reference = exponential(20_000, 0, "reference")
    sample = Sample(np.concatenate([exponential(1000, 1).x, np.linspace(far - 0.1, far + 0.1, 20)[:, None]]))
    t = plain(3.0, centres=300).prepare(reference, 1000.0, seed=3).statistics([sample])
    expected = dense(reference, sample, 1000.0, centres_of(reference, 300, 3), 3.0, 1e-6)
    assert t[0, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("settings", [{"centres": 200}, {"centres": 600}])
def test_equals_a_dense_solution_in_five_dimensions(settings):
    """With 200 centres by a Gram matrix, with 600 by conjugate gradients."""
    reference, sample = gaussian(5000, 5, 0), gaussian(1500, 5, 1, 0.05)
    prepared = plain(2.5, **settings).prepare(reference, 1500.0, seed=3)
    assert prepared.machines[0].reference.iterative == (settings["centres"] > 500)
    expected = dense(reference, sample, 1500.0, centres_of(reference, settings["centres"], 3), 2.5, 1e-6)
    assert prepared.statistics([sample])[0, 0] == pytest.approx(expected, abs=1e-4)
    assert prepared.truncation == (0.0,)


def test_equals_a_dense_solution_with_signed_weights():
    rng = rng_for(1, "signed")
    reference = Sample(rng.normal(size=(5000, 2)), rng.choice([1.3, -0.2], 5000, p=[0.9, 0.1]))
    sample = Sample(rng.normal(size=(800, 2)), rng.choice([1.0, -0.1], 800, p=[0.95, 0.05]))
    t = plain(1.0).prepare(reference, 750.0, seed=2).statistics([sample])
    assert t[0, 0] == pytest.approx(dense(reference, sample, 750.0, centres_of(reference, 100, 2), 1.0, 1e-6), abs=1e-4)


def test_converged_is_the_minimum_of_the_loss():
    reference, sample = exponential(2000, 0, "reference"), exponential(500, 1)
    prepared = plain(centres=20, penalty=1e-4, solution="converged").prepare(reference, 480.0)
    machine = prepared.machines[0].reference
    phi, ridge = machine.basis.features(sample.x), 1e-4 * 2500

    def loss(theta):
        data, background = phi @ theta, machine.features @ theta
        fit = np.logaddexp(0, -data).sum() + machine.w @ np.logaddexp(0, background)
        return fit + ridge * (theta @ theta) / 2

    best = minimize(loss, np.zeros(len(machine.basis)), method="BFGS", options={"gtol": 1e-7, "maxiter": 5000})
    t = 2 * (phi @ best.x).sum() - 2 * machine.w @ np.expm1(machine.features @ best.x)
    assert prepared.statistics([sample])[0, 0] == pytest.approx(t, abs=1e-3)
    assert loss(best.x) <= loss(np.zeros(len(best.x)))


def test_one_step_and_converged_agree_where_the_ratio_is_small():
    reference, sample = exponential(20_000, 0, "reference"), exponential(2000, 3)
    one, full = (
        plain(solution=solution).prepare(reference, 2000.0).statistics([sample])[0, 0]
        for solution in ("one_step", "converged")
    )
    assert one != full
    assert one == pytest.approx(full, abs=0.5)


def test_p_values_are_uniform_under_the_null_with_reference_and_centres_shared():
    prepared = plain(widths=(0.3, 1.4)).prepare(exponential(50_000, 0, "reference"), 500.0)
    counts = rng_for(3, "counts").poisson(500, 1400)
    t = prepared.statistics([exponential(n, k) for k, n in enumerate(counts)])
    for column in t.T:
        null, tested = np.sort(column[:1000]), column[1000:]
        p = (1 + len(null) - np.searchsorted(null, tested)) / (1 + len(null))
        assert uniformity(p).ks_p > 0.001


def test_p_values_of_permutations_are_uniform():
    p = []
    for k in range(60):
        x = gaussian(400, 2, k).x
        rng = rng_for(k, "labels")
        is_data = np.stack([np.isin(np.arange(400), rng.permutation(400)[:150]) for _ in range(40)])
        t = KernelNPLM(penalty=1e-5, centres=20).pooled_statistics(x, is_data)[:, 0]
        p.append((1 + (t[1:] >= t[0]).sum()) / 40)
    assert uniformity(np.array(p) - rng_for(0, "ties").random(60) / 40).ks_p > 0.001


def test_finds_an_injected_bump():
    prepared = plain(0.7).prepare(exponential(50_000, 0, "reference"), 1000.0)
    null = prepared.statistics([exponential(n, k) for k, n in enumerate(rng_for(4, "n").poisson(1000, 100))])[:, 0]
    bump = Sample(np.concatenate([exponential(1000, 999).x, rng_for(1, "bump").normal(4, 0.1, (50, 1))]))
    assert prepared.statistics([bump])[0, 0] > null.max()


def test_counts_alone_give_the_poisson_likelihood_ratio():
    """With a kernel wider than the data f is a constant, and t → 2 (N f − N(R) (e^f − 1)) at f of one Newton step."""
    reference = Sample(np.linspace(0, 1, 2000)[:, None])
    sample = Sample(np.linspace(0, 1, 130)[:, None])
    t = plain(1e3, centres=50, penalty=1e-9).prepare(reference, 100.0).statistics([sample])[0, 0]
    f = (130 - 100) / 2 / ((130 + 100) / 4)
    assert t == pytest.approx(2 * (130 * f - 100 * np.expm1(f)), abs=1e-3)
    full = (
        plain(1e3, centres=50, penalty=1e-9, solution="converged").prepare(reference, 100.0).statistics([sample])[0, 0]
    )
    assert full == pytest.approx(2 * (130 * np.log(1.3) - 30), abs=1e-3)


def test_the_ratio_learned_is_that_of_the_densities():
    reference = gaussian(50_000, 1, 0)
    sample = gaussian(50_000, 1, 1, 0.5)
    prepared = plain(1.5, penalty=1e-7, solution="converged").prepare(reference, 50_000.0)
    at = np.linspace(-1.5, 2, 30)[:, None]
    truth = 0.5 * at[:, 0] - 0.125
    assert np.abs(prepared.log_ratio(sample, at)[:, 0] - truth).max() < 0.1


def test_a_statistic_is_that_of_its_own_log_ratio():
    reference, sample = gaussian(3000, 2, 0), gaussian(500, 2, 1)
    prepared = KernelNPLM(penalty=1e-5).prepare(reference, 500.0)
    data, background = (prepared.log_ratio(sample, x)[:, 0] for x in (sample.x, reference.x))
    t = 2 * (data.sum() - 500 / 3000 * np.expm1(background).sum())
    assert prepared.statistics([sample])[0, 0] == pytest.approx(t, rel=1e-9)


def test_how_toys_are_batched_does_not_matter():
    prepared = plain(widths=(0.3, 1.0)).prepare(exponential(5000, 0, "reference"), 300.0)
    samples = [exponential(n, n) for n in (300, 310, 1, 290)]
    alone = np.concatenate([prepared.statistics([sample]) for sample in samples])
    np.testing.assert_allclose(prepared.statistics(samples), alone, rtol=1e-9)
    assert prepared.statistics([]).shape == (0, 2)


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_centres():
    reference, sample = gaussian(3000, 2, 0), gaussian(500, 2, 1)
    one, again, other = (
        KernelNPLM(centres=60).prepare(reference, 500.0, seed=seed).statistics([sample]) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_scale_and_origin_of_features_do_not_matter_when_standardised():
    reference, sample = gaussian(3000, 2, 0), gaussian(500, 2, 1)
    stretch, origin = np.array([1e3, 1e-4]), np.array([5.0, -1e-3])
    moved = [Sample(s.x * stretch + origin) for s in (reference, sample)]
    test = KernelNPLM(centres=60, penalty=1e-6)
    t = test.prepare(reference, 500.0).statistics([sample])
    assert test.prepare(moved[0], 500.0).statistics([moved[1]]) == pytest.approx(t, rel=1e-6)


def test_weights_stand_for_copies_but_for_the_ridge():
    """λ multiplies the number of events, whatever their weights."""
    reference, sample = gaussian(2000, 1, 0), gaussian(200, 1, 1)
    twice = Sample(np.repeat(sample.x, 2, axis=0))
    weighted = Sample(sample.x, np.full(200, 2.0))
    t = [plain(penalty=1e-9).prepare(reference, 400.0).statistics([s])[0, 0] for s in (twice, weighted)]
    assert t[0] == pytest.approx(t[1], rel=0.02)


def test_duplicated_reference_events_do_no_harm():
    reference = exponential(1000, 0, "reference")
    copies = Sample(np.tile(reference.x, (3, 1)))
    sample = exponential(300, 1)
    prepared = plain(centres=600).prepare(copies, 300.0, seed=3)
    assert len(prepared.machines[0].reference.basis) < 150
    expected = dense(copies, sample, 300.0, centres_of(copies, 600, 3), 0.7, 1e-6)
    assert prepared.statistics([sample])[0, 0] == pytest.approx(expected, abs=1e-4)


def test_pooled_statistics_are_those_of_separate_samples():
    """Centres from all events of the pool on both sides, the reference's weight scaled to the data's."""
    pool = gaussian(600, 2, 5)
    w = rng_for(6, "w").choice([1.0, 0.5, -0.1], 600, p=[0.8, 0.15, 0.05])
    is_data = np.stack([rng_for(6, "labels", k).random(600) < share for k, share in enumerate((0.2, 0.5, 0.8))])
    for solution in ("one_step", "converged"):
        test = plain(1.0, centres=600, penalty=1e-5, solution=solution)
        pooled = test.pooled_statistics(pool.x, is_data, w)
        for labels, t in zip(is_data, pooled[:, 0], strict=True):
            data, reference = Sample(pool.x[labels], w[labels]), Sample(pool.x[~labels], w[~labels])
            alone = plain(1.0, centres=len(reference), penalty=1e-5, solution=solution, centres_from="both")
            assert alone.prepare(reference, data.total).statistics([data])[0, 0] == pytest.approx(t, rel=0.05, abs=0.2)


def test_pooled_statistics_do_not_depend_on_other_relabellings():
    pool = gaussian(500, 3, 2)
    is_data = np.stack([np.isin(np.arange(500), rng_for(k, "labels").permutation(500)[:100]) for k in range(5)])
    test = KernelNPLM(penalty=1e-5, percentiles=(25, 75))
    np.testing.assert_allclose(
        test.pooled_statistics(pool.x, is_data)[3:], test.pooled_statistics(pool.x, is_data[3:]), rtol=1e-9
    )


def test_centres_of_both_samples_are_those_of_the_published_code():
    reference, sample = exponential(3000, 0, "reference"), exponential(300, 1)
    both = Sample(np.concatenate([reference.x, sample.x]))
    t = plain(centres=50, centres_from="both").prepare(reference, 300.0, seed=4).statistics([sample])[0, 0]
    assert t == pytest.approx(dense(reference, sample, 300.0, centres_of(both, 50, 4), 0.7, 1e-6), abs=1e-4)


def test_widths_by_percentile_are_quantiles_of_pairwise_distances():
    reference = gaussian(1500, 3, 0)
    prepared = KernelNPLM(percentiles=(5, 50, 90), centres=50).prepare(reference, 100.0)
    x = (reference.x - reference.x.mean(0)) / reference.x.std(0)
    assert prepared.widths == pytest.approx(
        np.quantile(cdist(x, x)[np.triu_indices(1500, 1)], [0.05, 0.5, 0.9]), rel=1e-9
    )
    assert prepared.labels == ("σ at 5 %", "σ at 50 %", "σ at 90 %")


def test_the_default_penalty_keeps_single_events_from_bending_f():
    reference = gaussian(5000, 2, 0)
    wide, narrow = (KernelNPLM(widths=(width,)).prepare(reference, 500.0).penalties[0] for width in (3.0, 0.1))
    assert 1e-10 <= wide < narrow <= 1e-3


def test_an_overflowing_ratio_names_width_penalty_and_the_way_out():
    """Where the weights of data and reference nearly cancel, one step goes as far as f = 2 · 2 / 1e-4."""
    reference = Sample(np.r_[np.zeros(1000), 10.0][:, None], np.r_[np.ones(1000), -0.9999])
    prepared = plain(0.5, centres=1001, penalty=1e-12).prepare(reference, reference.total)
    with pytest.raises(FitError, match=r"width 0.5 and penalty 1e-12.*Raise the penalty"):
        prepared.statistics([Sample(np.r_[np.zeros(1000), 10.0][:, None])])


def test_negative_weights_that_outweigh_are_refused():
    x = np.concatenate([np.zeros((100, 1)), np.full((50, 1), 5.0)])
    reference = Sample(x, np.r_[np.ones(100), -np.ones(50)])
    with pytest.raises(FitError, match="negative weights outweigh"):
        plain(0.5, centres=150).prepare(reference, 50.0).statistics([Sample(np.zeros((50, 1)))])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (0.0,)}, "a width of 0"),
        ({"widths": (float("nan"),)}, "a width of nan"),
        ({"percentiles": (101.0,)}, "a percentile of 101"),
        ({"percentiles": ()}, "neither widths nor percentiles"),
        ({"penalty": -1e-6}, "a penalty of -1e-06"),
        ({"centres": 0}, "0 centres"),
        ({"solution": "exact"}, "one_step, converged"),
        ({"centres_from": "data"}, "reference, both"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        make_test("nplm", **settings)


def test_samples_that_cannot_be_are_refused():
    reference = gaussian(200, 2, 0)
    with pytest.raises(TooFewEventsError, match="200 events to draw 300 centres"):
        KernelNPLM(centres=300).prepare(reference, 50.0)
    for expected in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="expected events"):
            KernelNPLM().prepare(reference, expected)
    with pytest.raises(InputError, match="weights that sum to 0"):
        KernelNPLM().prepare(Sample(reference.x, np.r_[np.ones(100), -np.ones(100)]), 50.0)
    with pytest.raises(InputError, match=r"feature 1 is constant \(3\)"):
        KernelNPLM().prepare(Sample(np.column_stack([reference.x[:, 0], np.full(200, 3.0)])), 50.0)
    with pytest.raises(InputError, match="3 features, but expected 2"):
        KernelNPLM().prepare(reference, 50.0).statistics([gaussian(10, 3, 0)])
    with pytest.raises(InputError, match="distance of 0 at the 90 %"):
        KernelNPLM(standardise=False).prepare(Sample(np.zeros((200, 1))), 50.0)
    with pytest.raises(InputError, match="relabelling whose weights cancel"):
        KernelNPLM().pooled_statistics(reference.x, np.ones((1, 200), bool))


@pytest.mark.slow
def test_null_of_the_published_benchmark_is_a_chi_square_of_its_degrees_of_freedom():
    """Published 5.39 (M 1000, λ 1e-6) and 9.58 (M 3000, λ 1e-10), each a fit to about 100 to 300 toys."""
    reference = Sample(rng_for(0, "reference").exponential(1 / 8, (200_000, 1)))
    counts = rng_for(0, "counts").poisson(2000, 300)
    samples = [Sample(rng_for(0, "toy", k).exponential(1 / 8, (n, 1))) for k, n in enumerate(counts)]
    for centres, penalty, low, high in ((1000, 1e-6, 5.2, 6.4), (3000, 1e-10, 9.2, 10.6)):
        t = plain(0.3, centres=centres, penalty=penalty).prepare(reference, 2000.0).statistics(samples)[:, 0]
        dof = scipy_stats.chi2.fit(t, floc=0, fscale=1)[0]
        assert low < dof < high
        assert scipy_stats.kstest(t, "chi2", (dof,)).pvalue > 0.01
