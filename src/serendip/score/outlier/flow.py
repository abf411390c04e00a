"""Rarity under a learned density, −log p(x), with a flow or any other density that Serendip has.

Source: Caron, Hendriks, Verheyen 2021, arXiv:2106.10164.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.score.densities import Features, PerEvent, make_settled_density
from serendip.score.outlier.sample import require_finite, require_sample


class Flow(BaseEstimator):
    """Scores events by −log p(x).

    Trap: a density depends on the coordinates. Another, equally good choice of features ranks events otherwise, and in none
    need the rare events be the interesting ones; see `coordinate_dependence`.

    Args:
        density: a key of `DENSITIES`.
        density_settings: of the density.
        seed: of the density.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:2106.10164"
    summary = "rarity under a flow that learned all events"

    def __init__(
        self, *, density: str = "spline_maf", density_settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.density = density
        self.density_settings = density_settings
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "Flow":
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


def learn(method: Any, x: Features, m: PerEvent | None, w: PerEvent | None) -> Any:
    """The density that a method's `density`, `density_settings` and `seed` describe, fitted.

    Raises:
        TooFewEventsError: fewer than 100 events.
        InputError: a feature is NaN or infinite, or the weights are zero or cancel.
    """
    w = require_sample(x, w)
    return make_settled_density(method).fit(x, m, w)


def rarity(density: Any, x: Features, m: PerEvent | None) -> PerEvent:
    """−log p of each event.

    Raises:
        InputError: a feature or mass is NaN or infinite.
    """
    require_finite(x)
    if m is not None:
        require_finite(m[:, None])
    return -density.log_prob(x, m)
