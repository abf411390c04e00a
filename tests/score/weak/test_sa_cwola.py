import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serendip.errors import InputError
from serendip.score.weak import Cwola, SaCwola


def test_without_penalty_it_is_cwola_and_with_it_learns_no_mass(without_signal, fast):
    x, m, window = without_signal.x, without_signal.m, without_signal.window
    first = np.arange(len(m)) % 2 == 0
    inside = window.contains(m[~first])

    def learned(method, **offered):
        return roc_auc_score(inside, method.fit(x[first], m[first], window, **offered).anomaly_score(x[~first]))

    x_sim, m_sim, _ = without_signal.simulation
    simulation = (x_sim - [0.5, 0, 0], m_sim, None)  # as right as the data
    plain = learned(Cwola(settings=fast))
    assert plain > 0.56
    assert learned(SaCwola(settings=fast, penalty=0.0), simulation=simulation) == pytest.approx(plain, abs=0.01)
    assert learned(SaCwola(settings=fast), simulation=simulation) == pytest.approx(0.5, abs=0.03)


def test_finds_the_signal(toy, fresh, fast):
    method = SaCwola(settings=fast).fit(toy.x, toy.m, toy.window, simulation=toy.simulation)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x)[inside]) > 0.9


def test_the_scale_of_simulated_weights_does_not_matter(toy, fast):
    x, m, _ = toy.simulation
    first, second = (
        SaCwola(settings=fast).fit(toy.x, toy.m, toy.window, simulation=(x, m, w)).anomaly_score(toy.x)
        for w in (None, np.full(len(m), 8.0))
    )
    assert np.allclose(first, second)


def test_refuses_a_negative_penalty(toy):
    with pytest.raises(InputError, match="penalty: Got -1"):
        SaCwola(penalty=-1.0).fit(toy.x, toy.m, toy.window, simulation=toy.simulation)
