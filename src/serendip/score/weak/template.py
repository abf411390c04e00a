"""What methods with a background template share: window and sidebands taken apart, the template's masses, the classifier.

A template is a sample of what the background in the window should look like, made without the features of its events.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from serendip.data import Window
from serendip.errors import InputError, require_events
from serendip.nets.bins import require_finite
from serendip.score.classifiers import MIN_EVENTS, fit_two_samples, make_settled, require_weight
from serendip.score.densities import make_settled_density
from serendip.seeds import rng_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]
Template = tuple[Float[np.ndarray, "_ d"], Float[np.ndarray, " _"] | None]
# Of any shape, since `check_simulation` says what is wrong with it.
Simulation = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"], Float[np.ndarray, " _"] | None]


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the events.

    Attributes:
        x: features.
        m: resonant variable.
        w: weights of either sign, None for unit weights.
    """

    x: Features
    m: PerEvent
    w: PerEvent | None = None

    def __len__(self) -> int:
        return len(self.m)

    def __getitem__(self, rows: np.ndarray) -> "Part":
        """The events of a mask or an index array."""
        return Part(self.x[rows], self.m[rows], None if self.w is None else self.w[rows])


def near(m: PerEvent, window: Window, sidebands: float | None) -> Bool[np.ndarray, " n"]:
    """Which events lie in the window or at most `sidebands` beside it; None takes all."""
    if sidebands is None:
        return np.ones(len(m), dtype=bool)
    return (m >= window.low - sidebands) & (m < window.high + sidebands)


def take_apart(part: Part, window: Window, sidebands: float | None = None, *, of: str = "") -> tuple[Part, Part]:
    """The events in the window, and those beside it.

    Args:
        part: all events.
        window: where the signal is sought.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        of: whose they are, as messages shall say it, such as `simulated_`.

    Raises:
        TooFewEventsError: the window or the sidebands hold fewer than 100 events.
        InputError: NaN or infinite features or masses, or weights that are all zero or cancel.
    """
    inside = window.contains(part.m)
    parts = {f"{of}window": part[inside], f"{of}sidebands": part[~inside & near(part.m, window, sidebands)]}
    for name, one in parts.items():
        check_sample(name, one)
    return parts[f"{of}window"], parts[f"{of}sidebands"]


def check_sample(name: str, part: Part) -> None:
    """Refuse what nothing can be learned from.

    Raises:
        TooFewEventsError: fewer than 100 events.
        InputError: NaN or infinite features, or weights that are all zero or cancel.
    """
    require_events(MIN_EVENTS, **{name: part})
    require_finite(part.x)
    if part.w is not None:
        require_weight(name.replace("_", " "), part.w)


def check_simulation(simulation: Simulation, features: int) -> Part:
    """The simulated events, if they have the features of the data.

    Raises:
        InputError: they have more or fewer features than the data, or another number of masses.
    """
    x, m, w = simulation
    if x.shape[1] != features:
        raise InputError(
            f"Got a simulation with {x.shape[1]} features, but expected the {features} of the data. "
            "Compute the same features for both."
        )
    for name, of_event in (("masses", m), ("weights", w)):
        if of_event is not None and len(of_event) != len(x):
            raise InputError(f"Got {len(of_event)} {name} for {len(x)} simulated events, but expected one for each.")
    return Part(x, m, w)


def draw_masses(part: Part, number: int, seed: int) -> tuple[PerEvent, PerEvent | None]:
    """Masses distributed as those of the events, each used as evenly as can be.

    The template takes the masses that the window holds, signal included, rather than ones interpolated from the
    sidebands: then no classifier can tell data from template by the spectrum, however wrong a fit of it would be. The
    masses of a signal do not make its features, so that a bump in them only picks the background below it.

    Returns:
        masses, and weights ±1, or None where no event has a negative weight.
    """
    rng = rng_for(seed, "template masses")
    size = np.ones(len(part)) if part.w is None else np.abs(part.w)
    steps = (np.arange(number) + rng.random()) / number
    rows = np.minimum(np.searchsorted(np.cumsum(size) / size.sum(), steps), len(part) - 1)
    rows = rng.permutation(rows)
    if part.w is None or np.all(part.w >= 0):
        return part.m[rows], None
    return part.m[rows], np.sign(part.w[rows])


def times(one: PerEvent | None, other: PerEvent | None) -> PerEvent | None:
    """The product of weights, None standing for ones."""
    if one is None or other is None:
        return other if one is None else one
    return one * other


def fit_density(method: Any, part: Part, seed: int | None = None) -> Any:
    """The density p(x | m) that a method's `density`, `density_settings` and `seed` describe, fitted."""
    return make_settled_density(method, seed).fit(part.x, part.m, part.w)


def fit_to_template(method: Any, inside: Part, template: Template) -> Any:
    """The method's classifier, fitted to tell the window's events from the template; both count equally."""
    return fit_two_samples(make_settled(method), {"window": (inside.x, inside.w)}, {"background_template": template})
