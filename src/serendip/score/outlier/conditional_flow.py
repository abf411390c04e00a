"""Rarity for its mass: −log p(x | m), with a flow or any other density that Serendip has.

Source: Caron, Hendriks, Verheyen 2021, arXiv:2106.10164, for flows as anomaly scores; conditional on the mass as in Nachman
and Shih 2020, arXiv:2001.04990.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.score.densities import Features, PerEvent
from serendip.score.outlier.flow import learn, rarity


class ConditionalFlow(BaseEstimator):
    """Scores events by −log p(x | m), so that no mass is rare in itself.

    For a search on a spectrum where the features depend on the mass: an unconditional density then calls the sparse end of
    the spectrum rare.

    Trap: learned from all events, the window's among them; a narrow signal is part of what is learned. Anode compares with
    the sidebands instead.

    Args:
        density: a key of `DENSITIES`.
        density_settings: of the density.
        seed: of the density.
    """

    needs = frozenset({"mass"})
    scores_with_mass = True
    source = "arXiv:2106.10164"
    summary = "rarity at its mass under a conditional flow that learned all events"

    def __init__(
        self, *, density: str = "spline_maf", density_settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.density = density
        self.density_settings = density_settings
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, m: PerEvent, *, w: PerEvent | None = None) -> "ConditionalFlow":
        """Learn p(x | m).

        Args:
            x: features of all events.
            m: resonant variable.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: a feature or mass is NaN or infinite, or the weights are zero or cancel.
        """
        self.density_ = learn(self, x, m, w)
        return self

    def anomaly_score(self, x: Features, m: PerEvent) -> PerEvent:
        """−log p(x | m), x in its own units.

        Raises:
            InputError: a feature or mass is NaN or infinite.
        """
        return rarity(self.density_, x, m)
