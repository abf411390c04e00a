"""What every outlier score asks of the events that it learns from."""

import numpy as np

from serendip.errors import InputError, require_events
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.densities import Features, PerEvent
from serendip.seeds import rng_for

NAME = "training_sample"


def require_sample(x: Features, w: PerEvent | None = None) -> PerEvent:
    """Refuse events that nothing can be learned from.

    Returns:
        The weights, ones where none were given.

    Raises:
        TooFewEventsError: fewer than 100 events.
        InputError: a feature is NaN or infinite, or the weights are zero or cancel.
    """
    require_events(MIN_EVENTS, **{NAME: x})
    require_finite(x)
    w = np.ones(len(x)) if w is None else w
    require_weight(NAME.replace("_", " "), w)
    return w


def require_finite(x: Features) -> None:
    """Refuse features that no score can be given for.

    Raises:
        InputError: a feature is NaN or infinite.
    """
    bad = int(np.count_nonzero(~np.isfinite(x).all(axis=1)))
    if bad:
        raise InputError(f"Got {bad} events with NaN or infinite features, but expected finite ones. Select them away.")


def unweighted(x: Features, w: PerEvent | None, name: str, seed: int) -> Features:
    """Events that count once each in place of weighted ones, for methods that know no weights.

    Drawn with replacement in proportion to their weights, as many as there are; as they are where all weigh the same.

    Args:
        x: features.
        w: event weights, none of them negative.
        name: what the message shall call the method.
        seed: of the draw.

    Raises:
        TooFewEventsError: fewer than 100 events.
        InputError: a negative weight, weights of sum 0, or a feature that is not finite.
    """
    w = require_sample(x, w)
    if np.any(w < 0):
        raise InputError(
            f"Got {int(np.sum(w < 0))} negative weights, but {name} takes none, as it only draws events. "
            "Use kde or a flow, which take weights of either sign."
        )
    if np.all(w == w[0]):
        return x
    return x[rng_for(seed, "unweighted").choice(len(x), size=len(x), p=w / w.sum())]
