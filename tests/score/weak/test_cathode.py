import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serendip.score.weak import Cathode, Cwola


@pytest.fixture(scope="module")
def method(toy):
    settings = {"members": 4, "iterations": 15}
    return Cathode(density="gaussian", settings=settings).fit(toy.x, toy.m, toy.window)


def test_finds_the_signal_where_cwola_learns_the_mass(method, toy, fresh, fast):
    inside = fresh.window.contains(fresh.m)
    cwola = Cwola(settings=fast).fit(toy.x, toy.m, toy.window)
    found = [roc_auc_score(fresh.is_signal[inside], one.anomaly_score(fresh.x)[inside]) for one in (method, cwola)]
    assert found[0] > max(0.9, found[1])


def test_learns_less_of_the_mass_than_cwola(without_signal, fast):
    first = np.arange(len(without_signal.m)) % 2 == 0
    x, m, window = without_signal.x, without_signal.m, without_signal.window
    inside = window.contains(m[~first])

    def learned(method):
        return abs(roc_auc_score(inside, method.fit(x[first], m[first], window).anomaly_score(x[~first])) - 0.5)

    # Not nothing: the little that it learns, from noise, is a function of features that know the mass.
    assert learned(Cathode(density="gaussian", settings=fast)) < 0.5 * learned(Cwola(settings=fast))


def test_oversampling_sets_the_size_of_the_template(toy):
    inside = toy.window.contains(toy.m).sum()
    for oversample in (1, 3):
        method = Cathode(density="gaussian", oversample=oversample)
        template, w = method.background_template(toy.x, toy.m, toy.window)
        assert len(template) == oversample * inside
        assert w is None
