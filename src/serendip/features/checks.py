"""Features that no method can use: constant ones, ones that are not finite, the mass under another name."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from serendip.data import Events
from serendip.errors import InputError, unknown_name

# Of n events in random order, 2/n! are in order by chance: below this many the check would mean little.
FEWEST_FOR_ORDER = 10


def check_features(events: Events, names: Sequence[str] | None = None) -> None:
    """Refuse features that break every method.

    A feature that merely depends on the mass passes here: that is for the validity gate, which trains on it.

    Args:
        events: the sample.
        names: the features to be used; all columns if None.

    Raises:
        InputError: a feature does not exist, is not finite, is constant, is named as the mass, or rises or
            falls with the mass without exception.
    """
    for name in events.columns if names is None else names:
        if name == events.mass_name:
            raise InputError(f"features.{name}: Got the mass, but expected features that say nothing about it.")
        if name not in events.columns:
            raise InputError(unknown_name("feature", name, events.columns))
        _check_values(name, events.columns[name])
        if events.m is not None and is_monotone(events.columns[name], events.m):
            raise InputError(
                f"features.{name}: Got a feature that the mass orders completely, but expected one that says "
                "little about it. A method would find the window, not a signal: leave it out."
            )


def is_monotone(x: Float[np.ndarray, " n"], m: Float[np.ndarray, " n"]) -> bool:
    """Whether x never falls, or never rises, as m rises; false for fewer than 10 events."""
    if len(m) < FEWEST_FOR_ORDER:
        return False
    up, down = x[np.lexsort((x, m))], x[np.lexsort((-x, m))]
    return bool((np.diff(up) >= 0).all() or (np.diff(down) <= 0).all())


def _check_values(name: str, x: np.ndarray) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        bad, first = int(np.count_nonzero(~finite)), int(np.argmin(finite))
        raise InputError(
            f"features.{name}: Got {bad} non-finite values (the first, {x[first]}, for event {first}), but "
            "expected finite ones. Drop these events with non_finite: drop, or divide with "
            "ratio_or(a, b, default)."
        )
    if len(x) and x.min() == x.max():
        raise InputError(
            f"features.{name}: Got the value {x[0]:g} for every event, but expected one that varies. Leave it out."
        )
