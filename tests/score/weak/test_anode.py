import numpy as np
from sklearn.metrics import roc_auc_score

from serendip.score.weak import Anode


def test_finds_the_signal_in_the_window(toy, fresh):
    method = Anode(density="gaussian").fit(toy.x, toy.m, toy.window)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x, fresh.m)[inside]) > 0.8


def test_an_event_outside_scores_as_if_it_had_been_carried_into_the_window(toy):
    method = Anode(density="gaussian").fit(toy.x, toy.m, toy.window)
    z = np.random.default_rng(0).normal(size=(100, 3))
    scores = [
        method.anomaly_score(method.outer_.from_latent(z, np.full(100, mass)), np.full(100, mass))
        for mass in (3.25, 2.25, 6.25)
    ]
    assert np.allclose(scores[0], scores[1])
    assert np.allclose(scores[0], scores[2])
