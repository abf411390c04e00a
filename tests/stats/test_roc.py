import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from serendip.errors import InputError
from serendip.stats.roc import auc, max_sic, performance, roc_curve, sic_at, sic_curve

SHIFT = 1.5


def gaussian_scores(n=50_000, seed=0, fraction=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < fraction
    return rng.normal(size=n) + SHIFT * truth, truth


def closed_sic(fpr):
    return stats.norm.sf(stats.norm.isf(fpr) - SHIFT) / np.sqrt(fpr)


def test_figures_match_the_gaussian_closed_forms_within_their_errors():
    result = performance(*gaussian_scores(), replicas=40)
    assert abs(result.auc.value - stats.norm.cdf(SHIFT / np.sqrt(2))) < 4 * result.auc.error
    for fpr in (1e-2, 1e-3):
        assert abs(result.sic_at[fpr].value - closed_sic(fpr)) < 4 * result.sic_at[fpr].error
    largest = closed_sic(np.logspace(-4, 0, 2000)).max()
    assert abs(result.max_sic.value - largest) < 4 * result.max_sic.error
    assert result.max_sic.value == result.best.value


def test_bootstrap_error_matches_the_spread_of_samples():
    values = [auc(roc_curve(*gaussian_scores(2000, seed))) for seed in range(200)]
    errors = [performance(*gaussian_scores(2000, seed), replicas=50).auc.error for seed in range(10)]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_auc_of_ties_and_weights_matches_scikit_learn():
    rng = np.random.default_rng(1)
    scores, truth = gaussian_scores(3000, 2)
    scores, w = np.round(scores), rng.random(3000)
    assert auc(roc_curve(scores, truth, w)) == pytest.approx(roc_auc_score(truth, scores, sample_weight=w))


def test_auc_with_signed_weights_is_the_sum_over_pairs():
    rng = np.random.default_rng(3)
    scores, truth = gaussian_scores(400, 4)
    scores, w = np.round(scores, 1), np.where(rng.random(400) < 0.2, -1.0, 1.0)
    difference = scores[truth][:, None] - scores[~truth][None]
    pairs = np.outer(w[truth], w[~truth])
    expected = np.sum(pairs * ((difference > 0) + 0.5 * (difference == 0))) / pairs.sum()
    assert auc(roc_curve(scores, truth, w)) == pytest.approx(expected)


def test_an_event_of_weight_minus_one_cancels_its_twin():
    scores, truth = gaussian_scores(2000, 5)
    plain = roc_curve(scores, truth)
    extra = np.array([0.3, 2.0])
    both = roc_curve(
        np.concatenate([scores, extra, extra]),
        np.concatenate([truth, np.zeros(4, dtype=bool)]),
        np.concatenate([np.ones(2000), np.ones(2), -np.ones(2)]),
    )
    assert auc(both) == pytest.approx(auc(plain))
    assert sic_at(both, 0.01) == pytest.approx(sic_at(plain, 0.01), rel=1e-6)


def test_tied_events_pass_together_whatever_their_order():
    scores, truth = gaussian_scores(1000, 6)
    scores = np.round(scores)
    order = np.random.default_rng(0).permutation(1000)
    one, other = roc_curve(scores, truth), roc_curve(scores[order], truth[order])
    assert len(one.cuts) == len(np.unique(scores)) + 1
    np.testing.assert_allclose(one.eps_s, other.eps_s)
    np.testing.assert_allclose(one.n_b, other.n_b)


def test_constant_scores_cannot_tell():
    _, truth = gaussian_scores(100, 7)
    roc = roc_curve(np.zeros(100), truth)
    assert auc(roc) == 0.5
    assert sic_at(roc, 0.04) == pytest.approx(0.2)


def test_max_sic_keeps_its_background_and_says_what_passes_its_cut():
    scores, truth = gaussian_scores(20_000, 8)
    best = max_sic(roc_curve(scores, truth), 100)
    passed = scores >= best.cut
    assert best.n_background == np.sum(passed & ~truth) >= 100
    assert best.n_signal == np.sum(passed & truth)
    assert best.value == pytest.approx(np.mean(passed[truth]) / np.sqrt(np.mean(passed[~truth])))


def test_background_count_of_weighted_events_is_the_effective_one():
    scores, truth = gaussian_scores(1000, 9)
    roc = roc_curve(scores, truth, np.full(1000, 0.01))
    assert roc.n_b[-1] == pytest.approx(np.sum(~truth))


def test_sic_curve_has_no_number_where_no_background_passes():
    roc = roc_curve(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    assert np.isnan(sic_curve(roc)[:2]).all()
    assert sic_curve(roc)[-1] == 1.0


def test_errors_depend_on_the_seed_alone():
    sample = gaussian_scores(2000, 10)
    first, again, other = (performance(*sample, replicas=5, seed=s).auc.error for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("scores", "truth", "w", "message"),
    [
        (np.array([0.0, np.nan]), np.array([True, False]), None, "not finite"),
        (np.zeros(3), np.ones(3, dtype=bool), None, "0 background events"),
        (np.zeros(2), np.array([True, False]), np.array([-1.0, 1.0]), "1 signal events of total weight -1"),
    ],
)
def test_refuses_samples_without_a_curve(scores, truth, w, message):
    with pytest.raises(InputError, match=message):
        roc_curve(scores, truth, w)


def test_refuses_too_little_background_for_a_max_sic():
    with pytest.raises(InputError, match="min_background=25"):
        max_sic(roc_curve(np.arange(10.0), np.arange(10) > 7))


def test_refuses_a_background_efficiency_outside_zero_to_one():
    with pytest.raises(InputError, match="Got fpr=0"):
        sic_at(roc_curve(np.arange(10.0), np.arange(10) > 7), 0.0)
