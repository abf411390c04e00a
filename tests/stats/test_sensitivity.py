from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.stats.scored import backgrounds, electron_recoils, nuclear_recoils

from serendip.errors import InputError
from serendip.stats.count_test import calibrate_test
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.score_tuning import PLATEAU, tune, weighted_sum
from serendip.stats.sensitivity import RejectionCurve, default_strengths, rejection_curves, strength_at
from serendip.stats.unbinned import UnbinnedTest


@pytest.fixture(scope="module")
def thrown():
    return backgrounds(60_000, seed=2)


@pytest.fixture(scope="module")
def calibrated(thrown):
    return calibrate_test(UnbinnedTest.fit(backgrounds(40_000, seed=1)), thrown, toys=10_000)


def signal(expected=10.0):
    return nuclear_recoils(20_000, 4, expected, 0.0)


@pytest.fixture(scope="module")
def curves(calibrated, thrown):
    strengths = 1e-48 * np.array([0.5, 1, 1.5, 2, 3, 4])
    return rejection_curves([calibrated, calibrated], thrown, signal(), strengths, reference=1e-48, n=300)


def test_without_a_signal_z_is_that_of_the_null(curves):
    curve = curves[0]
    assert curve.strengths[0] == curve.events[0] == 0
    assert stats.kstest(curve.z_experiments[0], "norm").pvalue > 0.003


def test_all_tests_look_at_the_same_pseudo_data(curves):
    np.testing.assert_array_equal(curves[0].z_experiments, curves[1].z_experiments)


def test_z_rises_with_the_signal_in_every_pseudo_experiment(curves):
    z = curves[0].z_experiments
    assert np.all(np.diff(z, axis=0) >= -1e-9)  # more events above a threshold never make an excess smaller
    assert np.all(np.diff(curves[0].z[1:, 1]) >= 0)
    np.testing.assert_allclose(curves[0].events, 10 * curves[0].strengths / 1e-48)


def test_crossing_of_a_counting_experiment_is_the_known_one(thrown):
    """Asimov: Z = √(2 ((s + b) ln(1 + s/b) − s)), arXiv:1007.1727, eq. 97, at b = 100."""
    flat = Pool("b", {"ts": np.linspace(0, 1, 5000)}, 100.0)
    test = UnbinnedTest.fit([flat])
    whole = replace(test, thresholds=np.array([0]), above=np.array([100.0]), above_error=np.array([0.0]))
    calibrated = calibrate_test(whole, [flat], toys=50_000)
    at = np.array([20.0, 28, 30, 32, 34, 36, 40])
    (curve,) = rejection_curves([calibrated], [flat], replace(flat, expected=1.0), at, n=1000)
    crossing = strength_at(curve)
    asimov = next(s for s in np.arange(20, 50, 0.01) if np.sqrt(2 * ((s + 100) * np.log(1 + s / 100) - s)) > 3)
    assert crossing.value == pytest.approx(asimov, abs=3 * crossing.error + 0.8)  # counts come in steps
    assert 0.1 < crossing.error < 1.5
    assert crossing.events == pytest.approx(crossing.value)


def test_the_error_of_a_crossing_is_its_spread(calibrated, thrown):
    at = np.array([1.0, 1.5, 2, 2.5, 3, 4])
    found = [
        strength_at(rejection_curves([calibrated], thrown, signal(), at, n=100, seed=s)[0], 2.0) for s in range(12)
    ]
    spread = np.std([crossing.value for crossing in found])
    assert 0.4 < np.mean([crossing.error for crossing in found]) / spread < 2.5


def test_a_level_that_is_not_reached_says_why():
    at, z = np.array([0.0, 1.0, 2.0]), np.tile([[0.0], [1.0], [2.0]], (1, 50))
    curve = RejectionCurve("x", at, at, z, 1000, 5.0)
    assert strength_at(curve, 1.5).value == pytest.approx(1.5)
    assert "1.5 ± " in str(strength_at(curve, 1.5))
    assert strength_at(curve, 3.0).value is None
    assert "largest strength is too small; the median gets to 2.00" in str(strength_at(curve, 3.0))
    assert "calibration cannot show" in strength_at(replace(curve, reach=2.5), 3.0).why


