from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats
from tests.stats.scored import backgrounds, electron_recoils, nuclear_recoils

from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.count_statistics import excess, likelihood, profiled_rate, saturated
from serendip.stats.count_test import calibrate_test
from serendip.stats.null_distribution import NullDistribution
from serendip.stats.pseudo_experiments import Pool, one_data_set
from serendip.stats.tail import tail_p_value
from serendip.stats.unbinned import STATISTICS, UnbinnedTest
from serendip.stats.uniformity import uniformity


@pytest.fixture(scope="module")
def learned():
    return backgrounds(60_000, seed=1)


@pytest.fixture(scope="module")
def thrown():
    return backgrounds(200_000, seed=2)


@pytest.fixture(scope="module")
def calibrated(learned, thrown):
    return {name: calibrate_test(UnbinnedTest.fit(learned, statistic=name), thrown, toys=8000) for name in STATISTICS}


def fresh(index, signal=0.0):
    """A data set whose events are in no pool."""
    rng = rng_for(9, "fresh", index)
    electron = electron_recoils(rng.poisson(1000 * (1 + 0.03 * rng.standard_normal())), 1000 + index)
    nuclear = nuclear_recoils(1 + rng.poisson(signal + 4 * (1 + 0.25 * rng.standard_normal())), 1000 + index)
    return {"ts": np.concatenate([electron.columns["ts"], nuclear.columns["ts"]])}


@pytest.mark.parametrize(("n", "expected", "error"), [(12, 10.0, 3.0), (0, 4.0, 1.0), (3, 50.0, 40.0), (9, 5.0, 0.0)])
def test_profiled_rate_is_where_the_likelihood_is_greatest(n, expected, error):
    rate = float(profiled_rate(np.array(n), expected, error))
    if error == 0:
        assert rate == expected
        return
    nll = lambda b: b - n * np.log(b) + (b - expected) ** 2 / (2 * error**2)  # noqa: E731
    assert rate == pytest.approx(optimize.minimize_scalar(nll, bounds=(1e-9, 200), method="bounded").x, abs=1e-4)


def test_excess_of_one_threshold_is_the_known_q0():
    n, b = 18, 9.0
    q0 = excess(np.array([[n], [5]]), np.array([0]), np.array([b]), np.array([0.0]))
    np.testing.assert_allclose(q0, [2 * (n * np.log(n / b) - n + b), -2 * (5 * np.log(5 / b) - 5 + b)])
    soft = excess(np.array([[n]]), np.array([0]), np.array([b]), np.array([4.0]))[0]
    nll = lambda x: x - n * np.log(x) + (x - b) ** 2 / 32  # noqa: E731
    best = optimize.minimize_scalar(nll, bounds=(1, 60), method="bounded").fun
    assert soft == pytest.approx(2 * (best - (n - n * np.log(n))), rel=1e-6)


def test_no_event_against_a_badly_known_background_is_no_excess():
    """There the rate of greatest likelihood is 0."""
    q0 = excess(np.zeros((1, 2), int), np.array([0, 1]), np.array([10.0, 1.0]), np.array([11.0, 1.0]))
    np.testing.assert_allclose(q0, [-((10 / 11) ** 2)])  # the pull of that rate; below the other's, −1


def test_a_kind_that_is_not_expected_changes_nothing(learned):
    alone = UnbinnedTest.fit(learned[:1])
    beside = UnbinnedTest.fit([learned[0], replace(learned[1], expected=0.0)])
    np.testing.assert_allclose(beside.edges, alone.edges)
    np.testing.assert_allclose(beside.means, alone.means)


def test_excess_is_the_largest_over_thresholds():
    counts = np.array([[50, 9, 7]])
    each = [
        excess(np.array([[n]]), np.array([0]), np.array([b]), np.array([1.0]))[0]
        for n, b in ((66, 55.0), (16, 8.0), (7, 1.0))
    ]
    assert excess(counts, np.arange(3), np.array([55.0, 8.0, 1.0]), np.ones(3))[0] == pytest.approx(max(each))


