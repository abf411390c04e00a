import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.score.semi.toy_areas import toy_areas

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.adaptation import AdaptedClassifier
from serendip.seeds import rng_for

FAST = {"parts": ("corrected",), "members": 1, "hidden": (16, 16), "epochs": 15, "batch": 256, "learning_rate": 1e-2}


def recoils(n, seed, *, charge=1.0, share=0.4):
    """The share of charge tells the kinds, and a feature that means nothing tells the domains: the radius."""
    recordings = toy_areas(n, seed, charge=charge, share=share)[0]
    if charge == 1.0:
        return recordings
    columns = dict(recordings.events.columns)
    columns["x"] = columns["x"] + 60 * rng_for(seed, "moved").random(n)
    return Recordings(type(recordings.events)(columns))


@pytest.fixture(scope="module")
def samples():
    er, nr, data = recoils(3000, 1), recoils(3000, 2, share=0.2), recoils(3000, 3, charge=1.12)
    return concatenate_recordings(er, nr), np.repeat([0, 1], 3000), data


@pytest.fixture(scope="module")
def plain(samples):
    return AdaptedClassifier(strength=0.0, **FAST).fit(*samples)


@pytest.fixture(scope="module")
def adapted(samples):
    return AdaptedClassifier(strength=5.0, **FAST).fit(*samples)


def auc(model, one, zero):
    return roc_auc_score(np.repeat([1, 0], [len(one), len(zero)]), model.log_odds(concatenate_recordings(one, zero)))


def test_tells_the_kinds_apart(plain, adapted):
    for model in (plain, adapted):
        assert auc(model, recoils(2000, 5, share=0.2), recoils(2000, 4)) > 0.97
    p = adapted.probability(recoils(2000, 4))
    assert np.all((p >= 0) & (p <= 1))
    assert p.mean() < 0.2


def test_scores_of_data_are_more_like_those_of_simulation_where_the_domain_is_hidden(plain, adapted):
    apart = [abs(auc(model, recoils(4000, 7, charge=1.12), recoils(4000, 6)) - 0.5) for model in (plain, adapted)]
    assert apart[0] > 0.1
    assert apart[1] < 0.8 * apart[0]


def test_a_saved_one_says_the_same(adapted, tmp_path):
    adapted.save(tmp_path / "adapted.npz")
    recordings = recoils(200, 8)
    again = AdaptedClassifier.load(tmp_path / "adapted.npz")
    np.testing.assert_array_equal(again.log_odds(recordings), adapted.log_odds(recordings))


def test_refuses_what_it_cannot_learn_from(samples):
    both, is_nr, data = samples
    with pytest.raises(InputError, match="strength: Got -1"):
        AdaptedClassifier(strength=-1).fit(*samples)
    with pytest.raises(InputError, match="is_nr: Got 5999 labels"):
        AdaptedClassifier().fit(both, is_nr[1:], data)
    with pytest.raises(TooFewEventsError, match="nuclear recoils"):
        AdaptedClassifier(parts=("corrected",)).fit(both, 0 * is_nr, data)
    with pytest.raises(TooFewEventsError, match="calibration"):
        AdaptedClassifier(parts=("corrected",)).fit(both, is_nr, data[:50])
