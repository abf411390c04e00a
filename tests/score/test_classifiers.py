import numpy as np
import pytest

from serendip.errors import ConfigError, InputError
from serendip.nets import Trees, bin_features
from serendip.score.classifiers import fit_two_samples, join, make_classifier


def test_settings_reach_the_classifier():
    trees = make_classifier("trees", 3, members=7)
    assert isinstance(trees, Trees)
    assert (trees.members, trees.seed) == (7, 3)


def test_an_unknown_name_or_setting_gets_the_nearest():
    with pytest.raises(ConfigError, match=r"classifier\.name: .* Did you mean 'trees'"):
        make_classifier("tree")
    with pytest.raises(ConfigError, match=r"classifier\.member: .* Did you mean 'members'"):
        make_classifier("trees", member=3)


def test_class_one_scores_higher_whatever_the_sizes():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 1, (200, 2)), rng.normal(2, 1, (5000, 2))
    trees = fit_two_samples(make_classifier(), {"low": (low, None)}, {"high": (high, None)})
    assert trees.score(low).mean() > 0 > trees.score(high).mean()


def test_a_binned_sample_takes_its_partner_along():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(200, 2)), rng.normal(size=(300, 2))
    binned = bin_features(first)
    assert np.array_equal(join(binned, second).codes, binned.bin(np.concatenate([first, second])).codes)
    with pytest.raises(InputError, match="Prepare both"):
        join(first, bin_features(second))
