"""SA-CWoLa: CWoLa that is told, by simulation, what not to learn.

Source: Benkendorfer, Le Pottier, Nachman 2020, arXiv:2009.02205.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.errors import InputError
from serendip.score.classifiers import fit_two_samples, make_settled
from serendip.score.weak.template import Features, Part, PerEvent, Simulation, check_simulation, take_apart


class SaCwola(BaseEstimator):
    """Scores events by what tells the window from its sidebands in data, but not in simulation.

    Simulated events take part in the training with the opposite label: what they have in common with data, such as
    features that depend on the mass, then speaks for neither side. With `penalty` 1 and a perfect simulation, nothing
    of it is left; with 0 this is CWoLa. Opposite labels keep the loss bounded, where subtracting the loss of simulation
    would not.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        penalty: what simulation weighs as compared with data (λ in the paper).
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the classifier.
    """

    needs = frozenset({"mass", "window", "simulation"})
    source = "arXiv:2009.02205"
    summary = "CWoLa, with simulation of the opposite label against what depends on the mass"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        penalty: float = 1.0,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.penalty = penalty
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: data and simulation are binned together in the fit."""
        return x

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, simulation: Simulation
    ) -> "SaCwola":
        """Fit the classifier; window and sidebands count equally, in data and in simulation.

        Args:
            x: features of the data.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought.
            w: event weights, of either sign.
            simulation: features, masses and weights (or None) of simulated background, in and beside the window.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events, of data or of simulation.
            InputError: weights cancel, a feature is NaN or infinite, the simulation has other features, or the penalty
                is negative.
        """
        if not self.penalty >= 0:
            raise InputError(f"penalty: Got {self.penalty:g}, but expected 0 or more.")
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        simulated = check_simulation(simulation, x.shape[1])
        sim_inside, sim_beside = take_apart(simulated, window, self.sidebands, of="simulated_")
        self.classifier_ = fit_two_samples(
            make_settled(self),
            {"window": self._mixed(inside, sim_beside)},
            {"sidebands": self._mixed(beside, sim_inside)},
        )
        return self

    def _mixed(self, data: Part, simulated: Part) -> tuple[Features, PerEvent]:
        weights = np.concatenate([_shares(data), self.penalty * _shares(simulated)])
        return np.concatenate([data.x, simulated.x]), weights * len(data)

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of window against sidebands."""
        return self.classifier_.score(x)


def _shares(part: Part) -> PerEvent:
    """Weights that sum to one."""
    w = np.ones(len(part)) if part.w is None else part.w
    return w / w.sum()
