"""The range of the resonant variable in which a signal is sought."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import InputError


@dataclass(frozen=True, order=True)
class Window:
    """A half-open range [low, high) of the resonant variable, in its units."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise InputError(f"Got window [{self.low}, {self.high}], but expected finite edges, low < high.")

    @property
    def centre(self) -> float:
        """The middle of the window."""
        return 0.5 * (self.low + self.high)

    @property
    def width(self) -> float:
        """Upper edge minus lower edge."""
        return self.high - self.low

    def contains(self, m: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which events fall into the window."""
        return (m >= self.low) & (m < self.high)

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"
