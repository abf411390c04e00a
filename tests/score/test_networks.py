import json
import pickle

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from serendip.errors import ConfigError, InputError
from serendip.nets import bin_features
from serendip.score.classifiers import make_classifier
from serendip.score.networks import Network

COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: COMPILED.append(name))

FAST = {"members": 2, "hidden": (16, 16), "epochs": 8, "learning_rate": 5e-3, "batch": 128}


def two_bumps(n=3000, seed=0):
    """Two Gaussians that differ in the first two of four features, in unequal numbers and odd units."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    x = rng.normal(size=(n, 4))
    x[:, :2] += y[:, None]
    return x * [1e3, 1e-3, 1, 1] + [0, 5, -1e4, 0], y


def network(**settings):
    return Network(**(FAST | settings))


def auc(fitted, seed=9):
    x, y = two_bumps(seed=seed)
    return roc_auc_score(y, fitted.score(x))


@pytest.fixture(scope="module")
def fitted():
    return network().fit(*two_bumps())


def test_is_as_good_as_the_optimal_line(fitted):
    x, y = two_bumps()
    scale = x.std(axis=0)
    best = LogisticRegression().fit(x / scale, y)
    other, truth = two_bumps(seed=9)
    assert auc(fitted) > roc_auc_score(truth, best.decision_function(other / scale)) - 0.01


def test_probabilities_are_those_of_balanced_classes(fitted):
    x, y = two_bumps(seed=9)
    p = fitted.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert 0.5 * (p[y, 1].mean() + p[~y, 1].mean()) == pytest.approx(0.5, abs=0.03)
    own = network(balanced=False).fit(*two_bumps()).predict_proba(x)
    assert own[:, 1].mean() == pytest.approx(0.3, abs=0.03)


def test_same_seed_same_scores(fitted):
    x, y = two_bumps()
    assert np.array_equal(clone(fitted).fit(x, y).score(x), fitted.score(x))
    assert not np.array_equal(clone(fitted).set_params(seed=1).fit(x, y).score(x), fitted.score(x))


def test_pairs_of_opposite_weight_cancel(fitted):
    x, y = two_bumps()
    extra = two_bumps(500, seed=3)[0]
    x, y = np.concatenate([x, extra, extra]), np.concatenate([y, np.ones(1000, bool)])
    w = np.concatenate([np.ones(3000), np.ones(500), -np.ones(500)])
    assert auc(network().fit(x, y, w)) == pytest.approx(auc(fitted), abs=0.02)


def test_constant_features_are_harmless(fitted):
    x, y = two_bumps()
    constant = network().fit(np.column_stack([x, np.full(len(x), 0.1), np.zeros(len(x))]), y)
    other, truth = two_bumps(seed=9)
    padded = np.column_stack([other, np.full(len(other), 0.1), np.zeros(len(other))])
    assert roc_auc_score(truth, constant.score(padded)) == pytest.approx(auc(fitted), abs=0.02)


def test_pickles_after_the_score(fitted):
    x, _ = two_bumps()
    before = fitted.score(x)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).score(x), before)


def test_loads_what_it_saved(fitted, tmp_path):
    fitted.save(tmp_path / "network.npz")
    loaded = Network.load(tmp_path / "network.npz")
    x, _ = two_bumps()
    assert np.array_equal(loaded.score(x), fitted.score(x))
    assert json.dumps(loaded.get_params()) == json.dumps(fitted.get_params())


def test_scores_are_those_of_each_event_alone(fitted):
    x, _ = two_bumps(9000, seed=2)
    assert fitted.score(x).dtype == np.float64
    np.testing.assert_allclose(fitted.score(x)[8190:8195], fitted.score(x[8190:8195]), rtol=1e-4, atol=1e-5)
    assert fitted.score(x[:0]).shape == (0,)


def test_toys_of_other_size_do_not_compile_anew(fitted):
    x, y = two_bumps(3900, seed=4)
    fitted.score(x)
    COMPILED.clear()
    clone(fitted).fit(x, y).score(x[:2500])
    assert not any("compile" in name for name in COMPILED)


def test_members_hold_out_events_and_report_losses(fitted):
    assert fitted.validation_loss_.shape == (2, 8)
    assert fitted.validation_loss_[0, -1] < fitted.validation_loss_[0, 0] < 1.0


def test_progress_is_called():
    epochs = []
    network(epochs=2).fit(*two_bumps(), progress=lambda epoch, *_: epochs.append(epoch))
    assert epochs == [1, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_is_refused(fitted, bad):
    x, y = two_bumps()
    x[7, 1] = bad
    with pytest.raises(InputError, match=r"NaN or infinite features \(the first in row 7, feature 1\)"):
        network().fit(x, y)
    with pytest.raises(InputError, match="NaN"):
        fitted.score(x)


def test_binned_features_are_refused(fitted):
    x, y = two_bumps()
    binned = bin_features(x)
    for call in (lambda: network().fit(binned, y), lambda: fitted.score(binned), lambda: fitted.prepare(binned)):
        with pytest.raises(InputError, match="binned features"):
            call()
    assert fitted.prepare(x) is x


def test_weights_that_cancel_are_refused():
    x, y = two_bumps()
    with pytest.raises(InputError, match="in class 1"):
        network().fit(x, y, np.where(y, -1.0, 1.0))


def test_other_features_are_refused(fitted):
    with pytest.raises(InputError, match=r"expected \(events, 4\)"):
        fitted.score(two_bumps()[0][:, :3])


@pytest.mark.parametrize(
    ("setting", "value"),
    [("members", 0), ("hidden", ()), ("hidden", (8, 0)), ("activation", "sine"), ("dropout", 1.0), ("best", 0)],
)
def test_names_the_setting_that_is_wrong(setting, value):
    with pytest.raises(InputError, match=f"{setting}: Got"):
        network(**{setting: value}).fit(*two_bumps())


def test_is_a_classifier_by_name():
    assert make_classifier("network", 3, hidden=[8, 8]).seed == 3
    with pytest.raises(ConfigError, match="Did you mean 'hidden'"):
        make_classifier("network", hiden=[8])
