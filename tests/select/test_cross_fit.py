import numpy as np
import pytest
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.errors import InputError, TooFewEventsError
from serendip.score.weak import Cwola
from serendip.select.cross_fit import cross_fit, fold_numbers
from serendip.select.cuts import passes_cut

WINDOW = Window(3.0, 4.0)


class Memory(BaseEstimator):
    """Knows the window events that it saw by heart, and nothing else."""

    needs = frozenset({"mass", "window"})

    def fit(self, x, m, window, *, w=None):
        self.seen_ = x[window.contains(m), 0]
        return self

    def anomaly_score(self, x):
        return np.isin(x[:, 0], self.seen_).astype(float)


def events(n=5000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.uniform(0, 10, n)


def excess(anomaly, m, efficiency=0.1):
    """Events of the window that pass, over those expected."""
    inside = WINDOW.contains(m)
    return passes_cut(anomaly, efficiency)[inside].sum() / (efficiency * inside.sum())


def test_a_memory_gains_nothing():
    x, m = events()
    assert excess(cross_fit(Memory(), x, m, WINDOW), m) == pytest.approx(1, abs=0.4)


def test_copies_leak_unless_they_share_a_fold():
    x, m = events(1000)
    source = np.random.default_rng(1).integers(0, 1000, 6000)
    x, m = x[source], m[source]
    assert excess(cross_fit(Memory(), x, m, WINDOW), m) > 3
    assert excess(cross_fit(Memory(), x, m, WINDOW, groups=source), m) == pytest.approx(1, abs=0.4)


def test_copies_of_one_event_share_a_fold():
    source = np.random.default_rng(1).integers(0, 700, 2000)
    number = fold_numbers(source, 5)
    assert all(len(np.unique(number[source == s])) == 1 for s in np.unique(source))
    assert np.ptp(np.bincount(number)) <= 20


def test_folds_are_equal_seeded_and_mixed():
    number = fold_numbers(1003, 5, seed=1)
    assert sorted(np.bincount(number)) == [200, 200, 201, 201, 201]
    assert np.array_equal(number, fold_numbers(1003, 5, seed=1))
    assert not np.array_equal(number, fold_numbers(1003, 5, seed=2))
    assert np.corrcoef(number, np.arange(1003))[0, 1] == pytest.approx(0, abs=0.15)


def test_groups_keep_their_fold_in_any_order():
    source = np.random.default_rng(1).integers(0, 700, 2000)
    order = np.random.default_rng(2).permutation(2000)
    assert np.array_equal(fold_numbers(source[order], 5), fold_numbers(source, 5)[order])


def test_every_event_is_scored_by_the_other_folds():
    x, m = events(1000)
    number = fold_numbers(1000, 4, seed=6)
    fits = []

    class Watcher(Memory):
        def fit(self, x, m, window, *, w=None):
            self.seen_ = x[:, 0]
            return self

        def anomaly_score(self, x):
            fits.append((set(self.seen_), set(x[:, 0])))
            return np.zeros(len(x))

    cross_fit(Watcher(), x, m, WINDOW, folds=4, seed=6)
    assert len(fits) == 4
    assert all(not seen & scored for seen, scored in fits)
    assert fits[0][1] == set(x[number == 0, 0])


def test_a_cut_passes_its_part_of_the_sidebands_in_every_fold():
    x, m = events()
    anomaly = cross_fit(Cwola(settings={"members": 2}), x, m, WINDOW, seed=3)
    number, beside = fold_numbers(len(m), 5, seed=3), ~WINDOW.contains(m)
    for fold in range(5):
        of_fold = beside & (number == fold)
        assert passes_cut(anomaly, 0.1)[of_fold].sum() == pytest.approx(0.1 * of_fold.sum(), abs=1)


def test_one_seed_gives_one_answer():
    x, m = events(2000)
    method = Cwola(settings={"members": 1, "iterations": 3})
    first = cross_fit(method, x, m, WINDOW, seed=3)
    assert np.array_equal(first, cross_fit(method, x, m, WINDOW, seed=3))
    assert not np.array_equal(first, cross_fit(method, x, m, WINDOW, seed=4))
    assert not hasattr(method, "classifier_")


def test_too_few_folds_and_events_are_refused():
    x, m = events(1000)
    with pytest.raises(InputError, match=r"method\.folds: Got 1"):
        cross_fit(Memory(), x, m, WINDOW, folds=1)
    with pytest.raises(InputError, match="3 groups"):
        fold_numbers(3, 5)
    with pytest.raises(TooFewEventsError, match="sidebands of fold 1"):
        cross_fit(Memory(), x, m, Window(-1, 9.5))
    with pytest.raises(TooFewEventsError, match="in the window"):
        cross_fit(Cwola(), x, m, Window(3, 3.2))


def test_weights_that_cancel_in_a_fold_are_refused():
    x, m = events(1000)
    with pytest.raises(InputError, match="sum to 0"):
        cross_fit(Memory(), x, m, WINDOW, w=np.zeros(1000))
