import numpy as np
from sklearn.metrics import roc_auc_score

from serendip.score.weak import LaCathode


def test_finds_the_signal(toy, fresh, fast):
    method = LaCathode(density="gaussian", settings=fast).fit(toy.x, toy.m, toy.window)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x, fresh.m)[inside]) > 0.9


def test_the_same_latent_position_scores_the_same_at_every_mass(toy, fast):
    method = LaCathode(density="gaussian", settings=fast).fit(toy.x, toy.m, toy.window)
    z = np.random.default_rng(0).normal(size=(200, 3))
    scores = []
    for mass in (2.0, 3.5, 6.0):
        m = np.full(200, mass)
        scores.append(method.anomaly_score(method.density_.from_latent(z, m), m))
    assert np.mean(scores[0] == scores[1]) > 0.95  # rounding moves an event across the edge of a bin, now and then
    assert np.mean(scores[0] == scores[2]) > 0.95
