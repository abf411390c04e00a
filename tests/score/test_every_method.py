"""One battery for every method."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from serendip.data import Truth, Window
from serendip.errors import InputError, TooFewEventsError
from serendip.nets import BinnedFeatures
from serendip.score import METHODS, fit_inputs
from serendip.select.cross_fit import cross_fit
from serendip.select.cuts import passes_cut

WINDOW = Window(3.0, 4.0)
FAST = {"members": 4, "iterations": 15}


def sample(n=6000, signal=600, seed=0):
    """A falling spectrum whose features do not depend on the mass, and a bump that differs in two of three."""
    rng = np.random.default_rng(seed)
    m = np.concatenate([1.5 + rng.exponential(2.0, n), rng.normal(3.5, 0.15, signal)])
    is_signal = np.arange(n + signal) >= n
    x = rng.normal(size=(n + signal, 3))
    x[is_signal, :2] += 2.0
    order = rng.permutation(len(m))
    return x[order], m[order], Truth(is_signal[order])


def everything(x, m, truth, w=None, seed=1):
    """All that any method may ask for."""
    background = np.random.default_rng(seed).normal(size=(3000, x.shape[1]))
    return {"m": m, "window": WINDOW, "w": w, "truth": truth, "background": (background, None)}


def fitted(method, x, m, truth, w=None, **offered):
    return method.fit(x, **fit_inputs(method, **(everything(x, m, truth, w) | offered)))


@pytest.fixture(params=sorted(METHODS))
def method(request):
    return METHODS[request.param](settings=FAST)


def test_says_what_it_is(method):
    assert method.needs <= {"mass", "window", "background", "truth"}
    assert "arXiv:" in method.source or "doi:" in method.source
    assert method.summary
    assert method.source.split(",")[0] in inspect.getmodule(type(method)).__doc__


def test_higher_is_more_anomalous(method):
    fitted(method, *sample())
    x, _, truth = sample(seed=7)
    assert roc_auc_score(truth.is_signal, method.anomaly_score(x)) > 0.85


def test_same_seed_same_scores(method):
    x, m, truth = sample()
    first = fitted(clone(method), x, m, truth).anomaly_score(x)
    assert np.array_equal(first, fitted(clone(method), x, m, truth).anomaly_score(x))
    assert not np.array_equal(first, fitted(clone(method).set_params(seed=8), x, m, truth).anomaly_score(x))


def test_pickles_after_the_fit(method):
    x, m, truth = sample()
    fitted(method, x, m, truth)
    assert np.array_equal(pickle.loads(pickle.dumps(method)).anomaly_score(x), method.anomaly_score(x))


def test_fit_leaves_its_settings_alone(method):
    before = method.get_params()
    fitted(method, *sample())
    assert method.get_params() == before


def test_prepared_features_give_the_same_scores(method):
    x, m, truth = sample()
    method.set_params(settings=FAST | {"bins": 40})
    prepared = method.prepare(x)
    assert isinstance(prepared, BinnedFeatures)
    fitted(method, prepared, m, truth)
    assert np.allclose(method.anomaly_score(prepared), method.anomaly_score(x))


def test_pairs_of_opposite_weight_nearly_cancel(method):
    x, m, truth = sample()
    extra, extra_m, extra_truth = sample(1000, 200, seed=3)
    w = np.concatenate([np.ones(len(m)), np.ones(len(extra)), -np.ones(len(extra))])
    both = Truth(np.concatenate([truth.is_signal, extra_truth.is_signal, extra_truth.is_signal]))
    plain = fitted(clone(method), x, m, truth)
    paired = fitted(clone(method), np.concatenate([x, extra, extra]), np.concatenate([m, extra_m, extra_m]), both, w)
    test_x, _, test_truth = sample(seed=9)
    aucs = [roc_auc_score(test_truth.is_signal, fit.anomaly_score(test_x)) for fit in (plain, paired)]
    assert aucs[0] == pytest.approx(aucs[1], abs=0.03)
    assert np.isfinite(paired.anomaly_score(x)).all()


def test_order_of_events_matters_little(method):
    # Members draw their halves by row, so that only the mean over members is the same.
    x, m, truth = sample()
    order = np.random.default_rng(0).permutation(len(m))
    first = fitted(clone(method), x, m, truth).anomaly_score(x)
    second = fitted(clone(method), x[order], m[order], truth[order]).anomaly_score(x)
    assert np.corrcoef(first, second)[0, 1] > 0.8


def test_truth_is_not_read_unless_needed(method):
    if "truth" in method.needs:
        assert "truth" in method.summary
        return
    x, m, truth = sample()
    assert "truth" not in inspect.signature(method.fit).parameters
    assert "truth" not in fit_inputs(method, **everything(x, m, truth))
    first = fitted(clone(method), x, m, truth).anomaly_score(x)
    assert np.array_equal(first, fitted(clone(method), x, m, Truth(~truth.is_signal)).anomaly_score(x))


def test_does_not_sculpt_features_that_know_no_mass(method):
    x, m, truth = sample(12_000, 0 if "truth" not in method.needs else 600)
    offered = {key: everything(x, m, truth)[key] for key in ("background", "truth") if key in method.needs}
    anomaly = cross_fit(method, x, m, WINDOW, **offered)
    background = ~truth.is_signal
    for efficiency in (0.1, 0.02):
        passed, inside = passes_cut(anomaly, efficiency) & background, WINDOW.contains(m) & background
        expected = inside.sum() * (passed & ~inside).sum() / (~inside & background).sum()
        assert abs((passed & inside).sum() - expected) < 4 * np.sqrt(expected)


def test_names_what_is_missing(method):
    x, m, truth = sample(400, 200)
    offered = everything(x, m, truth)
    for keyword in [key for key in ("m", "window", "background", "truth") if key in fit_inputs(method, **offered)]:
        with pytest.raises(InputError, match=f"{keyword}: Got none"):
            fit_inputs(method, **(offered | {keyword: None}))


def test_names_the_sample_that_is_too_small(method):
    x, m, truth = sample(6000, 600)
    few = ~WINDOW.contains(m) | (np.cumsum(WINDOW.contains(m)) < 50)
    with pytest.raises(TooFewEventsError, match=r"window|true (signal|background)"):
        fitted(method, x[few], m[few], truth[few])


def test_weights_that_cancel_are_refused(method):
    x, m, truth = sample()
    with pytest.raises(InputError, match="weights that cancel"):
        fitted(method, x, m, truth, np.where(np.arange(len(m)) % 2 == 0, 1.0, -1.5))
    with pytest.raises(InputError, match="all zero"):
        fitted(method, x, m, truth, np.zeros(len(m)))


def test_a_nan_is_refused(method):
    x, m, truth = sample()
    x[np.flatnonzero(WINDOW.contains(m))[:50]] = np.nan
    with pytest.raises(InputError, match="NaN"):
        fitted(method, x, m, truth)
