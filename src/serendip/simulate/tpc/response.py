"""Light response of the top array: which part of an S2's light each photomultiplier sees."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError
from serendip.simulate.tpc.detector import Detector

EXPONENT = 1.5  # of a distant disc's solid angle, h / (h² + ρ²)^{3/2}; radial, as LUX's responses (arXiv:1710.02752)
REFLECTED = 0.15  # part of the top array's light that walls, electrodes and liquid scatter all over it
INCH = 2.54


@dataclass(frozen=True, eq=False)
class LightResponse:
    """S2 light over the top array: (1 + ρ²/h²)^−a from the place above which electrons emerge, and an even floor.

    The response of all photomultipliers together is 1 everywhere: the wall sends back what passes beside them.

    Attributes:
        positions: of the photomultipliers, cm.
        distance: h, from the light to the photocathodes, cm.
        exponent: a.
        reflected: part of the light in the floor.
    """

    positions: Float[np.ndarray, "pmts 2"]
    distance: float
    exponent: float = EXPONENT
    reflected: float = REFLECTED

    @classmethod
    def of(cls, detector: Detector) -> "LightResponse":
        """With the hexagonal array."""
        return cls(pmt_positions(detector), detector.pmt_distance)

    def __call__(self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n pmts"]:
        """The part of the top array's light in each photomultiplier, for light from (x, y) in cm."""
        away = (x[:, None] - self.positions[:, 0]) ** 2 + (y[:, None] - self.positions[:, 1]) ** 2
        direct = (1 + away / self.distance**2) ** -self.exponent
        direct /= direct.sum(axis=1, keepdims=True)
        return (1 - self.reflected) * direct + self.reflected / len(self.positions)


def pmt_positions(detector: Detector) -> Float[np.ndarray, "pmts 2"]:
    """A hexagonal lattice of exactly `pmts` places around the axis, in cm, spread until the outermost touches the wall.

    Tubes that would overlap then stand side by side, as long as all their centres lie within the radius. Of places at
    the same distance those of smaller angle are taken first. 955 tubes of 3 inch stand 7.8 cm apart.

    Raises:
        InputError: so many tubes do not fit side by side.
    """
    rings = int(np.ceil(np.sqrt(detector.pmts))) + 2
    i, j = (a.ravel() for a in np.mgrid[-rings : rings + 1, -rings : rings + 1])
    lattice = np.column_stack([i + 0.5 * j, np.sqrt(0.75) * j])
    distance, angle = np.round(np.hypot(*lattice.T), 9), np.arctan2(lattice[:, 1], lattice[:, 0])
    nearest = np.lexsort((angle, distance))[: detector.pmts]
    radius, reach = INCH * detector.pmt_diameter / 2, float(distance[nearest[-1]])
    pitch = max((detector.radius - radius) / max(reach, 1.0), 2 * radius)
    if pitch * reach > detector.radius:
        raise InputError(
            f"detector.pmts: Got {detector.pmts} tubes of {detector.pmt_diameter:g} inch for a radius of "
            f"{detector.radius:g} cm, but expected as many as fit side by side. Give fewer, or smaller ones."
        )
    return pitch * lattice[nearest]
