"""One battery for every test of the registry."""

import numpy as np
import pytest
from scipy import stats

from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import TESTS, Sample, make_test
from serendip.stats.uniformity import uniformity

EXPECTED = 300.0
FAST = {
    "nplm": {"widths": (1.0,), "centres": 60, "penalty": 1e-4},
    "nplm_network": {"epochs": 100, "cell": 0.0},
    "c2st": {"reference_events": 600, "folds": 2},
    "energy": {"reference_events": 400},
    "mmd": {"reference_events": 400},
    "point_to_point": {"reference_events": 400},
    "sliced_wasserstein": {"directions": 10},
}
SHUFFLED = {"c2st": 0.05}  # folds go by the position of an event; of an AUC
TOGETHER = {"nplm_network": 1e-4}  # float32 fits
SMALLEST_STEP = 1e-6  # pairs are summed in float32


def draw(n, seed, shift=0.0, features=2):
    """Correlated, skewed, and shifted in the first feature."""
    rng = rng_for(seed, "battery", n)
    x = rng.normal(size=(n, features))
    x[:, -1] = np.exp(0.5 * x[:, -1] + 0.3 * x[:, 0])
    x[:, 0] += shift
    return Sample(x)


REFERENCE = draw(1000, 0)


@pytest.fixture(params=sorted(TESTS))
def name(request):
    return request.param


@pytest.fixture
def test(name):
    return make_test(name, **FAST.get(name, {}))


@pytest.fixture
def prepared(test):
    return test.prepare(REFERENCE, EXPECTED, seed=1)


def test_every_column_has_a_label_and_a_float(prepared):
    t = prepared.statistics([draw(300, 1), draw(250, 2), draw(371, 3)])
    assert t.shape == (3, len(prepared.labels))
    assert t.dtype == np.float64
    assert np.isfinite(t).all()


def test_is_larger_where_less_alike(prepared):
    near, far, farther = (prepared.statistics([draw(300, i, shift) for i in range(4)]) for shift in (0.0, 0.7, 1.5))
    first = slice(0, 1)  # the shifted feature, where there is a column for each
    assert np.all(near.mean(axis=0)[first] < far.mean(axis=0)[first])
    assert np.all(far.mean(axis=0)[first] < farther.mean(axis=0)[first])


def test_depends_neither_on_the_batch_nor_on_the_run(name, test, prepared):
    samples = [draw(n, n) for n in (300, 150, 610)]
    together = prepared.statistics(samples)
    alone = np.concatenate([test.prepare(REFERENCE, EXPECTED, seed=1).statistics([sample]) for sample in samples])
    assert np.allclose(alone, together, rtol=TOGETHER.get(name, 1e-9), atol=1e-12)


def test_knows_no_order_of_events(name, prepared):
    sample = draw(300, 5, 0.3)
    turned = prepared.statistics([sample[rng_for(0, "turn").permutation(300)]])
    close = {"atol": SHUFFLED[name]} if name in SHUFFLED else {"rtol": 1e-4, "atol": SMALLEST_STEP}
    assert np.allclose(prepared.statistics([sample]), turned, **close)


def test_a_pair_of_opposite_weights_changes_little(name, prepared):
    sample = draw(600, 6)
    extra = np.concatenate([sample.x, sample.x[:1], sample.x[:1]])
    t, same = prepared.statistics([sample, Sample(extra, np.append(sample.w, [1.0, -1.0]))])
    loose = {"atol": 0.05} if name == "c2st" else {"rtol": 0.1, "atol": 0.02}
    assert np.allclose(t, same, **loose)


def test_takes_a_reference_of_signed_weights(test):
    w = np.where(np.arange(len(REFERENCE)) % 10 == 0, -1.0, 1.0)
    prepared = test.prepare(Sample(REFERENCE.x, w), EXPECTED, seed=1)
    near, far = (prepared.statistics([draw(300, 1, shift)])[0, 0] for shift in (0.0, 1.5))
    assert near < far


def test_weights_of_the_reference_matter_only_in_proportion(name, test, prepared):
    scaled = test.prepare(Sample(REFERENCE.x, np.full(len(REFERENCE), 0.01)), EXPECTED, seed=1)
    sample = [draw(300, 1)]
    assert np.allclose(scaled.statistics(sample), prepared.statistics(sample), rtol=TOGETHER.get(name, 1e-6), atol=1e-4)


