"""Energy spectra of recoils: a rate on a grid, its integral, and draws from it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A differential rate, straight between the points of its grid and nothing outside.

    Attributes:
        energy: rising, keV.
        rate: /(t y keV).

    Raises:
        InputError: the energies do not rise, or a rate is negative or not finite.
    """

    energy: Float[np.ndarray, " k"]
    rate: Float[np.ndarray, " k"]

    def __post_init__(self) -> None:
        if len(self.energy) < 2 or len(self.energy) != len(self.rate) or not (np.diff(self.energy) > 0).all():
            raise InputError("Got energies that do not rise, but expected at least two that do, each with a rate.")
        if not np.isfinite(self.rate).all() or (self.rate < 0).any():
            raise InputError("Got a spectrum with a rate below 0 or not finite, but expected rates of 0 or more.")

    def at(self, energy: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """The rate at other energies, /(t y keV)."""
        return np.interp(energy, self.energy, self.rate, left=0.0, right=0.0)

    def within(self, low: float, high: float) -> "Spectrum":
        """The part between two energies.

        Raises:
            InputError: nothing of the grid lies between them.
        """
        first, last = float(self.energy[0]), float(self.energy[-1])
        if not max(low, first) < min(high, last):
            raise InputError(
                f"energy: Got {low:g} to {high:g} keV, but expected a rising range that overlaps the spectrum's, "
                f"{first:g}–{last:g} keV."
            )
        low, high = max(low, first), min(high, last)
        inner = self.energy[(self.energy > low) & (self.energy < high)]
        energy = np.concatenate([[low], inner, [high]])
        return Spectrum(energy, self.at(energy))

    def scaled(self, factor: float) -> "Spectrum":
        """The same shape with its rate multiplied."""
        return Spectrum(self.energy, factor * self.rate)

    def total(self, low: float = 0.0, high: float = np.inf) -> float:
        """Events /(t y) between two energies in keV; 0 where the spectrum has ended."""
        if high <= self.energy[0] or low >= self.energy[-1]:
            return 0.0
        return float(self.within(low, high)._cumulative()[-1])

    def draw(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, " n"]:
        """Energies in keV, drawn exactly from the straight pieces.

        Raises:
            InputError: the rate is 0 everywhere.
        """
        cumulative = self._cumulative()
        if not cumulative[-1] > 0:
            raise InputError("Got a spectrum without any rate, but expected one to draw energies from.")
        u = rng.random(n) * cumulative[-1]
        piece = np.clip(np.searchsorted(cumulative, u, side="right") - 1, 0, len(self.energy) - 2)
        return self.energy[piece] + self._into(piece, u - cumulative[piece])

    def _cumulative(self) -> np.ndarray:
        steps = 0.5 * (self.rate[1:] + self.rate[:-1]) * np.diff(self.energy)
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _into(self, piece: np.ndarray, area: np.ndarray) -> np.ndarray:
        """How far into its piece an area ends: the root of r t + s t²/2 = area, in a form without cancellation."""
        width = self.energy[piece + 1] - self.energy[piece]
        start, slope = self.rate[piece], (self.rate[piece + 1] - self.rate[piece]) / width
        root = np.sqrt(np.maximum(start**2 + 2 * slope * area, 0.0))
        return np.clip(2 * area / np.maximum(start + root, 1e-300), 0.0, width)


def flat_spectrum(low: float, high: float, rate: float = 1.0) -> Spectrum:
    """The same rate /(t y keV) from one energy in keV to another.

    Raises:
        InputError: the second is not above the first.
    """
    if not low < high:
        raise InputError(f"energy: Got {low:g} to {high:g} keV, but expected the lower energy first.")
    return Spectrum(np.array([low, high], float), np.full(2, float(rate)))