def test_bands_are_quantiles_of_the_pseudo_experiments(curves):
    curve = curves[0]
    np.testing.assert_allclose(curve.z[:, 1], np.median(curve.z_experiments, axis=1))
    np.testing.assert_allclose(curve.p[:, 1], stats.norm.sf(curve.z[:, 1]))
    assert np.all(np.diff(curve.p, axis=1) >= 0)
    assert np.all(curve.median_error[1:3] < 0.2)


def test_strengths_are_added_where_given_ones_are_far_apart(curves, calibrated, thrown):
    strengths = curves[0].strengths
    assert set(1e-48 * np.array([0, 0.5, 1, 1.5, 2, 3, 4])) <= set(strengths)
    assert (strengths[5:] / strengths[4:-1]).max() <= 1.25 + 1e-9
    (few,) = rejection_curves([calibrated], thrown, signal(), np.array([0.1, 5.0]), n=300)
    (many,) = rejection_curves([calibrated], thrown, signal(), np.linspace(0.5, 4, 30), n=300)
    assert strength_at(few).value == pytest.approx(strength_at(many).value, rel=0.12)
    (none,) = rejection_curves([calibrated], thrown, signal(), np.array([0.0]), n=10)
    np.testing.assert_array_equal(none.strengths, [0.0])


def test_default_strengths_span_one_to_a_thousand_events():
    strengths = default_strengths(signal(10.0), 1e-48)
    np.testing.assert_allclose(strengths[[0, -1]] * 10 / 1e-48, [1, 1000])


def test_what_cannot_be_thrown_is_refused(calibrated, thrown):
    with pytest.raises(InputError, match="Got strengths"):
        rejection_curves([calibrated], thrown, signal(), np.array([-1.0]))
    with pytest.raises(InputError, match="overlap of at most"):
        rejection_curves([calibrated], [electron_recoils(1000, 1)], signal(), np.array([1.0]))
    with pytest.raises(InputError, match="Got step=1"):
        rejection_curves([calibrated], thrown, signal(), np.array([1.0]), step=1)
    with pytest.raises(InputError, match="Got 0 events in the pseudo experiments"):
        rejection_curves([calibrated], thrown, signal(), np.array([1.0]), n=0)
    with pytest.raises(InputError, match=r"nr\.expected: Got 0"):
        default_strengths(signal(0.0))


def halves(pools):
    """Two terms that each see half of what tells the kinds apart."""
    return [
        replace(pool, columns={"a": ts + 1.5 * pool.columns["noise"], "b": ts - 1.5 * pool.columns["noise"], "c": -ts})
        for pool in pools
        for ts in [pool.columns["ts"]]
    ]


def test_tuning_finds_the_best_mixture_inside_the_scan(thrown):
    learned = backgrounds(40_000, seed=5)
    ratios = (0.0, 0.25, 1.0, 4.0, 20.0)
    pools, toys, kinds = (halves(part) for part in (learned, thrown, [signal(15.0)]))
    found = tune(pools, toys, kinds, weighted_sum("a", "b"), ratios, (1.0, 0.1), toys=1500, n=150)
    assert found.best_ratio("nr") in {(0.25, True), (1.0, True)}
    means = found.z[0, :, :, 1].max(axis=1)
    chosen = ratios.index(found.best[0])
    assert means[chosen] >= means.max() - PLATEAU
    assert all(means[:chosen] < means.max() - PLATEAU)  # the smallest of the plateau
    assert found.z[0, 2, :, 1].min() > found.z[0, [0, 4], :, 1].max() + 0.5
    assert found.z.shape == (1, 5, 2, 3)
    assert len(found.rows()) == 10
    useless = tune(pools, toys, kinds, weighted_sum("a", "c"), (0.0, 1.0), toys=1000, n=60)
    assert useless.best[0] == 0


def test_tuning_refuses_cuts_that_keep_nothing(thrown):
    with pytest.raises(InputError, match="cuts: Got"):
        tune(thrown, thrown, [signal()], weighted_sum("ts", "noise"), [1.0], (0.0,))
