import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.score.weak import TagNTrain

GROUPS = [[0, 2], [1]]


def make(fast, **settings):
    return TagNTrain(density="gaussian", settings=fast, **({"groups": GROUPS} | settings))


@pytest.mark.parametrize("tagger", ["cwola", "density"])
def test_finds_the_signal(toy, fresh, fast, tagger):
    method = make(fast, tagger=tagger).fit(toy.x, toy.m, toy.window)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x)[inside]) > 0.9


def test_each_classifier_sees_only_its_own_object(toy, fast):
    method = make(fast).fit(toy.x, toy.m, toy.window)
    of_second, of_first = method.classifiers_
    assert len(of_second.edges_) == 1
    assert len(of_first.edges_) == 2


def test_signal_rich_events_lie_in_the_window(toy, fast):
    # Tags are as before, or nearly; but only 200 events are left in the window.
    moved = np.where(toy.window.contains(toy.m) & (np.cumsum(toy.window.contains(toy.m)) > 200), 9.0, toy.m)
    with pytest.raises(TooFewEventsError, match="signal rich events"):
        make(fast).fit(toy.x, moved, toy.window)


def test_without_groups_the_columns_are_halved(toy, fast):
    method = make(fast, groups=None).fit(toy.x, toy.m, toy.window)
    assert method.groups_ == ([0], [1, 2])


@pytest.mark.parametrize("groups", [[[0, 1], [1, 2]], [[0, 1, 2], []], [[0], [3]], [[0, 0], [1]], [[0], [1], [2]]])
def test_refuses_groups_that_are_not_two_objects(toy, fast, groups):
    with pytest.raises(InputError, match="groups: Got"):
        make(fast, groups=groups).fit(toy.x, toy.m, toy.window)


@pytest.mark.parametrize("share", [{"signal_rich": 0.0}, {"background_rich": 0.9}])
def test_refuses_shares_that_overlap_or_are_empty(toy, fast, share):
    with pytest.raises(InputError, match="signal_rich"):
        make(fast, **share).fit(toy.x, toy.m, toy.window)


def test_names_an_unknown_tagger(toy, fast):
    with pytest.raises(ConfigError, match="Did you mean 'cwola'"):
        make(fast, tagger="cwolla").fit(toy.x, toy.m, toy.window)