def test_saturated_ratio_is_zero_at_the_expectation_and_grows_either_way():
    means = np.array([20.0, 30.0])
    t = saturated(np.array([[20, 30], [35, 30], [8, 30]]), means, 50.0, 0.0)
    assert t[0] == pytest.approx(0)
    np.testing.assert_allclose(t[1:], [2 * (n * np.log(n / 20) - n + 20) for n in (35, 8)])


@pytest.mark.parametrize("statistic", ["excess", "likelihood"])
def test_a_pure_counting_experiment_has_the_poisson_p(learned, thrown, statistic):
    known = [replace(pool, uncertainty=0.0, expected=pool.expected / 50) for pool in learned]
    events = [replace(pool, uncertainty=0.0, expected=pool.expected / 50) for pool in thrown]
    test = UnbinnedTest.fit(known, statistic=statistic)
    counting = replace(
        test,
        thresholds=np.array([0]),
        above=np.array([test.expected]),
        above_error=np.array([0.0]),
        log_density=np.full(test.cells, -np.log(1000.0)),  # one f0 for everything, over a range wider than B
    )
    calibrated = calibrate_test(counting, events, toys=40_000, seed=3)
    for n in (25, 31, 36):
        p = calibrated.p_value({"ts": np.zeros(n)})
        assert p.p == pytest.approx(stats.poisson.sf(n - 1, test.expected), rel=0.1)


def test_cells_give_the_unbinned_likelihood(learned):
    test = UnbinnedTest.fit(learned, statistic="likelihood")
    data = [fresh(i, signal=20.0 * (i % 2))["ts"] for i in range(6)]
    exact = [-test.density.log_density(ts).sum() for ts in data]
    counts = np.stack([np.bincount(test.codes({"ts": ts}), minlength=test.cells) for ts in data])
    differences = test.statistics(counts) - likelihood(counts, np.zeros(test.cells), test.expected, test.error)
    np.testing.assert_allclose(differences, exact, atol=5)  # a tenth of their spread over data sets


