import numpy as np
import pytest

from serendip.errors import InputError
from serendip.nets import bin_features


def test_bins_hold_equally_many_events():
    x = np.random.default_rng(0).normal(size=(6300, 2))
    for codes in bin_features(x, 63).codes.T:
        assert np.array_equal(np.bincount(codes), np.full(63, 100))


def test_few_distinct_values_get_a_bin_each():
    x = np.repeat([[0.0], [1.0], [7.0]], [1000, 3, 1], axis=0)
    binned = bin_features(x)
    assert np.array_equal(np.unique(binned.codes), [0, 1, 2])
    assert np.array_equal(binned.bin(np.array([[-5.0], [0.6], [100.0]])).codes.ravel(), [0, 1, 2])


def test_order_within_a_feature_is_kept():
    x = np.random.default_rng(0).standard_cauchy((1000, 1))
    codes = bin_features(x, 20).codes[np.argsort(x[:, 0]), 0]
    assert (np.diff(codes.astype(int)) >= 0).all()


def test_a_spike_does_not_eat_the_other_bins():
    x = np.concatenate([np.zeros(5000), np.random.default_rng(0).random(5000)])[:, None]
    assert len(np.unique(bin_features(x, 20).codes)) >= 10


def test_rows_are_taken_as_of_an_array():
    x = np.random.default_rng(0).normal(size=(100, 3))
    binned = bin_features(x, 10)
    rows = np.array([5, 5, 2])
    assert np.array_equal(binned[rows].codes, binned.codes[rows])
    assert np.array_equal(binned[x[:, 0] > 0].codes, binned.bin(x[x[:, 0] > 0]).codes)
    assert binned[10:20].shape == (10, 3)


def test_other_numbers_of_features_are_refused():
    binned = bin_features(np.zeros((10, 3)))
    with pytest.raises(InputError, match=r"\(5, 2\)"):
        binned.bin(np.zeros((5, 2)))
