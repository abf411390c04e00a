"""Where the light of a pattern lies, from places of the tubes that calibration events have taught."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32


@dataclass(frozen=True, eq=False)
class TubePlaces:
    """The place of each tube, as the mean place of the events that it saw best; no drawing of the array is needed.

    Light counts by its square, both here and in `centroid`: the few tubes near the spot then outweigh the hundreds that
    see scattered light, which pulls a plain centroid half-way to the axis.

    Attributes:
        xy: cm. Tubes that never saw light stand at the axis, where they count for nothing.
    """

    xy: Float[np.ndarray, "pmts 2"]

    @classmethod
    def learn(cls, pattern: Float32[np.ndarray, "n pmts"], xy: Float[np.ndarray, "n 2"]) -> "TubePlaces":
        """From patterns and reconstructed places, cm."""
        squares = _squares(pattern)
        return cls((squares.T @ xy) / np.maximum(squares.sum(axis=0), 1e-9)[:, None])

    def centroid(self, pattern: Float32[np.ndarray, "n pmts"]) -> Float[np.ndarray, "n 2"]:
        """The middle of the light, cm; good to a few cm."""
        squares = _squares(pattern)
        return squares @ self.xy / np.maximum(squares.sum(axis=1, keepdims=True), 1e-9)


def _squares(pattern: Float32[np.ndarray, "n pmts"]) -> Float[np.ndarray, "n pmts"]:
    """Of the parts of the light in each tube; negative charges count as 0."""
    light = np.maximum(pattern, 0.0).astype(float)
    return (light / np.maximum(light.sum(axis=1, keepdims=True), 1e-9)) ** 2
