"""The shape of a light pattern in its leading modes: a fixed linear map, learned without labels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from serendip.errors import InputError

MOST = 20_000  # events that the modes are found from


@dataclass(frozen=True, eq=False)
class PatternModes:
    """Principal components of √(part of the light in each PMT), in which photon noise is nearly the same in all PMTs.

    Attributes:
        mean: of the roots.
        axes: orthonormal, the mode of largest variance first.
    """

    mean: Float[np.ndarray, " pmts"]
    axes: Float[np.ndarray, "pmts modes"]

    @classmethod
    def find(cls, pattern: Float32[np.ndarray, "n pmts"], modes: int) -> "PatternModes":
        """The modes of the first 20,000 events.

        Raises:
            InputError: more modes than PMTs.
        """
        if not 1 <= modes <= pattern.shape[1]:
            raise InputError(f"modes: Got {modes}, but expected from 1 to {pattern.shape[1]}, the number of PMTs.")
        shape = light_parts(pattern[:MOST])
        mean = shape.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov(shape - mean, rowvar=False))
        leading = axes[:, ::-1][:, :modes]
        # The sign of an eigenvector is free: fix it, so that the same events give the same map everywhere.
        largest = np.abs(leading).argmax(axis=0)
        return cls(mean, leading * np.sign(leading[largest, np.arange(modes)]))

    def project(self, pattern: Float32[np.ndarray, "n pmts"]) -> Float[np.ndarray, "n modes"]:
        """Coordinates of each event's shape.

        Raises:
            InputError: another number of PMTs than in the fit.
        """
        if pattern.shape[1] != len(self.mean):
            raise InputError(f"Got patterns of {pattern.shape[1]} PMTs, but expected {len(self.mean)} as in the fit.")
        return (light_parts(pattern) - self.mean) @ self.axes


def light_parts(pattern: Float32[np.ndarray, "n pmts"]) -> Float[np.ndarray, "n pmts"]:
    """√ of the part of the light in each PMT; negative charges count as 0."""
    light = np.maximum(pattern, 0.0).astype(float)
    return np.sqrt(light / np.maximum(light.sum(axis=1, keepdims=True), 1e-9))
