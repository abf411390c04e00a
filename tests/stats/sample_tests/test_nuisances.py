"""Nuisances, what is learned of them, and τ − Δ with them."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from serendip.errors import ConfigError, FitError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.moving_gram import moving_grams
from serendip.stats.sample_tests.nuisance_draws import NuisanceDraws, at
from serendip.stats.sample_tests.nuisance_fit import NuisanceLikelihood, NuisanceModel, profile
from serendip.stats.sample_tests.nuisance_settings import nuisances_from
from serendip.stats.sample_tests.nuisances import LearnedShape, Normalisation, ParametricShape, all_terms, scale
from serendip.stats.sample_tests.reweighting import learn_log_ratio
from serendip.stats.sample_tests.tau_delta import with_nuisances

EXPECTED = 500.0
KERNEL = KernelNPLM(widths=(0.3, 1.0), centres=200, penalty=1e-6)
NORM = Normalisation("norm", 0.15)


def stretch(x, nu, sigma=0.1):
    """ln of the density ratio of exp(1) when x → x (1 + νσ)."""
    return x[:, 0] * nu * sigma / (1 + nu * sigma) - np.log1p(nu * sigma)


def tilt(x, nu, slope=0.2):
    """A ratio whose logarithm is linear in ν, normalised for exp(1)."""
    return nu * slope * np.minimum(x[:, 0], 3.0)


STRETCH = ParametricShape("stretch", stretch)
TILT = ParametricShape("tilt", tilt)


@pytest.fixture(scope="module")
def reference():
    return Sample(rng_for(0, "reference").exponential(1.0, (20_000, 1)))


@pytest.fixture(scope="module")
def pool():
    return Sample(rng_for(0, "pool").exponential(1.0, (60_000, 1)))


def fit(nuisances, reference, sample):
    model = NuisanceModel(*all_terms(nuisances, reference.x), reference.w * (EXPECTED / reference.total))
    first, second = all_terms(nuisances, sample.x)
    auxiliary = np.zeros(len(nuisances)) if sample.auxiliary is None else sample.auxiliary
    return NuisanceLikelihood(model, sample.w @ first, sample.w @ second, auxiliary)


def test_delta_of_a_normalisation_is_the_poisson_likelihoods(reference):
    n, measured, sigma = 620, 0.4, 0.15

    def minus(nu):
        return -2 * (n * sigma * nu - EXPECTED * math.expm1(sigma * nu) - 0.5 * (nu - measured) ** 2 + measured**2 / 2)

    best = optimize.minimize_scalar(minus, bracket=(0, 1), tol=1e-10)
    sample = Sample(np.ones((n, 1)), auxiliary=np.array([measured]))
    found = profile(fit((NORM,), reference, sample))
    assert found.nu[0] == pytest.approx(best.x, abs=1e-6)
    assert found.delta == pytest.approx(-best.fun, rel=1e-9)


def test_delta_is_maximal_over_all_nuisances(reference, pool):
    nuisances = (NORM, STRETCH, TILT)
    sample = NuisanceDraws(nuisances, pool, EXPECTED, (1.0, -1.5, 0.5)).toy(3).sample
    likelihood = fit(nuisances, reference, sample)
    best = optimize.minimize(lambda nu: -likelihood.at(nu).value, np.zeros(3), tol=1e-10)
    np.testing.assert_allclose(profile(likelihood).nu, best.x, atol=1e-4)


def test_derivatives_of_the_likelihood_are_its_differences(reference, pool):
    likelihood = fit((NORM, STRETCH), reference, pool[:500])
    nu, step = np.array([0.3, -0.8]), 1e-5
    here = likelihood.at(nu)
    for i, move in enumerate(step * np.eye(2)):
        up, down = likelihood.at(nu + move), likelihood.at(nu - move)
        assert here.gradient[i] == pytest.approx((up.value - down.value) / (2 * step), rel=1e-5)
        np.testing.assert_allclose(here.information[i], (down.gradient - up.gradient) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("measured", [0.0, 0.5])  # 0 is a stationary point, but no maximum
def test_a_ratio_that_runs_away_is_an_error(reference, measured):
    explosive = ParametricShape(
        "explosive", lambda x, nu: 3.0 * nu**2 * (x[:, 0] > 50)
    )  # where the reference has nothing
    with pytest.raises(FitError, match="no best values"):
        profile(fit((explosive,), reference, Sample(np.full((500, 1), 60.0), auxiliary=np.array([measured]))))


def test_without_nuisances_it_is_the_kernel_test(reference, pool):
    prepared = with_nuisances(KERNEL, ()).prepare(reference, EXPECTED)
    samples = [pool[:480], pool[480:1000]]
    np.testing.assert_allclose(prepared.statistics(samples), prepared.kernel.statistics(samples), rtol=1e-7)
    x = pool.x[:50]
    np.testing.assert_allclose(prepared.log_ratio(samples[0], x), prepared.kernel.log_ratio(samples[0], x), atol=1e-6)


def test_a_nuisance_held_at_zero_changes_nothing(reference, pool):
    held = with_nuisances(KERNEL, (Normalisation("held", 1e-6),)).prepare(reference, EXPECTED)
    sample = Sample(pool.x[:500], auxiliary=np.zeros(1))
    np.testing.assert_allclose(held.statistics([sample]), held.kernel.statistics([sample]), rtol=1e-4)


def test_the_moved_gram_is_the_sum_over_the_moved_reference(reference):
    model = NuisanceModel(*all_terms((NORM, STRETCH), reference.x), reference.w * (EXPECTED / reference.total))
    machine = KERNEL.prepare(reference, EXPECTED).machines[0]
    (moving,) = moving_grams([machine], model, 0)
    for nu in ([0.0, 0.0], [2.5, -1.7]):
        phi = machine.reference.features
        exact = (phi.T * model.weights(np.array(nu))) @ phi
        np.testing.assert_allclose(moving.at(np.array(nu)), exact, atol=1e-5 * np.abs(exact).max())


def test_a_sample_alone_gives_the_statistic_it_gives_among_others(reference, pool):
    prepared = with_nuisances(KERNEL, (NORM, TILT)).prepare(reference, EXPECTED)
    draws = NuisanceDraws((NORM, TILT), pool, EXPECTED, (1.0, 1.0))
    samples = [draws.toy(i).sample for i in range(3)]
    np.testing.assert_array_equal(prepared.statistics(samples)[1:2], prepared.statistics(samples[1:2]))


def test_order_of_nuisances_does_not_matter(reference, pool):
    sample = NuisanceDraws((NORM, TILT), pool, EXPECTED, (1.0, -1.0)).toy(0).sample
    swapped = Sample(sample.x, sample.w, sample.auxiliary[::-1])
    one = with_nuisances(KERNEL, (NORM, TILT)).prepare(reference, EXPECTED).explain(sample)
    other = with_nuisances(KERNEL, (TILT, NORM)).prepare(reference, EXPECTED).explain(swapped)
    np.testing.assert_allclose(one.tau, other.tau, rtol=1e-6)
    np.testing.assert_allclose(one.nu, other.nu[::-1], atol=1e-6)


def test_the_null_does_not_know_the_true_nuisances_and_tau_does(reference, pool):
    prepared = with_nuisances(KERNEL, (NORM, TILT)).prepare(reference, EXPECTED)

    def thrown(nu, seed):
        draws = NuisanceDraws((NORM, TILT), pool, EXPECTED, nu, seed=seed)
        fits = [prepared.explain(draws.toy(i).sample) for i in range(100)]
        return np.array([f.statistic[0] for f in fits]), np.array([f.tau[0] for f in fits])

    (t, tau), (shifted_t, shifted_tau) = thrown((0.0, 0.0), 1), thrown((2.0, 2.0), 2)
    assert stats.ks_2samp(t, shifted_t).pvalue > 0.01
    assert stats.ks_2samp(tau, shifted_tau).pvalue < 1e-10


def test_a_signal_that_no_nuisance_explains_is_found(reference, pool):
    prepared = with_nuisances(KERNEL, (NORM, TILT)).prepare(reference, EXPECTED)
    draws = NuisanceDraws((NORM, TILT), pool, EXPECTED, (1.0, -1.0))
    samples = [draws.toy(i).sample for i in range(60)]
    null = prepared.statistics(samples)[:, 0]
    rng = rng_for(1, "signal")
    signal = [Sample(np.vstack([s.x, rng.normal(4.0, 0.1, (15, 1))]), auxiliary=s.auxiliary) for s in samples[:15]]
    assert np.median(prepared.statistics(signal)[:, 0]) > null.max()


def test_a_pull_beyond_the_constraint_is_not_explained_away(reference, pool):
    prepared = with_nuisances(KERNEL, (Normalisation("norm", 0.05),)).prepare(reference, EXPECTED)
    result = prepared.explain(Sample(pool.x[:1000], auxiliary=np.zeros(1)))  # twice the expected events, at 5 %: 14 σ
    assert result.statistic[0] > 100


def test_log_ratio_forgets_what_the_nuisance_explains(reference, pool):
    prepared = with_nuisances(KERNEL, (Normalisation("norm", 0.5),)).prepare(reference, EXPECTED)
    x = np.linspace(0.2, 1.5, 9)[:, None]
    sample = Sample(pool.x[:900], auxiliary=np.array([math.log(1.8) / 0.5]))
    assert abs(prepared.log_ratio(sample, x)[:, 1].mean()) < 0.15
    assert prepared.kernel.log_ratio(sample, x)[:, 1].mean() == pytest.approx(math.log(1.8), abs=0.15)


def test_draws_have_the_yield_and_the_auxiliary_measurement_of_their_nuisance(pool):
    draws = NuisanceDraws((NORM, Normalisation("other", 0.1)), pool, EXPECTED, (2.0, -1.0))
    samples = [draws.toy(i).sample for i in range(400)]
    counts, measured = np.array([len(s) for s in samples]), np.array([s.auxiliary for s in samples])
    mean = EXPECTED * math.exp(0.15 * 2 - 0.1)
    assert counts.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / 400))
    assert counts.var() == pytest.approx(mean, rel=4 * math.sqrt(2 / 400))
    np.testing.assert_allclose(measured.mean(axis=0), [2.0, -1.0], atol=0.2)
    np.testing.assert_allclose(measured.std(axis=0), 1.0, atol=0.15)
    np.testing.assert_array_equal(draws.toy(7).sample.x, samples[7].x)


def test_events_at_a_shifted_scale_follow_the_formula(pool):
    by_weight, moved = at((STRETCH,), pool, np.array([1.0])), pool.x[:, 0] * 1.1
    edges = [0, 0.5, 1, 2, 4]
    counts, _ = np.histogram(by_weight.x[:, 0], edges, weights=by_weight.w)
    np.testing.assert_allclose(counts, np.histogram(moved, edges)[0], rtol=0.03)


def test_a_learned_ratio_is_the_true_one_and_closes(reference):
    learned = scale("scale", 0, 0.1, reference)
    x = np.linspace(0.05, 3, 15)[:, None]
    np.testing.assert_allclose(learned.up(x), stretch(x, 1.0), atol=0.06)
    np.testing.assert_allclose(learned.down(x), stretch(x, -1.0), atol=0.06)
    assert learned.closure.p > 0.01
    assert abs(learned.closure.auc - 0.5) < 0.02


def test_a_learned_ratio_has_the_yield_of_its_samples():
    rng = rng_for(0, "yield")
    nominal, varied = Sample(rng.normal(size=(4000, 2))), Sample(rng.normal(size=(3000, 2)), np.full(3000, 1.6))
    ratio = learn_log_ratio(varied, nominal)(nominal.x)
    assert ratio.mean() == pytest.approx(math.log(1.2), abs=0.02)


def test_closure_fails_where_the_ratio_is_too_sharp_to_learn():
    rng = rng_for(0, "comb")
    nominal = Sample(rng.uniform(size=(6000, 1)))
    comb = Sample((np.floor(rng.uniform(size=(6000, 1)) * 12) + rng.uniform(0, 0.5, (6000, 1))) / 12)
    assert LearnedShape.fit("comb", nominal, comb, nominal).closure.p < 0.01


READ = {"up": 1.1, "down": 0.9}


def test_settings_make_nuisances(reference):
    settings = [
        {"name": "norm", "kind": "normalisation", "sigma": 0.15},
        {"name": "energy", "kind": "scale", "feature": "x", "sigma": 0.1},
        {"name": "jes", "kind": "learned", "up": "up", "down": "down"},
    ]
    small = reference[:3000]
    made = nuisances_from(settings, ["x"], small, lambda path: Sample(small.x * READ[path]))
    assert [nuisance.name for nuisance in made] == ["norm", "energy", "jes"]
    np.testing.assert_allclose(made[1].terms(small.x[:100]), made[2].terms(small.x[:100]), atol=1e-9)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"name": "a", "kind": "normalization", "sigma": 1}, r"nuisances\[0\].kind: .*Did you mean 'normalisation'"),
        ({"name": "a", "kind": "normalisation"}, r"nuisances\[0\].sigma: Got nothing"),
        ({"name": "a", "kind": "normalisation", "sigma": -0.1}, r"nuisances\[0\]: Got sigma=-0.1"),
        ({"name": "a", "kind": "normalisation", "sigma": 0.1, "sigm": 2}, r"nuisances\[0\].sigm: .*Did you mean"),
        ({"name": "a", "kind": "scale", "sigma": 0.1, "feature": "y"}, r"nuisances\[0\].feature: Got feature 'y'"),
        ({"name": "a", "kind": "scale", "sigma": 1.5, "feature": "x"}, "below 1"),
    ],
)
def test_settings_that_cannot_be_say_where(reference, setting, message):
    with pytest.raises(ConfigError, match=message):
        nuisances_from([setting], ["x"], reference, lambda path: reference)


def test_two_nuisances_of_one_name_are_refused(reference):
    one = {"name": "a", "kind": "normalisation", "sigma": 0.1}
    with pytest.raises(ConfigError, match=r"nuisances\[1\].name: Got 'a' again"):
        nuisances_from([one, one], ["x"], reference, lambda path: reference)
    with pytest.raises(InputError, match="each name once"):
        with_nuisances(KERNEL, (NORM, NORM))


@pytest.mark.parametrize("auxiliary", [None, np.zeros(2), np.array([np.nan])])
def test_auxiliary_measurements_must_fit(reference, pool, auxiliary):
    prepared = with_nuisances(KERNEL, (NORM,)).prepare(reference, EXPECTED)
    sample = Sample(pool.x[:500]) if auxiliary is None else Sample(pool.x[:500], auxiliary=auxiliary)
    with pytest.raises(InputError, match="expected 1 finite numbers"):
        prepared.statistics([sample])


def test_ratios_that_are_not_finite_are_refused(reference):
    broken = ParametricShape("broken", lambda x, nu: np.full(len(x), -np.inf if nu < 0 else 0.0))
    with pytest.raises(InputError, match="'broken'"):
        with_nuisances(KERNEL, (broken,)).prepare(reference, EXPECTED)


def test_other_solutions_of_the_kernel_test_are_refused():
    with pytest.raises(InputError, match="'one_step'"):
        with_nuisances(KernelNPLM(solution="converged"), (NORM,))


def test_draws_refuse_what_cannot_be_drawn(pool):
    with pytest.raises(InputError, match="one for each nuisance"):
        NuisanceDraws((NORM,), pool, EXPECTED, (1.0, 2.0))
    with pytest.raises(InputError, match="negative weight"):
        NuisanceDraws((NORM,), Sample(pool.x, -pool.w), EXPECTED)
    with pytest.raises(InputError, match="pool of 60000"):
        NuisanceDraws((NORM,), pool, 1e6).toy(0)


def test_learning_refuses_samples_that_do_not_compare(reference):
    with pytest.raises(TooFewEventsError, match="500"):
        LearnedShape.fit("few", reference[:400], reference, reference)
    two = Sample(np.zeros((1000, 2)))
    with pytest.raises(InputError, match="1 and 2 features"):
        learn_log_ratio(reference, two)
    with pytest.raises(InputError, match="constant"):
        learn_log_ratio(two, two)
