"""The built-in simulators behind one door: events as a config asks for them, and background alone for toys."""

from functools import singledispatch
from typing import Any

import numpy as np

from serendip.config.simulated import Dijet, DriftTubes, Exponential, PeakSignal
from serendip.data import Events, Truth
from serendip.simulate.dijet import simulate_dijet
from serendip.simulate.drift_tubes import simulate_drift_tubes
from serendip.simulate.exponential import LEARNING_SIGNALS, Peak, Signal, simulate_exponential


@singledispatch
def simulated(settings: Any) -> tuple[Events, Truth | None]:
    """Events of a simulator, and their truth where it tells."""
    raise TypeError(type(settings))


@simulated.register
def _(settings: Dijet) -> tuple[Events, Truth | None]:
    return simulate_dijet(
        settings.background,
        settings.signal,
        signal_mass=settings.signal_mass,
        signal_width=settings.signal_width,
        mass_correlation=settings.mass_correlation,
        seed=settings.seed,
    )


@simulated.register
def _(settings: Exponential) -> tuple[Events, Truth | None]:
    return simulate_exponential(
        settings.background,
        [_signal(one) for one in settings.signals],
        rate=settings.rate,
        counts=settings.counts,
        seed=settings.seed,
    )


@simulated.register
def _(settings: DriftTubes) -> tuple[Events, Truth | None]:
    events = simulate_drift_tubes(
        settings.events, cathode=settings.cathode, threshold=settings.threshold, seed=settings.seed
    )
    return events, None


def background_alone(settings: Any, events: int, seed: int) -> Events:
    """This many background events of the simulator that the settings describe."""
    changes: dict[type, dict[str, Any]] = {
        Dijet: {"background": max(events, 1), "signal": 0},
        DriftTubes: {"events": max(events, 1)},
        Exponential: {"background": max(events, 1), "signals": [], "counts": "fixed"},
    }
    # model_copy checks nothing: a toy may have fewer events than a config may ask for.
    drawn, _ = simulated(settings.model_copy(update={"seed": seed, **changes[type(settings)]}))
    return drawn if events else drawn[np.zeros(len(drawn), dtype=bool)]


def _signal(given: str | PeakSignal) -> Signal:
    return LEARNING_SIGNALS[given] if isinstance(given, str) else Peak(given.events, given.mean, given.width)
