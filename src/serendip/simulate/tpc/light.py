"""Light collection: the part of an S1's photons that photomultipliers detect, by place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.maps import PositionMap, read_map, tabulate_map

# From top to bottom, and from wall to axis, in parts of the mean. Total reflection at the surface sends most light
# down; the shape is that of XENON1T's Kr-83m map (arXiv:1906.04717, fig. 4), made milder by the whiter, larger vessel.
RISE_WITH_DEPTH, RISE_TO_AXIS = 0.40, 0.10


@dataclass(frozen=True, eq=False)
class LightCollection:
    """Chance that a photon is detected: `g1` times a map whose mean over the liquid is 1."""

    g1: float
    relative: PositionMap

    @classmethod
    def of(cls, detector: Detector) -> "LightCollection":
        """Linear in depth and in the squared radius."""

        def relative(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            depth, ring = -z / detector.height, (x**2 + y**2) / detector.radius**2
            return 1 + RISE_WITH_DEPTH * (depth - 0.5) - RISE_TO_AXIS * (ring - 0.5)

        return cls(detector.g1, tabulate_map(relative, detector))

    @classmethod
    def from_file(cls, path: str | Path, detector: Detector, name: str | None = None) -> "LightCollection":
        """With the user's map; see `read_map` for its format and errors."""
        return cls(detector.g1, read_map(path, detector, name))
