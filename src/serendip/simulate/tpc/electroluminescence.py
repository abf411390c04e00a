"""S2 light of an electron in the gas: how many photons are detected, and when."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.maps import PositionMap, uniform_map

CROSSING = 1.3  # µs that an electron needs through the gas, shining evenly; some 6 mm at 4–5 mm/µs, as in XENON1T
# Excimers of gas at 2 bar: lifetimes in µs, and their parts; NEST's S2 model (arXiv:2211.10726).
EXCIMERS = ((0.0059, 0.1), (0.1155, 0.9))


@dataclass(frozen=True, eq=False)
class Electroluminescence:
    """Light of an extracted electron.

    Attributes:
        gain: photons detected an electron, both arrays; each electron's mean spreads by `spread`, in parts of it.
        spread: from the path in the gas and the field near wires.
        top_fraction: part of the light that the top array sees.
        relative: the gain by place, over its mean.
        crossing: time in the gas, µs.
    """

    gain: float
    spread: float
    top_fraction: float
    relative: PositionMap
    crossing: float = CROSSING

    @classmethod
    def of(cls, detector: Detector, relative: PositionMap | None = None) -> "Electroluminescence":
        """The detector's gain; the same everywhere unless a map is given."""
        relative = uniform_map(detector) if relative is None else relative
        return cls(detector.single_electron_gain, detector.single_electron_spread, detector.top_fraction, relative)

    def emission(self, sample: float) -> Float[np.ndarray, " samples"]:
        """Part of the light in each sample of so many ns after the electron enters the gas; sums to 1."""
        edges = np.arange(0.0, self.crossing + 8 * EXCIMERS[-1][0] + 1e-3 * sample, 1e-3 * sample)
        cumulative = sum(part * self._emitted(edges, lifetime) for lifetime, part in EXCIMERS)
        parts = np.diff(cumulative)
        return parts / parts.sum()

    def _emitted(self, time: np.ndarray, lifetime: float) -> np.ndarray:
        """Distribution of a uniform time in the gas plus an exponential one."""
        inside = np.minimum(time, self.crossing)
        still = inside * exprel(inside / lifetime) * np.exp(-np.maximum(time, 0) / lifetime)  # ∫ e^{−(t − s)/τ} ds
        return (inside - still) / self.crossing
