import numpy as np
import pytest
from scipy.stats import spearmanr

from serendip.errors import InputError
from serendip.score.outlier import IsolationForest

X = np.random.default_rng(0).normal(size=(2000, 3))


def test_ranks_by_distance_where_all_directions_are_alike():
    held_out = np.random.default_rng(1).normal(size=(1000, 3))
    score = IsolationForest().fit(X).anomaly_score(held_out)
    assert spearmanr(score, np.sum(held_out**2, axis=1)).statistic > 0.9
    assert np.all((score > 0) & (score <= 1))


def test_learns_from_weighted_events_in_proportion():
    far = X.copy()
    far[1000:] += 8
    mostly_near = IsolationForest(trees=50).fit(far, w=np.repeat([1.0, 0.001], 1000))
    centres = mostly_near.anomaly_score(np.array([[0.0, 0, 0], [8, 8, 8]]))
    assert centres[1] > centres[0] + 0.1
    evenly = IsolationForest(trees=50).fit(far).anomaly_score(np.array([[0.0, 0, 0], [8, 8, 8]]))
    assert abs(evenly[1] - evenly[0]) < 0.05


def test_equal_weights_change_nothing():
    first, second = (IsolationForest(trees=20).fit(X, w=w).anomaly_score(X) for w in (None, np.full(2000, 0.3)))
    assert np.array_equal(first, second)


def test_negative_weights_are_refused_with_the_way_out():
    w = np.ones(2000)
    w[:7] = -1
    with pytest.raises(InputError, match=r"7 negative weights, but isolation_forest takes none.*kde"):
        IsolationForest().fit(X, w=w)