@pytest.mark.parametrize("statistic", STATISTICS)
def test_p_is_uniform_on_background_that_no_pool_holds(calibrated, statistic):
    test = calibrated[statistic]
    p = np.array([test.p_value(fresh(i)).p for i in range(100)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_of_a_scan_is_uniform_with_few_toys_of_its_own(learned, thrown):
    test = UnbinnedTest.fit(learned)
    t = calibrate_test(test, thrown, toys=8000, seed=5).null.toys
    t = rng_for(1, "shuffle").permutation(t).reshape(400, 20)
    u = rng_for(1, "ties").random(400)  # 20 ranks alone would be a step too coarse for KS
    p = ((t[:, 1:] >= t[:, :1]).sum(axis=1) + u) / 20
    assert uniformity(p).uniform


def test_a_signal_of_unknown_shape_is_found(calibrated):
    data = fresh(0, signal=60.0)
    p = calibrated["excess"].p_value(data)
    assert p.z > 3
    assert p.interval[0] <= p.p <= p.interval[1]
    assert np.isfinite(calibrated["excess"].p_value({"ts": np.full(5000, 40.0)}).z)


def test_excess_sees_a_signal_that_the_likelihood_does_not(calibrated):
    z = {name: [test.p_value(fresh(i, signal=18.0)).z for i in range(9)] for name, test in calibrated.items()}
    assert np.median(z["excess"]) > 2.5
    assert np.median(z["excess"]) > np.median(z["saturated"]) + 0.5
    assert np.median(z["likelihood"]) < 2


def test_the_likelihood_alone_depends_on_the_units_of_the_score(learned):
    """The demonstration of the documentation: units decide whether an excess of ordinary events looks unlikely."""
    p = {}
    for unit in (1e-6, 1e6):
        pools = [pool.with_column("ts", unit * pool.columns["ts"]) for pool in learned]
        for name in ("likelihood", "excess"):
            test = calibrate_test(UnbinnedTest.fit(pools, statistic=name), pools, toys=2000, largest_overlap=1)
            data = one_data_set(
                [pool.scaled(1.1) for pool in (replace(p, uncertainty=0.0) for p in pools)], rng_for(4, "more")
            )
            p[name, unit] = test.p_value(data).p
    assert p["likelihood", 1e-6] > 0.9
    assert p["likelihood", 1e6] < 0.05
    assert p["excess", 1e-6] == pytest.approx(p["excess", 1e6], abs=0.02)


def test_events_below_the_cut_do_not_enter(learned, thrown):
    whole, cut = (UnbinnedTest.fit(learned, cut=value) for value in (None, 1.5))
    assert cut.expected == pytest.approx(np.mean(thrown[0].columns["ts"] > 1.5) * 1000 + 5, rel=0.1)
    assert whole.expected == pytest.approx(1005)
    codes = cut.codes({"ts": np.array([-9.0, 1.5, 1.5001, 99.0])})
    np.testing.assert_array_equal(codes, [-1, -1, 0, cut.cells - 1])
    assert cut.means.sum() == pytest.approx(cut.expected)


def test_rates_of_kinds_count_where_these_kinds_lie(learned):
    test = UnbinnedTest.fit(learned)
    relative = test.above_error / test.above
    assert relative[0] == pytest.approx(np.hypot(30, 1.25) / 1005, rel=0.1)
    assert relative[-1] > 0.2  # few electron recoils are left there, nuclear ones are known to a quarter


def test_the_null_belongs_to_the_seed_alone(learned, thrown):
    test = UnbinnedTest.fit(learned)
    first, again, other = (calibrate_test(test, thrown, toys=300, seed=seed).null.toys for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_z_of_many_agrees_with_the_p_of_one():
    toys = rng_for(1, "null").chisquare(2, 20_000)
    null = NullDistribution.fit(toys)
    at = np.array([0.0, 3.0, 9.0, 15.0, 25.0])
    np.testing.assert_allclose(null.z(at)[1:], [null.p_value(float(t)).z for t in at[1:]], atol=0.02)
    truth = -stats.norm.ppf(stats.chi2.sf(at, 2))
    np.testing.assert_allclose(null.z(at)[1:4], truth[1:4], atol=0.25)
    assert np.isfinite(null.z(np.array([0.0, 1e9]))).all()
    assert null.z(np.array([1e9]))[0] == pytest.approx(null.reach)


def test_the_interval_of_an_exponential_knows_that_the_tail_may_end():
    """Here it does, slowly: the exponential's own interval is too narrow to hold the truth."""
    toys = -np.expm1(-0.12 * rng_for(4, "bounded").exponential(size=4000)) / 0.12
    t = float(-np.expm1(0.12 * np.log(1e-5)) / 0.12)
    null = NullDistribution.fit(toys)
    assert null.family == "exponential"
    found, own = null.p_value(t), tail_p_value(t, null.smooth, family="exponential").p
    assert found.p == own.p
    assert found.interval[0] <= 1e-5 < own.interval[0]
    assert found.interval[1] == own.interval[1]


def test_steps_too_far_apart_for_a_tail_leave_the_toys_alone():
    null = NullDistribution.fit(np.repeat([0.0, 1.0], [900, 100]))
    assert null.z(np.array([5.0]))[0] == pytest.approx(-stats.norm.ppf(1 / 1001))
    assert null.p_value(5.0).is_limit


def test_what_cannot_be_tested_is_refused(learned, thrown):
    with pytest.raises(ConfigError, match="Did you mean 'excess'"):
        UnbinnedTest.fit(learned, statistic="exces")
    with pytest.raises(InputError, match="above the cut, but expected at least"):
        UnbinnedTest.fit(learned, cut=30.0)
    with pytest.raises(InputError, match="of which no event is expected"):
        UnbinnedTest.fit([replace(pool, expected=0.0) for pool in learned])
    test = UnbinnedTest.fit(learned)
    with pytest.raises(InputError, match=r"overlap of at most 0\.001"):
        calibrate_test(test, thrown, largest_overlap=0.001)
    with pytest.raises(TooFewEventsError, match="Got 50 events in the toys"):
        calibrate_test(test, thrown, toys=50)
    with pytest.raises(InputError, match="1 scores not finite"):
        test.codes({"ts": np.array([np.nan])})
    few = [Pool("er", {"ts": np.arange(100.0)}, 5.0)]
    with pytest.raises(TooFewEventsError):
        UnbinnedTest.fit(few)
