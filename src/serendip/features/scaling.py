"""Scaling that can be undone, with the log-determinant that densities need."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError


@dataclass(frozen=True)
class Standardise:
    """Each feature to mean 0 and standard deviation 1: z = (x − mean) / scale.

    Attributes:
        mean: weighted mean of each feature, in its unit.
        scale: weighted standard deviation of each feature, in its unit.
    """

    mean: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, x: Float[np.ndarray, "n d"], w: Float[np.ndarray, " n"] | None = None) -> "Standardise":
        """Mean and standard deviation under weights of either sign: a pair of +w and −w changes nothing.

        Raises:
            InputError: the weights sum to 0 or less, or a feature has no positive variance under them.
        """
        w = np.ones(len(x)) if w is None else w
        total = float(np.sum(w))
        if not total > 0:
            raise InputError(f"Got weights that sum to {total:g}, but expected a positive sum to scale by.")
        share = (w / total)[:, None]
        mean = np.sum(share * x, axis=0)
        variance = np.sum(share * (x - mean) ** 2, axis=0)
        # Rounding of the mean leaves (ε x)² where a feature is constant.
        flat = ~(variance > (1e-12 * np.abs(mean)) ** 2)
        if flat.any():
            raise InputError(
                f"Got no positive variance in column {int(np.argmax(flat))}, but expected features that "
                "vary. Leave a constant one out; where negative weights outweigh, scale by another sample."
            )
        return cls(mean, np.sqrt(variance))

    def transform(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """From the features' units to standard ones."""
        return (x - self.mean) / self.scale

    def inverse(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """From standard units back to the features'."""
        return z * self.scale + self.mean

    def log_det(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """ln |dz/dx| of each event: log p(x) = log p(z) + log_det(x)."""
        return np.full(len(x), -np.sum(np.log(self.scale)))
