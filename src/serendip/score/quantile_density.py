"""Features decorrelated from the mass one by one: each made normal by quantiles that move with the mass.

No network, no training: a few lines fitted to quantiles. It knows nothing of how features depend on each other, so that it
makes poor templates; but as a map to where features do not know the mass it has so little freedom that it interpolates
into a window what a flow gets wrong there.
"""

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from serendip.errors import require_events
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.quantile_map import QuantileMap
from serendip.score.straightening import REACH, MassRange, require_finite
from serendip.seeds import rng_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]


class QuantileDensity(BaseEstimator):
    """p(x | m) as a product over features, each a normal distribution bent by quantiles that move with the mass.

    Args:
        quantiles: of each feature.
        seed: of nothing but `sample`.
    """

    def __init__(self, *, quantiles: int = 9, seed: int = 0) -> None:
        self.quantiles = quantiles
        self.seed = seed

    def fit(self, x: Features, m: PerEvent | None = None, w: PerEvent | None = None) -> "QuantileDensity":
        """Fit the quantiles, and their lines in the mass.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, a constant one, or weights that cancel.
        """
        require_events(MIN_EVENTS, density_sample=x)
        require_finite(x, m)
        w = np.ones(len(x)) if w is None else w
        require_weight("density sample", w)
        self.mass_ = MassRange.fit(m)
        t = None if m is None else self.mass_.standardise(len(x), m)
        self.map_ = QuantileMap.fit(x, t, w, self.quantiles, REACH)
        return self

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """Each feature normal at every mass; the dependence between features stays."""
        return self.map_.forward(x, self.mass_.standardise(len(x), m))[0]

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The inverse of `to_latent`."""
        return self.map_.inverse(z, self.mass_.standardise(len(z), m))

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """ln p(x | m) for independent features."""
        z, log_det = self.map_.forward(x, self.mass_.standardise(len(x), m))
        return log_det - 0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1)

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """Independent normal draws, mapped."""
        number, mass = (m, None) if isinstance(m, int) else (len(m), m)
        z = rng_for(seed, "quantile density").normal(size=(number, self.map_.knots.shape[0]))
        return self.from_latent(z, mass)
