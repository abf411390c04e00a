"""The methods by name, and what each is fitted with."""

from typing import Any

import numpy as np

from serendip.errors import InputError
from serendip.score import outlier, weak
from serendip.score.supervised import Supervised

# Classes that share `needs`, `source`, `summary`, `fit`, `anomaly_score` by manners, not by a base class.
METHODS: dict[str, Any] = {
    # two samples of different purity
    "cwola": weak.Cwola,
    "cwola_decorrelated": weak.DecorrelatedCwola,
    "sa_cwola": weak.SaCwola,
    "tag_n_train": weak.TagNTrain,
    # data against a predicted background
    "anode": weak.Anode,
    "cathode": weak.Cathode,
    "lacathode": weak.LaCathode,
    "curtains": weak.Curtains,
    "feta": weak.Feta,
    "salad": weak.Salad,
    # what is rare
    "autoencoder": outlier.Autoencoder,
    "vae": outlier.Vae,
    "normalised_autoencoder": outlier.NormalisedAutoencoder,
    "flow": outlier.Flow,
    "conditional_flow": outlier.ConditionalFlow,
    "flow_matching": outlier.FlowMatching,
    "kde": outlier.Kde,
    "isolation_forest": outlier.IsolationForest,
    "pyod": outlier.Pyod,
    # ceilings
    "idealised": weak.Idealised,
    "supervised": Supervised,
}

KEYWORDS = {
    "mass": "m",
    "window": "window",
    "background": "background",
    "simulation": "simulation",
    "truth": "truth",
}


def fit_inputs(method: Any, **offered: Any) -> dict[str, Any]:
    """Of everything at hand, what this method's `fit` takes beside x: what it needs, and the weights.

    Truth and background are left out where a method does not ask for them, so that it cannot read them.

    Args:
        method: an instance or a class with `needs`.
        **offered: any of m, window, w, background, simulation, truth; None stands for what is not at hand.

    Raises:
        InputError: the method needs something that is not at hand.
    """
    inputs = {"w": offered.get("w")}
    for need in sorted(method.needs):
        keyword = KEYWORDS[need]
        if offered.get(keyword) is None:
            name = method.__name__ if isinstance(method, type) else type(method).__name__
            raise InputError(f"{keyword}: Got none, but {name} needs {need}. Pass it, or choose another method.")
        inputs[keyword] = offered[keyword]
    return inputs


def score_events(method: Any, x: Any, m: np.ndarray | None) -> np.ndarray:
    """The scores of a fitted method, shape (n,); the mass is passed where the method scores with it, and may else be None.

    Raises:
        InputError: the method scores with the mass, and there is none.
    """
    if not getattr(method, "scores_with_mass", False):
        return method.anomaly_score(x)
    if m is None:
        raise InputError(f"m: Got none, but {type(method).__name__} scores with the mass. Pass it.")
    return method.anomaly_score(x, m)
