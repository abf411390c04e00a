"""Drift of electrons to the surface: velocity, lifetime, diffusion."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from serendip.errors import InputError
from serendip.simulate.tpc.detector import Detector

# Field in V/cm and velocity in mm/µs as detectors near 177 K measured it: XENONnT (arXiv:2402.10446), XENON1T
# (arXiv:1906.04717 at 82, arXiv:1705.06655 at 120 V/cm), LUX (arXiv:1608.05381), EXO-200 (arXiv:1609.04467),
# XENON100 (arXiv:1107.2155). Monotone cubics in the logarithm of the field between.
VELOCITY = {23.0: 0.675, 82.0: 1.335, 120.0: 1.44, 180.0: 1.51, 380.0: 1.705, 530.0: 1.73}
# cm²/s, ± 4.6, measured at 500 V/cm (Njoya et al., arXiv:1911.11580) and taken for every field: other measurements and
# NEST's fit to them lie from 12 to 30 (docs/xenon_detector.md).
LONGITUDINAL = 25.7
TRANSVERSE = 55.0  # cm²/s, ± 4 from 20 to 615 V/cm: EXO-200, arXiv:1609.04467


@dataclass(frozen=True)
class Drift:
    """From the site to the liquid's surface.

    Attributes:
        velocity: cm/µs.
        longitudinal: diffusion along the field, cm²/µs; `transverse` across it.
        lifetime: of a drifting electron, µs.
    """

    velocity: float
    longitudinal: float
    transverse: float
    lifetime: float

    @classmethod
    def of(cls, detector: Detector) -> "Drift":
        """From the field, by measured values.

        Raises:
            InputError: no measurement brackets the field.
        """
        low, high = min(VELOCITY), max(VELOCITY)
        if not low <= detector.drift_field <= high:
            raise InputError(
                f"detector.drift_field: Got {detector.drift_field:g} V/cm, but expected {low:g} to {high:g}, where drift "
                "velocities are tabulated. Give `simulate_tpc` steps with a `Drift` of your own."
            )
        log_speed = PchipInterpolator(np.log(list(VELOCITY)), np.log(list(VELOCITY.values())))
        speed = float(np.exp(log_speed(np.log(detector.drift_field)))) / 10
        return cls(speed, LONGITUDINAL / 1e6, TRANSVERSE / 1e6, detector.electron_lifetime)

    def time(self, z: np.ndarray) -> np.ndarray:
        """Drift time in µs from depth z ≤ 0 in cm."""
        return -z / self.velocity