def test_copies_of_events_do_no_harm(prepared):
    sample = draw(200, 3)
    twice = Sample(np.concatenate([sample.x, sample.x]))
    assert np.isfinite(prepared.statistics([twice])).all()


def test_sees_the_number_of_events_if_it_says_so(name, test, prepared):
    few, right, many = (np.mean(prepared.statistics([draw(n, i) for i in range(3)]), axis=0) for n in (150, 300, 600))
    if test.counts:
        assert (few > right + 20).all()
        assert (many > right + 20).all()
    else:
        other = test.prepare(REFERENCE, 2 * EXPECTED, seed=1)
        sample = [draw(300, 1)]
        assert np.array_equal(other.statistics(sample), prepared.statistics(sample))


def test_works_with_one_feature(name):
    settings = FAST.get(name, {})
    prepared = make_test(name, **settings).prepare(Sample(REFERENCE.x[:, :1]), EXPECTED)
    near, far = (prepared.statistics([Sample(draw(300, 1, shift).x[:, :1])])[0] for shift in (0.0, 1.5))
    assert (near < far).all()


def test_p_values_of_the_null_are_uniform(test):
    first = np.arange(180) < 60
    labels = np.stack([first, *(rng_for(i, "null labels").permutation(first) for i in range(19))])
    t = [test.pooled_statistics(draw(180, 100 + i).x, labels)[:, 0] for i in range(40)]
    p = np.array([np.mean(of_pool >= of_pool[0]) for of_pool in t]) - 0.5 / len(labels)
    assert uniformity(p, smallest_ks_p=1e-3).uniform


def test_later_samples_of_a_batch_follow_the_law_of_earlier_ones(prepared):
    t = prepared.statistics([draw(int(rng_for(i, "battery size").poisson(EXPECTED)), i) for i in range(200, 280)])
    assert stats.ks_2samp(t[:40, 0], t[40:, 0]).pvalue > 1e-3


def test_finds_a_shift_that_the_null_does_not_reach(prepared):
    null = prepared.statistics([draw(300, i) for i in range(30)])[:, 0]
    found = prepared.statistics([draw(300, i, 0.6) for i in range(50, 55)])[:, 0]
    assert np.median(found) > null.max()


def test_labellings_of_a_pool_follow_the_same_law(name, test):
    if not hasattr(test, "pooled_statistics"):
        pytest.skip("falls back to prepare")
    pool = np.concatenate([draw(150, 1, 1.0).x, draw(450, 2).x])
    first = np.arange(len(pool)) < 150
    rng = rng_for(0, "labels")
    t = test.pooled_statistics(pool, np.stack([first, *(rng.permutation(first) for _ in range(25))]))
    assert t.shape[0] == 26
    assert t[0, 0] > t[1:, 0].max()
    again = test.pooled_statistics(pool, first[None])
    assert np.allclose(again, t[:1], rtol=1e-4, atol=SMALLEST_STEP)


def test_refuses_a_constant_feature(test):
    x = REFERENCE.x.copy()
    x[:, 1] = 3.0
    with pytest.raises(InputError, match=r"1|constant"):
        test.prepare(Sample(x), EXPECTED)


def test_refuses_weights_that_cancel(test, prepared):
    w = np.where(np.arange(len(REFERENCE)) % 2 == 0, 1.0, -1.0)
    with pytest.raises(InputError):
        test.prepare(Sample(REFERENCE.x, w), EXPECTED)
    with pytest.raises(InputError):
        prepared.statistics([Sample(draw(300, 1).x, w[:300])])


def test_refuses_a_sample_without_events_unless_it_counts_them(test, prepared):
    try:
        t = prepared.statistics([Sample(np.zeros((0, 2)))])
    except TooFewEventsError:
        return
    assert test.counts
    assert (t > prepared.statistics([draw(300, 1)])).all()


def test_refuses_other_features(prepared):
    with pytest.raises(InputError):
        prepared.statistics([Sample(np.zeros((10, 3)))])


def test_refuses_nan():
    with pytest.raises(InputError, match="NaN"):
        Sample(np.array([[np.nan, 1.0]]))


def test_says_what_it_is(test):
    assert test.source
    assert test.summary


def test_names_the_nearest_setting(name):
    with pytest.raises(ConfigError, match=r"test\.widhts"):
        make_test(name, widhts=1)
