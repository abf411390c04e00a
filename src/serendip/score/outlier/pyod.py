"""Any detector of PyOD by its name.

Source: Zhao, Nasrullah, Li 2019, arXiv:1901.01588.
"""

import pkgutil
from importlib import import_module
from inspect import isclass, signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from serendip.errors import ConfigError, MissingExtraError, unknown_name
from serendip.score.densities import Features, PerEvent
from serendip.score.outlier.sample import require_finite, unweighted
from serendip.seeds import seed_for


class Pyod(BaseEstimator):
    """Scores events by the decision function of a PyOD detector.

    Trap: many detectors compare each event with all others, and take hours on 100,000 events; ECOD, COPOD, HBOS, LODA, INNE
    and PCA take seconds. Features are passed as they are: scale them for detectors that measure distances.

    Args:
        detector: the name of its class, such as ECOD, in capitals or not.
        detector_settings: passed to its constructor.
        seed: its `random_state`, where it has one; not every detector draws by it.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:1901.01588"
    summary = "a detector of PyOD by name (extra: pyod)"

    def __init__(
        self, *, detector: str = "ECOD", detector_settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.detector = detector
        self.detector_settings = detector_settings
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "Pyod":
        """Fit the detector.

        Args:
            x: features of all events.
            w: event weights, none negative.

        Raises:
            MissingExtraError: PyOD is not installed.
            ConfigError: it has no such detector, or the detector no such setting, or lacks a package.
            TooFewEventsError: fewer than 100 events.
            InputError: a feature is NaN or infinite, a weight is negative, or all are zero.
        """
        detector = _detector(self.detector, self.seed, self.detector_settings or {})
        self.detector_ = detector.fit(unweighted(x, w, f"pyod's {self.detector}", self.seed))
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """The detector's decision function.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        return np.asarray(self.detector_.decision_function(x), dtype=float)


def _detector(name: str, seed: int, settings: dict[str, Any]) -> Any:
    kind = _detector_class(name)
    known = set(signature(kind).parameters)
    for setting in settings:
        if setting not in known:
            raise ConfigError(
                f"method.detector_settings.{setting}: " + unknown_name(f"setting of {name}", setting, known)
            )
    if "random_state" in known:
        settings = {"random_state": seed_for(seed, "pyod") % 2**32} | settings
    return kind(**settings)


def _detector_class(name: str) -> type:
    """The class of that name in PyOD's own modules; a module is imported only if its file name says the same."""
    modules = {module.replace("_", ""): module for module in _modules()}
    wanted = name.lower().replace("_", "")
    if wanted not in modules:
        raise ConfigError("method.detector: " + unknown_name("detector", name, [one.upper() for one in modules]))
    try:
        module = import_module(f"pyod.models.{modules[wanted]}")
    except ImportError as error:
        raise ConfigError(
            f"method.detector: Got {name}, but it needs a package that is not installed ({error}). Install that."
        ) from error
    found = [
        value
        for key, value in vars(module).items()
        if key.lower() == wanted and isclass(value) and hasattr(value, "decision_function")
    ]
    if not found:
        raise ConfigError("method.detector: " + unknown_name("detector", name, [one.upper() for one in modules]))
    return found[0]


def _modules() -> list[str]:
    """PyOD's modules that are named like detectors of tables; those of time series, graphs and their helpers left out."""
    try:
        models = import_module("pyod.models")
    except ImportError:
        raise MissingExtraError("pyod", "pyod") from None
    found = (module.name for module in pkgutil.iter_modules(models.__path__))
    return [one for one in found if not one.startswith(("_", "base", "ts_", "pyg_"))]
