from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats
from tests.stats.scored import backgrounds, electron_recoils, nuclear_recoils

from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.count_test import calibrate_test
from serendip.stats.pseudo_experiments import cell_means, pseudo_experiments
from serendip.stats.template import Grid, TemplateScore
from serendip.stats.template_likelihood import TEMPLATE_STATISTICS, ProfileLikelihoodRatio, TemplateNullTest


@pytest.fixture(scope="module")
def learned():
    return backgrounds(40_000, seed=1)


@pytest.fixture(scope="module")
def thrown():
    return backgrounds(100_000, seed=2)


def signal(seed, expected=20.0):
    return nuclear_recoils(20_000, seed, expected, 0.0, scale=20.0)


@pytest.fixture(scope="module")
def ratio(learned):
    return ProfileLikelihoodRatio.fit(learned, signal(3))


def toys_of(test, pools, n=400, seed=1):
    drawn = pseudo_experiments(pools, n, rng_for(seed, "toys"))
    return sum(events.counts(test.codes(events.pool.columns), test.cells) for events in drawn)


def test_template_keeps_the_expectation_and_no_cell_is_empty(learned):
    grid = Grid.around(learned)
    for pool in learned:
        means = grid.template(pool)
        assert means.sum() == pytest.approx(pool.expected)
        assert means.min() > 0


def test_template_is_close_to_a_sample_many_times_as_large(learned):
    grid = Grid.around(learned)
    found = grid.template(learned[0])
    large = electron_recoils(1_000_000, 9)
    truth = cell_means(large, grid.codes(large.columns), found.size)
    filled = truth > 0.5
    assert np.abs(found / np.where(truth > 0, truth, 1) - 1)[filled].mean() < 0.1
    for low, high in ((1e-3, 1e-2), (1e-2, 0.1), (0.1, 0.5)):  # expected events a cell: the tails, too
        some = (truth > low) & (truth <= high)
        assert found[some].sum() == pytest.approx(truth[some].sum(), rel=0.2)


def test_weights_stand_for_events(learned):
    pool = learned[0]
    w = np.where(pool.columns["cs1"] < 40, 1.0, 0.2)
    grid = Grid.around([pool])
    found = grid.template(replace(pool, w=w)).reshape(grid.shape)
    below = found[np.searchsorted(grid.x_edges, 40.0) + 1 :].sum() / found.sum()
    assert below == pytest.approx(0.2 * 40 / (35 + 0.2 * 40), rel=0.1)


def test_score_of_the_template_is_minus_its_log_density(learned):
    score = TemplateScore.fit(learned)
    x = rng_for(1, "x").uniform(10, 70, 500)
    core = {"cs1": x, "log_cs2": 3.5 + 0.4 * np.log10(x / 20)}
    f = 1000 / 1005 / 75 * stats.norm.pdf(0) / 0.08
    np.testing.assert_allclose(-score.anomaly_score(core), np.log(f), atol=0.25)
    away = {"cs1": x, "log_cs2": core["log_cs2"] - 0.32}
    assert score.anomaly_score(away).mean() > score.anomaly_score(core).mean() + 3
    assert np.isfinite(score.anomaly_score({"cs1": np.array([-50.0, 1e4]), "log_cs2": np.array([-9.0, 50.0])})).all()


def test_profile_likelihood_agrees_with_a_general_minimiser(learned, thrown, ratio):
    counts = toys_of(ratio, [*thrown, signal(4, 12.0)], n=3)
    q0, strength = ratio.statistics(counts), ratio.best_strength(counts)
    for n, q, s in zip(counts, q0, strength):

        def nll(rates, n=n):
            mean = ratio.known + rates[1:] @ ratio.free + rates[0] * ratio.signal
            return np.sum(mean - n * np.log(mean)) + np.sum((rates[1:] - 1) ** 2 / (2 * ratio.uncertainties**2))

        bounds = [(1e-9, 2)] * len(ratio.free)
        free = optimize.minimize(nll, [5.0, *np.ones(len(ratio.free))], bounds=[(0, 100), *bounds], tol=1e-12)
        null = optimize.minimize(lambda r: nll(np.append(0.0, r)), np.ones(len(ratio.free)), bounds=bounds, tol=1e-12)
        assert q == pytest.approx(2 * (null.fun - free.fun), abs=1e-3)
        assert s == pytest.approx(free.x[0], abs=0.05)


