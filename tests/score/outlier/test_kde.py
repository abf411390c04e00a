import numpy as np
import pytest
from scipy import stats

from serendip.errors import ConfigError, InputError
from serendip.score.outlier import Kde


def correlated(n, seed=0, d=3):
    mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.2], [0.0, 0.0, 3.0]])[:d, :d]
    return np.random.default_rng(seed).normal(size=(n, d)) @ mixing


@pytest.mark.parametrize("rule", ["scott", "silverman", 0.4])
def test_is_the_estimate_of_scipy(rule):
    x, elsewhere = correlated(2000), 2 * correlated(300, seed=1)
    # SciPy divides the covariance by n − 1.
    expected = stats.gaussian_kde(np.sqrt(1999 / 2000) * x.T, rule)
    shift = 3 * np.log(np.sqrt(1999 / 2000))
    got = Kde(bandwidth=rule).fit(x).anomaly_score(elsewhere)
    assert got == pytest.approx(-expected.logpdf(np.sqrt(1999 / 2000) * elsewhere.T) - shift, abs=0.1, rel=2e-3)


def test_weights_act_as_copies():
    x = correlated(400)
    copies = np.arange(400) % 3
    weighted = Kde(bandwidth=0.5).fit(x, w=copies.astype(float)).anomaly_score(x)
    assert weighted == pytest.approx(Kde(bandwidth=0.5).fit(np.repeat(x, copies, axis=0)).anomaly_score(x), abs=1e-3)


def test_a_pair_of_opposite_weights_changes_nothing():
    x, pair = correlated(500), correlated(200, seed=1)
    both, w = np.concatenate([x, pair, pair]), np.repeat([1.0, 1.0, -1.0], [500, 200, 200])
    first, second = (Kde(bandwidth=0.5).fit(*args[:1], w=args[1]).anomaly_score(x) for args in ((x, None), (both, w)))
    assert first == pytest.approx(second, abs=0.2)  # the kernels' shape is that of all events
    assert stats.spearmanr(first, second).statistic > 0.99


def test_is_finite_far_away_and_where_negative_weights_outweigh():
    x = np.concatenate([correlated(1000), correlated(300, seed=1) + 40])
    kde = Kde().fit(x, w=np.repeat([1.0, -1.0], [1000, 300]))
    score = kde.anomaly_score(np.array([[0.0, 0, 0], [40, 40, 40], [1e3, 0, 0], [1e30, 0, 0], [-1e300, 0, 0]]))
    assert np.isfinite(score).all()
    assert np.all(np.diff(score[[0, 2, 3]]) > 0)


def test_many_events_are_thinned_to_the_centres_and_rank_alike():
    x, held_out = correlated(8000), correlated(2000, seed=1)
    few, all_of_them = Kde(centres=2000).fit(x), Kde(centres=8000).fit(x)
    assert len(few.centres_) == 2000
    assert stats.spearmanr(few.anomaly_score(held_out), all_of_them.anomaly_score(held_out)).statistic > 0.99


def test_the_held_out_rule_resolves_what_scotts_rule_smears():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 4000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(4000, 2))
    hollow = 0.05 * rng.normal(size=(200, 2))
    gaps = [
        np.mean(kde.anomaly_score(hollow)) - np.mean(kde.anomaly_score(ring[:500]))
        for kde in (Kde(bandwidth=rule).fit(ring) for rule in ("scott", "held_out"))
    ]
    assert gaps[1] > gaps[0] + 2


def test_a_constant_feature_is_left_out():
    x = correlated(500)
    with_constant = np.column_stack([x, np.full(500, 3.3)])
    assert Kde().fit(with_constant).anomaly_score(with_constant) == pytest.approx(
        Kde().fit(x).anomaly_score(x), abs=1e-3
    )
    with pytest.raises(InputError, match="the same features for every event"):
        Kde().fit(np.full((200, 2), 3.3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"bandwidth": "scot"}, "Did you mean 'scott'"), ({"bandwidth": 0.0}, "above 0"), ({"centres": 1}, "at least 2")],
)
def test_names_the_setting_that_is_wrong(settings, message):
    with pytest.raises(ConfigError, match=message):
        Kde(**settings).fit(correlated(200))


def test_refuses_to_score_a_nan():
    kde = Kde().fit(correlated(200))
    with pytest.raises(InputError, match="1 events with NaN"):
        kde.anomaly_score(np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0]]))
