import numpy as np
from sklearn.metrics import roc_auc_score

from serendip.score.weak import Salad


def test_finds_the_signal_with_a_wrong_simulation(toy, fresh, fast):
    method = Salad(settings=fast).fit(toy.x, toy.m, toy.window, simulation=toy.simulation)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x)[inside]) > 0.9


def test_the_template_is_the_window_of_the_simulation_with_weights(toy, fast):
    x, m, _ = toy.simulation
    sign = np.where(np.arange(len(m)) % 10 == 0, -1.0, 1.0)
    template, w = Salad(settings=fast).background_template(toy.x, toy.m, toy.window, simulation=(x, m, sign))
    inside = toy.window.contains(m)
    assert np.array_equal(template, x[inside])
    assert np.array_equal(np.sign(w), sign[inside])
    # Events that the simulation has too many of get small weights.
    assert np.corrcoef(np.log(np.abs(w)), x[inside, 0])[0, 1] < -0.8
