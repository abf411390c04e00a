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
from serendip.score import METHODS, fit_inputs, score_events
from serendip.select.cross_fit import cross_fit
from serendip.select.cuts import passes_cut

WINDOW = Window(3.0, 4.0)
FAST = {"members": 4, "iterations": 15}
NETWORK = {"hidden": (16, 16), "epochs": 4, "batch": 256}
OWN = {
    "autoencoder": NETWORK,
    "vae": NETWORK,
    "normalised_autoencoder": NETWORK | {"epochs": 2, "pretraining": 3},
    "tag_n_train": {"groups": ((0, 2), (1,))},
}
DRAWS_ONLY = {"isolation_forest", "pyod"}  # take no negative weights
DETERMINED = {
    "pyod",
    "anode",
    "flow",
    "conditional_flow",
    "flow_matching",
}  # draw nothing, the last on a normal density
STEADY_WITHIN = {"autoencoder": 0.2, "vae": 0.05, "normalised_autoencoder": 0.05, "tag_n_train": 0.05}
# of an AUC, two trainings; which direction of a round sample a bottleneck drops is chance
LEAST_AUC = {"anode": 0.8, "tag_n_train": 0.8}  # ratios of densities are noisy; a tagger of one feature sees half
LEAST_OF_RARITY = 0.7  # of a signal at 2 σ in two of three features, a third of the events that were learned from
RARITY = {name for name, method in METHODS.items() if not method.needs} | {"conditional_flow"}


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
    """All that any method may ask for; the simulation is a little wrong."""
    rng = np.random.default_rng(seed)
    simulated = rng.normal(size=(5000, x.shape[1])) * [1.1, 1, 1]
    return {
        "m": m,
        "window": WINDOW,
        "w": w,
        "truth": truth,
        "background": (rng.normal(size=(3000, x.shape[1])), None),
        "simulation": (simulated, 1.5 + rng.exponential(2.0, 5000), None),
    }


def fitted(method, x, m, truth, w=None, **offered):
    return method.fit(x, **fit_inputs(method, **(everything(x, m, truth, w) | offered)))


def make(name):
    """The method with the smallest of everything."""
    known = inspect.signature(METHODS[name]).parameters
    parts = {"settings": FAST, "density": "gaussian"}
    if name == "pyod":
        pytest.importorskip("pyod")
    return METHODS[name](**{key: value for key, value in parts.items() if key in known}, **OWN.get(name, {}))


@pytest.fixture(params=sorted(METHODS))
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return make(name)


@pytest.fixture(scope="module")
def fits():
    """A fit of each method to the one sample, made once."""
    found = {}

    def fit_of(name):
        if name not in found:
            found[name] = fitted(make(name), *sample())
        return found[name]

    return fit_of


def test_says_what_it_is(method):
    assert method.needs <= {"mass", "window", "background", "simulation", "truth"}
    assert "arXiv:" in method.source or "doi:" in method.source
    assert method.summary
    assert method.source.split(",")[0] in inspect.getmodule(type(method)).__doc__


def test_higher_is_more_anomalous(name, fits):
    x, m, truth = sample(seed=7)
    inside = WINDOW.contains(m)
    auc = roc_auc_score(truth.is_signal[inside], score_events(fits(name), x, m)[inside])
    assert auc > LEAST_AUC.get(name, LEAST_OF_RARITY if name in RARITY else 0.85)


def test_same_seed_same_scores(name, method, fits):
    x, m, truth = sample()
    first = score_events(fits(name), x, m)
    assert first.dtype == float
    assert np.array_equal(first, score_events(fitted(clone(method), x, m, truth), x, m))
    if name not in DETERMINED:
        other = fitted(clone(method).set_params(seed=8), x, m, truth)
        assert not np.array_equal(first, score_events(other, x, m))


def test_pickles_after_the_fit(name, fits):
    x, m, _ = sample()
    before = score_events(fits(name), x, m)
    assert np.array_equal(score_events(pickle.loads(pickle.dumps(fits(name))), x, m), before)


def test_fit_leaves_its_settings_alone(name, fits):
    assert fits(name).get_params() == make(name).get_params()


def test_prepared_features_give_the_same_scores(method):
    x, m, truth = sample()
    if "settings" in method.get_params():
        method.set_params(settings=FAST | {"bins": 40})
    prepared = method.prepare(x)
    fitted(method, prepared, m, truth)
    if isinstance(prepared, BinnedFeatures):
        assert np.allclose(score_events(method, prepared, m), score_events(method, x, m))
    else:
        assert np.array_equal(prepared, x)


