import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone

from serendip.errors import ConfigError, InputError, MissingExtraError
from serendip.score.outlier import Pyod

X = np.random.default_rng(0).normal(size=(600, 3))
HELD_OUT = np.random.default_rng(1).normal(size=(200, 3))


def test_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod.models", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"serendip\[pyod\]\""):
        Pyod().fit(X)


class TestInstalled:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("pyod")

    @pytest.mark.parametrize(("detector", "settings"), [("ECOD", {}), ("hbos", {"n_bins": 12}), ("IForest", {})])
    def test_is_the_detector_of_that_name(self, detector, settings):
        method = Pyod(detector=detector, detector_settings=settings).fit(X)
        assert type(method.detector_).__name__.lower() == detector.lower()
        assert all(getattr(method.detector_, key) == value for key, value in settings.items())
        score = method.anomaly_score(HELD_OUT)
        assert score.dtype == float
        assert np.array_equal(score, method.detector_.decision_function(HELD_OUT))
        assert np.corrcoef(score, np.sum(HELD_OUT**2, axis=1))[0, 1] > 0.7

    def test_the_seed_reaches_a_detector_that_draws(self):
        method = Pyod(detector="IForest")
        scores = [clone(method).set_params(seed=seed).fit(X).anomaly_score(HELD_OUT) for seed in (1, 1, 2)]
        assert np.array_equal(scores[0], scores[1])
        assert not np.array_equal(scores[0], scores[2])

    def test_pickles_after_the_fit(self):
        method = Pyod().fit(X)
        copy = pickle.loads(pickle.dumps(method))
        assert np.array_equal(copy.anomaly_score(HELD_OUT), method.anomaly_score(HELD_OUT))

    @pytest.mark.parametrize("name", ["ECODD", "os", "../ecod", "__init__", "base", "PYG_DOMINANT"])
    def test_an_unknown_detector_is_named(self, name):
        with pytest.raises(ConfigError, match=r"method.detector: Got detector .* but expected one of: .*ECOD"):
            Pyod(detector=name).fit(X)

    def test_the_nearest_name_is_offered(self):
        with pytest.raises(ConfigError, match="Did you mean 'ECOD'"):
            Pyod(detector="ECODD").fit(X)

    def test_an_unknown_setting_is_named(self):
        with pytest.raises(ConfigError, match=r"detector_settings.bins: .*n_bins"):
            Pyod(detector="HBOS", detector_settings={"bins": 3}).fit(X)

    def test_a_detector_without_its_package_says_which(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyod.models.hbos", None)
        with pytest.raises(ConfigError, match="needs a package that is not installed"):
            Pyod(detector="HBOS").fit(X)

    def test_negative_weights_are_refused(self):
        with pytest.raises(InputError, match="pyod's ECOD takes none"):
            Pyod().fit(X, w=np.where(np.arange(600) < 5, -1.0, 1.0))
