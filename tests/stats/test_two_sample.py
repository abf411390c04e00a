import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from serendip.errors import InputError, TooFewEventsError
from serendip.stats.two_sample import two_sample_test, weighted_auc
from serendip.stats.uniformity import uniformity


class Linear:
    """Scores along the difference of the weighted means: the quickest classifier there is."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, x, y, sample_weight):
        a, b = (np.average(x[y == k], axis=0, weights=sample_weight[y == k]) for k in (1, 0))
        self.direction = a - b
        return self

    def score(self, x):
        return x @ self.direction


class Constant(Linear):
    def score(self, x):
        return np.zeros(len(x))


class Silent:
    def __init__(self, seed):
        self.seed = seed

    def fit(self, x, y, sample_weight):
        return self


def samples(n_a=400, n_b=600, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal([shift, 0, 0], size=(n_a, 3)), rng.normal(size=(n_b, 3))


@pytest.mark.parametrize("folds", [2, 5])
def test_p_is_uniform_where_the_samples_are_alike(folds):
    p = [two_sample_test(*samples(seed=s), classifier=Linear, folds=folds, seed=s).p.p for s in range(200)]
    result = uniformity(np.array(p))
    assert abs(result.mean_z) < 0.3
    assert result.sd_z == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_p_is_uniform_with_signed_weights():
    p = []
    for seed in range(200):
        w = np.where(np.random.default_rng([seed, 1]).random(600) < 0.2, -1.0, 1.0)
        p.append(two_sample_test(*samples(seed=seed), None, w, classifier=Linear, seed=seed).p.p)
    result = uniformity(np.array(p))
    assert abs(result.mean_z) < 0.3
    assert result.sd_z == pytest.approx(1.0, abs=0.15)


def test_p_of_permutations_is_uniform_where_the_samples_are_alike():
    p = [
        two_sample_test(*samples(100, 100, seed=s), classifier=Linear, permutations=39, folds=2, seed=s).p.p
        for s in range(80)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_trees_see_what_means_do_not():
    a, b = samples(1000, 1000)
    a[:, 1] *= 2
    blind, seeing = two_sample_test(a, b, classifier=Linear), two_sample_test(a, b)
    assert blind.p.z < 3
    assert seeing.p.z > 5
    assert seeing.auc > 0.55


def test_auc_matches_the_closed_form():
    result = two_sample_test(*samples(4000, 4000, shift=1.0), classifier=Linear)
    assert abs(result.auc - stats.norm.cdf(1 / np.sqrt(2))) < 4 * result.error
    assert result.error == pytest.approx(np.sqrt(0.76 * 0.24 / 4000 / 1.9), rel=0.3)


def test_negative_weights_take_events_away():
    a, b = samples(1000, 1000)
    extra = b[:300] + np.array([4.0, 0, 0])
    polluted = np.concatenate([b, extra, extra[::-1] + 1e-3])
    w = np.concatenate([np.ones(1300), -np.ones(300)])
    assert two_sample_test(a, polluted[:1300], classifier=Linear).p.z > 5
    assert two_sample_test(a, polluted, None, w, classifier=Linear).p.z < 3


def test_weights_mend_a_shifted_sample():
    a, b = samples(3000, 3000, shift=0.3)
    w_a = np.exp(-0.3 * a[:, 0] + 0.045)
    assert two_sample_test(a, b, classifier=Linear).p.z > 5
    assert two_sample_test(a, b, w_a, classifier=Linear).p.z < 3


def test_result_does_not_depend_on_the_scale_of_weights():
    a, b = samples(shift=0.2)
    one = two_sample_test(a, b, classifier=Linear)
    assert two_sample_test(a, b, np.full(400, 7.0), np.full(600, 0.1), classifier=Linear).auc == pytest.approx(one.auc)


def test_depends_on_its_seed():
    a, b = samples()
    first, again, other = (two_sample_test(a, b, classifier=Linear, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_a_constant_classifier_finds_nothing():
    result = two_sample_test(*samples(), classifier=Constant)
    assert (result.auc, result.error, result.p.p) == pytest.approx((0.5, 0.0, 0.5), abs=1e-9)


def test_samples_far_apart_keep_z_finite():
    result = two_sample_test(*samples(shift=50.0), classifier=Linear)
    assert result.auc == pytest.approx(1.0)
    assert 10 < result.p.z < 30


def test_weighted_auc_matches_scikit_learn_and_its_error_the_bootstrap():
    rng = np.random.default_rng(0)
    a, b, w_a, w_b = (
        np.round(rng.normal(0.5, 1, 500), 1),
        np.round(rng.normal(size=700), 1),
        rng.random(500),
        rng.random(700),
    )
    auc, variance, _ = weighted_auc(a, b, w_a, w_b)
    labels, w = np.repeat([1, 0], [500, 700]), np.concatenate([w_a, w_b])
    assert auc == pytest.approx(roc_auc_score(labels, np.concatenate([a, b]), sample_weight=w))
    again = [weighted_auc(a, b, w_a * rng.poisson(1, 500), w_b * rng.poisson(1, 700))[0] for _ in range(400)]
    assert np.sqrt(variance) == pytest.approx(np.std(again), rel=0.15)


def test_refuses_small_samples():
    with pytest.raises(TooFewEventsError, match="first sample"):
        two_sample_test(*samples(20, 600))


def test_refuses_weights_that_cancel():
    with pytest.raises(InputError, match="total weight of 0 in the second"):
        two_sample_test(*samples(), None, np.tile([1.0, -1.0], 300))


def test_refuses_a_classifier_without_scores():
    with pytest.raises(InputError, match="expected predict_proba"):
        two_sample_test(*samples(), classifier=Silent)