def test_pairs_of_opposite_weight_nearly_cancel(name, method, fits):
    x, m, truth = sample()
    extra, extra_m, extra_truth = sample(1000, 200, seed=3)
    w = np.concatenate([np.ones(len(m)), np.ones(len(extra)), -np.ones(len(extra))])
    both = Truth(np.concatenate([truth.is_signal, extra_truth.is_signal, extra_truth.is_signal]))
    doubled = np.concatenate([x, extra, extra]), np.concatenate([m, extra_m, extra_m]), both, w
    if name in DRAWS_ONLY:
        with pytest.raises(InputError, match="negative weights"):
            fitted(method, *doubled)
        return
    paired = fitted(method, *doubled)
    test_x, test_m, test_truth = sample(seed=9)
    aucs = [roc_auc_score(test_truth.is_signal, score_events(fit, test_x, test_m)) for fit in (fits(name), paired)]
    assert aucs[0] == pytest.approx(aucs[1], abs=STEADY_WITHIN.get(name, 0.03))
    assert np.isfinite(score_events(paired, x, m)).all()


def test_order_of_events_matters_little(name, method, fits):
    # Members draw their halves by row, so that only the mean over members is the same.
    x, m, truth = sample()
    order = np.random.default_rng(0).permutation(len(m))
    second = fitted(method, x[order], m[order], truth[order])
    assert np.corrcoef(score_events(fits(name), x, m), score_events(second, x, m))[0, 1] > 0.8


def test_truth_is_not_read_unless_needed(name, method, fits):
    if "truth" in method.needs:
        assert "truth" in method.summary
        return
    x, m, truth = sample()
    assert "truth" not in inspect.signature(method.fit).parameters
    assert "truth" not in fit_inputs(method, **everything(x, m, truth))
    other = fitted(method, x, m, Truth(~truth.is_signal))
    assert np.array_equal(score_events(fits(name), x, m), score_events(other, x, m))


def test_does_not_sculpt_features_that_know_no_mass(method):
    x, m, truth = sample(12_000, 0 if "truth" not in method.needs else 600)
    given = everything(x, m, truth)
    offered = {key: given[key] for key in ("background", "simulation", "truth") if key in method.needs}
    anomaly = cross_fit(method, x, m, WINDOW, folds=3, **offered)
    background = ~truth.is_signal
    for efficiency in (0.1, 0.02):
        passed, inside = passes_cut(anomaly, efficiency) & background, WINDOW.contains(m) & background
        expected = inside.sum() * (passed & ~inside).sum() / (~inside & background).sum()
        assert abs((passed & inside).sum() - expected) < 4 * np.sqrt(expected)


def test_names_what_is_missing(method):
    x, m, truth = sample(400, 200)
    offered = everything(x, m, truth)
    needed = fit_inputs(method, **offered)
    for keyword in [key for key in ("m", "window", "background", "simulation", "truth") if key in needed]:
        with pytest.raises(InputError, match=f"{keyword}: Got none"):
            fit_inputs(method, **(offered | {keyword: None}))


def test_names_the_sample_that_is_too_small(name, method):
    x, m, truth = sample(6000, 600)
    few = ~WINDOW.contains(m) | (np.cumsum(WINDOW.contains(m)) < 50)
    if name in RARITY:  # these know no window
        few = np.arange(len(m)) < 50
    with pytest.raises(TooFewEventsError, match=r"window|true (signal|background)|sample"):
        fitted(method, x[few], m[few], truth[few])


def test_weights_that_cancel_are_refused(method):
    x, m, truth = sample()
    with pytest.raises(InputError, match=r"weights .*(cancel|negative)|negative weights"):
        fitted(method, x, m, truth, np.where(np.arange(len(m)) % 2 == 0, 1.0, -1.5))
    with pytest.raises(InputError, match="all zero"):
        fitted(method, x, m, truth, np.zeros(len(m)))


def test_a_nan_is_refused(method):
    x, m, truth = sample()
    x[np.flatnonzero(WINDOW.contains(m))[:50]] = np.nan
    with pytest.raises(InputError, match="NaN"):
        fitted(method, x, m, truth)


def test_a_template_looks_like_background(name, method):
    if not hasattr(method, "background_template"):
        return
    x, m, _ = sample(8000, 0)
    simulation = {"simulation": everything(x, m, None)["simulation"]} if "simulation" in method.needs else {}
    template, w = method.background_template(x, m, WINDOW, **simulation)
    w = np.ones(len(template)) if w is None else w
    mean = w @ template / w.sum()
    assert np.abs(mean).max() < 0.12
    assert w @ (template - mean) ** 2 / w.sum() == pytest.approx(np.ones(3), abs=0.12)


def test_a_template_does_not_read_the_features_in_the_window(method):
    if not hasattr(method, "background_template"):
        return
    x, m, _ = sample(8000, 0)
    simulation = {"simulation": everything(x, m, None)["simulation"]} if "simulation" in method.needs else {}
    other = np.where(WINDOW.contains(m)[:, None], x + 5, x)
    first, w = method.background_template(x, m, WINDOW, **simulation)
    second, w_other = method.background_template(other, m, WINDOW, **simulation)
    assert np.array_equal(first, second)
    assert (w is None and w_other is None) or np.array_equal(w, w_other)
