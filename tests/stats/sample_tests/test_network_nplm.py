"""The network NPLM: closed forms, what it shares between toys, its null, an injected signal, and bad input."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serendip.errors import FitError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample, make_test
from serendip.stats.sample_tests.network_clip import scan_clips
from serendip.stats.sample_tests.network_nplm import NetworkNPLM, _statistic, _two_a_cell
from serendip.stats.uniformity import uniformity

EXPECTED = 300.0
QUICK = NetworkNPLM(epochs=500)
REFERENCE = Sample(rng_for(0, "reference").exponential(size=(5000, 1)))


def toys(n: int, signal: int = 0) -> list[Sample]:
    found = []
    for i in range(n):
        rng = rng_for(i, "toy")
        background = rng.exponential(size=rng.poisson(EXPECTED))
        found.append(Sample(np.append(background, rng.normal(6.4, 0.16, size=signal))[:, None]))
    return found


@pytest.fixture(scope="module")
def prepared():
    return QUICK.prepare(REFERENCE, EXPECTED)


@pytest.fixture(scope="module")
def null(prepared) -> np.ndarray:
    return prepared.statistics(toys(40))[:, 0]


def test_more_events_of_the_same_shape_give_the_poisson_likelihood_ratio():
    twice = Sample(REFERENCE.x, np.full(len(REFERENCE), 1.3))
    t = NetworkNPLM(epochs=1000).prepare(REFERENCE, 5000.0).statistics([twice])[0, 0]
    assert t == pytest.approx(2 * (6500 * np.log(1.3) - 1500), abs=0.1)


def test_t_is_the_likelihood_ratio_of_the_log_ratio_it_reports(prepared):
    sample = toys(1, signal=20)[0]
    f = prepared.log_ratio(sample, sample.x)[:, 0]
    f_reference = prepared.log_ratio(sample, REFERENCE.x)[:, 0]
    t = 2 * (f.sum() - EXPECTED * np.mean(np.expm1(f_reference)))
    assert prepared.statistics([sample])[0, 0] == pytest.approx(t, rel=1e-12)


def test_the_learned_ratio_is_that_of_the_densities():
    data = Sample(rng_for(1, "broad").normal(0.3, 1.0, size=(5000, 1)))
    reference = Sample(rng_for(1, "narrow").normal(0.0, 1.0, size=(5000, 1)))
    x = np.linspace(-1.5, 1.8, 9)[:, None]
    found = NetworkNPLM(epochs=2000).prepare(reference, 5000.0).log_ratio(data, x)[:, 0]
    np.testing.assert_allclose(found, 0.3 * x[:, 0] - 0.045, atol=0.15)


def test_a_toy_alone_is_the_same_toy_among_others(prepared, null):
    some = toys(40)[5:16:2]
    np.testing.assert_allclose(prepared.statistics(some)[:, 0], null[5:16:2], rtol=1e-9)
    assert prepared.statistics(some[2:3])[0, 0] == pytest.approx(null[9], rel=1e-9)


def test_toys_much_larger_than_expected_are_fitted_among_others(prepared):
    small, large = toys(1)[0], Sample(rng_for(7, "large").exponential(size=(900, 1)))
    both = prepared.statistics([small, large, small])[:, 0]
    assert both[0] == both[2] == pytest.approx(prepared.statistics([small])[0, 0], rel=1e-9)
    assert both[1] > 500


def test_cells_change_t_by_less_than_a_hundredth():
    long = NetworkNPLM(epochs=1500)
    every, cells = (
        replace(long, cell=cell).prepare(REFERENCE, EXPECTED).statistics(toys(4, signal=10)) for cell in (0.0, 0.02)
    )
    np.testing.assert_allclose(cells, every, atol=0.01)


def test_two_points_a_cell_keep_sum_mean_and_variance_of_either_sign():
    rng = rng_for(3, "cells")
    z, w = rng.normal(size=2000), np.where(rng.random(2000) < 0.2, -0.5, 1.0)
    points, weights = _two_a_cell(z, w, 0.1)
    assert len(weights) < 400
    for power in (0, 1, 2):
        assert weights @ points[0] ** power == pytest.approx(w @ z**power, abs=1e-9)
    assert weights @ np.cos(3 * points[0]) == pytest.approx(w @ np.cos(3 * z), abs=0.02)


def test_p_values_of_null_samples_are_uniform(null):
    """Half of the toys against the other half."""
    p = (1 + np.sum(null[:20] >= null[20:, None], axis=1)) / 21
    assert uniformity(p).uniform


def test_t_is_never_below_what_no_network_gives(null):
    assert np.all(null > -1.0)


def test_a_resonance_is_beyond_all_null_toys(prepared, null):
    assert np.all(prepared.statistics(toys(5, signal=20))[:, 0] > null.max())


def test_negative_weights_cancel_events(prepared):
    sample = toys(1)[0]
    pairs = np.linspace(0, 3, 40)[:, None]
    with_pairs = Sample(np.concatenate([sample.x, pairs, pairs]), np.append(sample.w, np.repeat([1.0, -1.0], 40)))
    t = prepared.statistics([sample, with_pairs])[:, 0]
    assert t[1] == pytest.approx(t[0], abs=0.05)


def test_relabellings_of_a_pool_are_symmetric_and_see_a_difference():
    rng = rng_for(4, "pool")
    x = np.append(rng.exponential(size=300), rng.exponential(2.0, size=100))[:, None]
    truth = np.arange(400) >= 300
    labels = np.stack([truth, *(rng.permutation(truth) for _ in range(12))])
    t = QUICK.pooled_statistics(x, labels)[:, 0]
    assert t[0] > t[1:].max()
    order = rng.permutation(400)
    np.testing.assert_allclose(QUICK.pooled_statistics(x[order], labels[:, order])[:, 0], t, atol=0.05)


def test_a_pooled_statistic_is_the_prepared_one_where_pool_and_reference_have_one_scale():
    rng = rng_for(5, "pool")
    reference, data = (stats.zscore(rng.exponential(size=(n, 2))) for n in (300, 100))
    settings = NetworkNPLM(epochs=100, clip=2.0)
    is_data = np.arange(400) >= 300
    pooled = settings.pooled_statistics(np.concatenate([reference, data]), is_data[None])[0, 0]
    apart = settings.prepare(Sample(reference), 100.0).statistics([Sample(data)])[0, 0]
    assert pooled == pytest.approx(apart, abs=1e-3)


def test_the_scan_of_bounds_gives_the_chi2_of_the_parameters():
    scan = scan_clips(QUICK, REFERENCE, EXPECTED, toys(12), (0.5, 4.0))
    assert scan.degrees == 13
    assert scan.t.shape == (12, 2)
    assert scan.t[:, 0].mean() < scan.t[:, 1].mean()
    assert scan.ks_p[1] == stats.kstest(scan.t[:, 1], stats.chi2(13).cdf).pvalue
    assert scan.best == (0.5, 4.0)[int(np.argmax(scan.ks_p))]
    with pytest.raises(TooFewEventsError, match="9 events in the toys"):
        scan_clips(QUICK, REFERENCE, EXPECTED, toys(9), (1.0,))
    with pytest.raises(InputError, match="at least one bound"):
        scan_clips(QUICK, REFERENCE, EXPECTED, toys(10), ())


@pytest.mark.parametrize(
    ("setting", "value"),
    [("hidden", ()), ("hidden", (0,)), ("clip", 0.0), ("epochs", 0), ("learning_rate", -1.0), ("cell", -0.1)],
)
def test_a_setting_that_cannot_be_is_named(setting, value):
    with pytest.raises(InputError, match=f"^test.{setting}: Got"):
        make_test("nplm_network", **{setting: value})


def test_bad_samples_are_refused(prepared):
    with pytest.raises(InputError, match="expected=0"):
        QUICK.prepare(REFERENCE, 0.0)
    with pytest.raises(TooFewEventsError, match="13 events in the reference"):
        QUICK.prepare(REFERENCE[:13], EXPECTED)
    with pytest.raises(InputError, match="one value"):
        QUICK.prepare(Sample(np.ones((50, 1))), EXPECTED)
    with pytest.raises(InputError, match="2 features"):
        prepared.statistics([Sample(np.ones((50, 2)))])
    with pytest.raises(InputError, match="positive sum"):
        prepared.statistics([Sample(np.ones((2, 1)), np.array([1.0, -1.0]))])
    with pytest.raises(TooFewEventsError, match="0 events"):
        prepared.statistics([Sample(np.empty((0, 1)))])
    assert prepared.statistics([]).shape == (0, 1)


def test_an_overflow_is_an_error_not_a_number():
    with pytest.raises(FitError, match="overflows"):
        _statistic([(np.array([800.0]), np.ones(1), None)])
