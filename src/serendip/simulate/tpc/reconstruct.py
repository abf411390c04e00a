"""What an analysis makes of areas and times: position, corrected areas, energy. Nothing here knows the truth's place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.drift import Drift
from serendip.simulate.tpc.maps import PositionMap
from serendip.simulate.tpc.yields import tabulate

# Resolution of x and y in cm: of a single photoelectron of the top array, and of however many. The first is what a pattern
# of the analytic light response holds at most (Cramér and Rao) away from the wall; the second is for uneven fields.
POINT_RESOLUTION, BEST_RESOLUTION = 12.0, 0.3
SCALE_ENERGIES = (5.0, 100.0)  # keV between which the work function of electron recoils is taken

Column = Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Corrections and the combined energy scale.

    Attributes:
        s1_map: relative light yield; `s2_map` the same of the S2.
        drift: velocity and lifetime that turn a drift time into a depth and a survival.
        s1_gain: mean S1 area of a photon, PE; `s2_gain` mean S2 area of an electron at the site.
        work: keV of an electron recoil a quantum.
    """

    s1_map: PositionMap
    s2_map: PositionMap
    drift: Drift
    s1_gain: float
    s2_gain: float
    work: float

    @classmethod
    def of(cls, detector: Detector, s1_map: PositionMap, s2_map: PositionMap, drift: Drift) -> "Reconstruction":
        """With the detector's own gains, as a perfect calibration would find them."""
        one = 1 + detector.double_photoelectrons
        return cls(s1_map, s2_map, drift, detector.g1 * one, detector.g2 * one, work_function(detector))

    def resolution(self, s2_top: Column) -> Column:
        """Standard deviation of x and of y in cm, for so many PE in the top array."""
        return np.hypot(POINT_RESOLUTION / np.sqrt(np.maximum(s2_top, 1.0)), BEST_RESOLUTION)

    def columns(self, s1: Column, s2: Column, x: Column, y: Column, drift_time: Column) -> dict[str, Column]:
        """Columns of an analysis, from areas in PE, the reconstructed place in cm and the drift time in µs."""
        z = -self.drift.velocity * drift_time
        survival = np.exp(-drift_time / self.drift.lifetime)
        cs1, cs2 = s1 / self.s1_map(x, y, z), s2 / (survival * self.s2_map(x, y, z))
        energy = self.work * (cs1 / self.s1_gain + cs2 / self.s2_gain)
        return {
            "s1": s1, "s2": s2, "cs1": cs1, "cs2": cs2, "x": x, "y": y, "z": z, "drift_time": drift_time,
            "energy": energy,
        }  # fmt: skip


def work_function(detector: Detector) -> float:
    """Energy of an electron recoil over its mean quanta, keV: what makes the combined scale unbiased."""
    table = tabulate("er", detector)
    low, high = np.searchsorted(table.energy, SCALE_ENERGIES)
    quanta = table.photons[low:high] + table.electrons[low:high]
    return float(np.mean(table.energy[low:high] / quanta))