def test_profile_likelihood_ratio_is_half_a_chi_squared_under_the_null(thrown, ratio):
    q0 = calibrate_test(ratio, thrown, toys=8000).null.toys
    assert np.mean(q0 == 0) == pytest.approx(0.5, abs=0.06)
    assert np.mean(q0 > 2.706) == pytest.approx(0.05, abs=0.015)


def test_best_strength_is_the_number_of_signal_events(thrown, ratio):
    for expected in (15.0, 60.0):
        found = ratio.best_strength(toys_of(ratio, [*thrown, signal(4, expected)]))
        assert found.mean() == pytest.approx(expected, abs=0.06 * expected + 1)


def test_fits_reach_a_minimum_far_from_the_expectation(ratio):
    counts = np.zeros((3, ratio.cells), dtype=np.int64)
    counts[1] = 50
    counts[2, -1] = 5000
    q0, strength = ratio.statistics(counts), ratio.best_strength(counts)
    assert q0[0] == strength[0] == 0
    assert np.isfinite(q0).all()
    assert q0[2] > 1000


def test_badly_known_rates_stay_above_zero_where_nothing_is_seen(learned):
    """A constraint of 150 % alone would put the rates of greatest likelihood below 0."""
    loose = ProfileLikelihoodRatio.fit([replace(pool, uncertainty=1.5) for pool in learned], signal(3))
    counts = np.zeros((2, loose.cells), dtype=np.int64)
    counts[1, -1] = 30
    q0, strength = loose.statistics(counts), loose.best_strength(counts)
    assert q0[0] == strength[0] == 0
    assert q0[1] > 25
    assert np.isfinite(strength[1])


def test_a_known_signal_is_a_ceiling_for_tests_without_one(learned, thrown, ratio):
    data = [*thrown, signal(4, 15.0)]
    tests = [ratio, *(TemplateNullTest.fit(learned, statistic=name, name=name) for name in TEMPLATE_STATISTICS)]
    z = [np.median(calibrate_test(test, thrown, toys=2000).z(toys_of(test, data, n=200))) for test in tests]
    assert z[0] > 3
    assert z[0] > max(z[1:]) + 0.7


@pytest.mark.parametrize("statistic", TEMPLATE_STATISTICS)
def test_p_is_uniform_on_the_background(learned, thrown, statistic):
    test = TemplateNullTest.fit(learned, statistic=statistic)
    z = calibrate_test(test, thrown, toys=3000).z(toys_of(test, backgrounds(200_000, seed=7)))
    assert stats.kstest(z, "norm").pvalue > 0.003


def test_every_event_has_a_cell(learned):
    test = TemplateNullTest.fit(learned)
    codes = test.codes({"cs1": np.array([-1e9, 40.0, 1e9]), "log_cs2": np.array([-1e9, 3.5, 1e9])})
    assert codes.min() >= 0
    assert codes.max() < test.cells
    assert np.add.reduceat(test.means[test.order], test.groups).min() > 4.9


def test_what_cannot_be_a_template_is_refused(learned):
    with pytest.raises(TooFewEventsError, match="Got 999 events in the template of er"):
        TemplateNullTest.fit([learned[0][:999]])
    with pytest.raises(ConfigError, match="Did you mean 'saturated'"):
        TemplateNullTest.fit(learned, statistic="saturate")
    with pytest.raises(InputError, match="of which no event is expected"):
        ProfileLikelihoodRatio.fit(learned, signal(3, 0.0))
    flat = [pool.with_column("cs1", np.ones(len(pool))) for pool in learned]
    with pytest.raises(InputError, match="cs1: Got the same value everywhere"):
        Grid.around(flat)
    with pytest.raises(InputError, match="Got no column 'log_cs2'"):
        TemplateNullTest.fit(learned).codes({"cs1": np.ones(3)})
