import numpy as np
import pytest
from scipy.stats import kstest

from serendip.errors import InputError
from serendip.stats.pulls import moment_pulls


def test_pulls_of_equal_samples_are_standard_normal():
    rng = np.random.default_rng(1)
    pulls = np.stack([moment_pulls(rng.exponential(size=(900, 3)), rng.exponential(size=(400, 3))) for _ in range(300)])
    for moment in (0, 1):
        assert pulls[:, moment].std() == pytest.approx(1, abs=0.12)
    assert kstest(pulls[:, 0].ravel(), "norm").pvalue > 0.01


def test_signed_weights_undo_what_was_added():
    rng = np.random.default_rng(2)
    x, extra = rng.normal(size=(5000, 2)), rng.normal(3, 1, size=(500, 2))
    w = np.concatenate([np.ones(6000 - 500), -np.ones(500)])
    pulls = moment_pulls(np.concatenate([x, extra, extra]), rng.normal(size=(5000, 2)), w)
    assert np.abs(pulls).max() < 4


def test_a_shift_of_a_tenth_is_seen_in_its_feature_only():
    rng = np.random.default_rng(3)
    pulls = moment_pulls(rng.normal(size=(10_000, 2)) + np.array([0.1, 0]), rng.normal(size=(10_000, 2)))
    assert pulls[0, 0] > 5
    assert abs(pulls[0, 1]) < 4


def test_a_constant_feature_has_no_pull():
    assert (moment_pulls(np.ones((10, 1)), np.ones((12, 1))) == 0).all()


def test_weights_that_cancel_are_refused():
    with pytest.raises(InputError, match="sum 0"):
        moment_pulls(np.ones((2, 1)), np.ones((2, 1)), np.array([1.0, -1.0]))
