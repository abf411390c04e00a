"""SALAD: reweight simulation to data in the sidebands, then tell data in the window from the reweighted simulation.

Source: Andreassen, Nachman, Shih 2020, arXiv:2001.05001.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.classifiers import fit_two_samples, make_settled
from serendip.score.weak.template import (
    Features,
    Part,
    PerEvent,
    Simulation,
    Template,
    check_simulation,
    fit_to_template,
    take_apart,
    times,
)

LARGEST = 5.0  # of a logarithm of a weight: one simulated event never stands for more than 150


class Salad(BaseEstimator):
    """Scores events by how much more they look like the window than like reweighted simulation.

    In the sidebands a classifier with the mass as one more feature learns the ratio of data over simulation; its odds are
    the weights of simulated events. In the window the logarithm of the ratio is interpolated between the window's two
    edges, where the paper lets a network find its way: trees know nothing between the sidebands but a step.

    Trap: the simulation must have events wherever data do; weights make none.

    Args:
        classifier: a key of `CLASSIFIERS`, for the weights and for the scores.
        settings: of both classifiers.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of both classifiers.
    """

    needs = frozenset({"mass", "window", "simulation"})
    source = "arXiv:2001.05001"
    summary = "a classifier of the window against simulation that was reweighted to data in the sidebands"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: the mass joins the features in one of the fits."""
        return x

    def background_template(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, simulation: Simulation
    ) -> Template:
        """Simulated events of the window with weights; nothing of the window's data is read.

        Returns:
            features, and weights of mean about one.
        """
        _, beside = take_apart(Part(x, m, w), window, self.sidebands)
        simulated = check_simulation(simulation, x.shape[1])
        carried, around = take_apart(simulated, window, self.sidebands, of="simulated_")
        ratio = fit_two_samples(
            make_settled(self),
            {"sidebands": (_with_mass(beside.x, beside.m), beside.w)},
            {"simulated_sidebands": (_with_mass(around.x, around.m), around.w)},
        )
        at_low, at_high = (ratio.score(_with_mass(carried.x, edge)) for edge in (window.low, window.high))
        share = (carried.m - window.low) / window.width
        weight = np.exp(np.clip((1 - share) * at_low + share * at_high, -LARGEST, LARGEST))
        return carried.x, times(weight, carried.w)

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, simulation: Simulation
    ) -> "Salad":
        """Fit the weights in the sidebands, then the classifier to the window.

        Args:
            x: features of the data.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its data never reach the weights.
            w: event weights, of either sign.
            simulation: features, masses and weights (or None) of simulated background, in and beside the window.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events, of data or of simulation.
            InputError: weights cancel, a feature is NaN or infinite, or the simulation has other features.
        """
        inside, _ = take_apart(Part(x, m, w), window, self.sidebands)
        template = self.background_template(x, m, window, w=w, simulation=simulation)
        self.classifier_ = fit_to_template(self, inside, template)
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of data against the reweighted simulation."""
        return self.classifier_.score(x)


def _with_mass(x: Features, m: PerEvent | float) -> Float[np.ndarray, "n _"]:
    return np.column_stack([x, np.broadcast_to(m, len(x))])
