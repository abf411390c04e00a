"""An upright cylinder: the part of a detector's volume where events are looked for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import brentq

from serendip.errors import InputError

GRAMS_PER_TONNE = 1e6


@dataclass(frozen=True)
class Cylinder:
    """A cylinder about the z axis.

    Attributes:
        radius: cm.
        top: largest z, cm.
        bottom: smallest z, cm.
    """

    radius: float
    top: float
    bottom: float

    @classmethod
    def holding(cls, mass: float, radius: float, height: float, density: float) -> "Cylinder":
        """The cylinder with this mass and the same margin to wall, surface (z = 0) and cathode (z = −height).

        Args:
            mass: t.
            radius: of the whole liquid, cm.
            height: of the whole liquid, cm.
            density: g/cm³.

        Raises:
            InputError: the mass is not above 0, or the liquid holds less.
        """
        whole = cls(radius, 0.0, -height)
        if not 0 < mass <= whole.mass(density):
            raise InputError(
                f"fiducial mass: Got {mass:g} t, but expected more than 0 and at most the {whole.mass(density):.1f} t "
                "of the liquid."
            )
        most = min(radius, 0.5 * height)
        margin = brentq(lambda gap: whole.shrunk(gap).mass(density) - mass, 0.0, most, xtol=1e-9)
        return whole.shrunk(margin)

    def shrunk(self, margin: float) -> "Cylinder":
        """The cylinder without its outermost cm on all sides."""
        return Cylinder(self.radius - margin, self.top - margin, self.bottom + margin)

    def mass(self, density: float) -> float:
        """In t, with the density in g/cm³."""
        return np.pi * self.radius**2 * (self.top - self.bottom) * density / GRAMS_PER_TONNE

    def contains(
        self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"]
    ) -> Bool[np.ndarray, " n"]:
        """Which points lie inside, its surface included; a coordinate that is not finite does not."""
        return (np.hypot(x, y) <= self.radius) & (z <= self.top) & (z >= self.bottom)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points spread evenly over the volume: x, y, z in cm."""
        r, angle = self.radius * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
        return r * np.cos(angle), r * np.sin(angle), rng.uniform(self.bottom, self.top, n)
