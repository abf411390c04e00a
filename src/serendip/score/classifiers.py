"""Classifiers by name, and the one step that all methods with two samples share: tell them apart.

A network joins by an entry in `CLASSIFIERS`: a class that follows `Classifier` and takes `seed` by keyword.
"""

import inspect
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from serendip.errors import ConfigError, InputError, require_events, unknown_name
from serendip.nets import BinnedFeatures, Trees
from serendip.score.networks import Network

Features = Float[np.ndarray, "n d"] | BinnedFeatures
PerEvent = Float[np.ndarray, " n"]
OtherFeatures = Float[np.ndarray, "_ d"] | BinnedFeatures  # as many as there are
Sample = tuple[OtherFeatures, Float[np.ndarray, " _"] | None]

MIN_EVENTS = 100  # of a sample: with fewer, a classifier remembers its events


class Classifier(Protocol):
    """What a classifier can do."""

    def prepare(self, x: Any) -> Any:
        """What can be computed once for all fits on rows of x; x itself where nothing can."""

    def fit(self, x: Any, y: np.ndarray, sample_weight: np.ndarray | None = None) -> "Classifier":
        """Learn to tell y = 1 from y = 0; weights of either sign."""

    def score(self, x: Any) -> np.ndarray:
        """Higher is more like y = 1; for features as they are and as prepared."""


CLASSIFIERS: dict[str, type] = {"network": Network, "trees": Trees}


def make_classifier(name: str = "trees", seed: int = 0, **settings: Any) -> Any:
    """A classifier that has not been fitted.

    Raises:
        ConfigError: the name or a setting is unknown.
    """
    if name not in CLASSIFIERS:
        raise ConfigError("classifier.name: " + unknown_name("classifier", name, CLASSIFIERS))
    known = set(inspect.signature(CLASSIFIERS[name]).parameters) - {"seed"}
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"classifier.{setting}: " + unknown_name(f"setting of {name}", setting, known))
    return CLASSIFIERS[name](seed=seed, **settings)


def make_settled(method: Any) -> Any:
    """The classifier that a method's `classifier`, `settings` and `seed` describe."""
    return make_classifier(method.classifier, method.seed, **(method.settings or {}))


def fit_two_samples(classifier: Any, one: dict[str, Sample], zero: dict[str, Sample]) -> Any:
    """Fit a classifier to tell two samples apart.

    Args:
        classifier: one that has not been fitted.
        one: features and weights of class 1, under the name that messages shall use.
        zero: the same of class 0; binned like class 1 where that is binned.

    Raises:
        TooFewEventsError: a sample holds fewer than 100 events.
        InputError: the weights of a sample cancel, or are zero.
    """
    require_events(MIN_EVENTS, **{name: x for name, (x, _) in (one | zero).items()})
    weights = [_weights(name, *sample) for name, sample in (one | zero).items()]
    (x_one, _), (x_zero, _) = *one.values(), *zero.values()
    y = np.concatenate([np.ones(len(x_one), dtype=bool), np.zeros(len(x_zero), dtype=bool)])
    return classifier.fit(join(x_one, x_zero), y, np.concatenate(weights))


def join(first: OtherFeatures, second: OtherFeatures) -> OtherFeatures:
    """Two samples as one, binned where the first is."""
    if isinstance(first, BinnedFeatures):
        return BinnedFeatures(np.concatenate([first.codes, first.bin(second).codes]), first.edges)
    if isinstance(second, BinnedFeatures):
        raise InputError("Got the second sample binned and the first not, but expected both alike. Prepare both.")
    return np.concatenate([first, second])


def require_weight(name: str, w: PerEvent) -> None:
    """Refuse weights that give a sample no size.

    Raises:
        InputError: they are zero, or cancel.
    """
    total = float(np.sum(w))
    if not total > 0:
        what = "that cancel" if np.any(w) else "that are all zero"
        raise InputError(f"Got weights {what} in the {name} (sum {total:g}), but expected a sum above 0.")


def _weights(name: str, x: Features, w: PerEvent | None) -> PerEvent:
    w = np.ones(len(x)) if w is None else w
    require_weight(name.replace("_", " "), w)
    return w
