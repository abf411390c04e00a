import numpy as np
from sklearn.metrics import roc_auc_score

from serendip.score.weak import Feta


def test_finds_the_signal_with_a_wrong_simulation(toy, fresh, fast):
    method = Feta(density="gaussian", settings=fast).fit(toy.x, toy.m, toy.window, simulation=toy.simulation)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x)[inside]) > 0.9


def test_carries_each_simulated_event_with_its_weight(toy):
    x, m, _ = toy.simulation
    w = np.random.default_rng(0).uniform(0.5, 1.5, len(m))
    method = Feta(density="gaussian", oversample=None)
    template, weights = method.background_template(toy.x, toy.m, toy.window, simulation=(x, m, w))
    assert np.array_equal(weights, w)
    place_in_simulation, place_in_data = x[:, 0] - 0.4 * m, template[:, 0]
    assert np.corrcoef(place_in_simulation, place_in_data)[0, 1] > 0.9
