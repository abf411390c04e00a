"""Rarity under a density learned by flow matching, with its exact likelihood.

Source: Lipman et al. 2022, arXiv:2210.02747.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.score.densities import Features, PerEvent
from serendip.score.outlier.flow import learn, rarity


class FlowMatching(BaseEstimator):
    """Scores events by −log p(x) of a continuous flow: smoother than a stack of layers, and slower to score with.

    Trap: the same as for `Flow`; the ranking depends on the coordinates.

    Args:
        density: a key of `DENSITIES`.
        density_settings: of the density.
        seed: of the density.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:2210.02747"
    summary = "rarity under a continuous flow, learned by flow matching from all events"

    def __init__(
        self, *, density: str = "flow_matching", density_settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.density = density
        self.density_settings = density_settings
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "FlowMatching":
        """Learn p(x).

        Args:
            x: features of all events.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: a feature is NaN or infinite, or the weights are zero or cancel.
        """
        self.density_ = learn(self, x, None, w)
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """−log p(x), x in its own units.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        return rarity(self.density_, x, None)
