import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.score.weak import Curtains


def test_finds_the_signal(toy, fresh, fast):
    method = Curtains(density="gaussian", settings=fast).fit(toy.x, toy.m, toy.window)
    inside = fresh.window.contains(fresh.m)
    assert roc_auc_score(fresh.is_signal[inside], method.anomaly_score(fresh.x)[inside]) > 0.9


def test_carries_every_sideband_event_as_often_as_asked(toy):
    beside = ~toy.window.contains(toy.m)
    template, w = Curtains(density="gaussian", oversample=2).background_template(toy.x, toy.m, toy.window)
    assert w is None
    assert len(template) == 2 * beside.sum()
    # Carried events keep their place among the others: latent positions are kept.
    assert np.corrcoef(template[: beside.sum(), 2], template[beside.sum() :, 2])[0, 1] > 0.9


def test_carried_events_keep_their_weights(toy):
    w = np.random.default_rng(0).uniform(0.5, 1.5, len(toy.m))
    _, weights = Curtains(density="gaussian").background_template(toy.x, toy.m, toy.window, w=w)
    assert np.array_equal(weights, w[~toy.window.contains(toy.m)])


def test_needs_both_sidebands(toy):
    above = toy.m >= 3.0
    with pytest.raises(TooFewEventsError, match="lower sideband"):
        Curtains(density="gaussian").fit(toy.x[above], toy.m[above], toy.window)


def test_sinkhorn_takes_no_negative_weights(toy):
    w = np.where(np.arange(len(toy.m)) % 10 == 0, -1.0, 1.0)
    with pytest.raises(InputError, match="negative weights"):
        Curtains(transport="sinkhorn").fit(toy.x, toy.m, toy.window, w=w)


def test_names_unknown_transports_and_settings(toy):
    with pytest.raises(ConfigError, match="Did you mean 'sinkhorn'"):
        Curtains(transport="sinkhron").fit(toy.x, toy.m, toy.window)
    with pytest.raises(ConfigError, match="transport_settings: Got setting of sinkhorn 'steps'"):
        Curtains(transport="sinkhorn", transport_settings={"steps": 3}).fit(toy.x, toy.m, toy.window)
