import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serendip.score.weak import Cwola, DecorrelatedCwola


def halves(events):
    first = np.arange(len(events.m)) % 2 == 0
    return (events.x[first], events.m[first]), (events.x[~first], events.m[~first])


def test_finds_the_signal(toy, fresh, fast):
    method = DecorrelatedCwola(density="gaussian", settings=fast).fit(toy.x, toy.m, toy.window)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x, fresh.m)[inside]) > 0.9


def test_does_not_learn_the_mass_where_cwola_does(without_signal, fast):
    (x, m), (x_test, m_test) = halves(without_signal)
    window = without_signal.window
    inside = window.contains(m_test)
    plain = Cwola(settings=fast).fit(x, m, window).anomaly_score(x_test)
    decorrelated = DecorrelatedCwola(density="gaussian", settings=fast).fit(x, m, window).anomaly_score(x_test, m_test)
    assert roc_auc_score(inside, plain) > 0.56
    assert roc_auc_score(inside, decorrelated) == pytest.approx(0.5, abs=0.03)
