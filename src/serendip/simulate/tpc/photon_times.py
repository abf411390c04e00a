"""When S1 photons are detected, as tabulated distributions: scintillation, optical path, transit in the tube."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import exponnorm

from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.scintillation import emission_times

TABLE = 2000  # ns, in steps of 1 ns; of photons that come later (0.1 % of electron recoils') the times are redrawn
ENERGIES = np.geomspace(0.1, 300.0, 24)  # keV, of the rows of the table for each kind of recoil
TRANSIT = 3.9  # ns: spread of the transit time of a 3-inch tube (9 ns of full width at half maximum, Hamamatsu R11410)
DELAY = 4.0  # transit spreads by which all times are late, so that none is negative


@dataclass(frozen=True, eq=False)
class PhotonTimes:
    """Cumulative distributions of the time in ns from recoil to photocathode and anode, less a constant.

    Attributes:
        cumulative: rows for electron recoils by energy, then as many for nuclear recoils; at 0, 1, 2, … ns.
        energies: of the rows of either kind, keV.
    """

    cumulative: Float[np.ndarray, "rows times"]
    energies: Float[np.ndarray, " half"]

    @classmethod
    def of(cls, detector: Detector) -> "PhotonTimes":
        """From the scintillation's time constants at the detector's field."""
        wander = max(detector.optical_delay / TRANSIT, 1e-3)  # scipy has no density at 0
        kernel = np.diff(exponnorm.cdf(np.arange(TABLE + 1), wander, loc=DELAY * TRANSIT, scale=TRANSIT))
        emitted = [emission_times(kind, e, detector).emitted(1.0, TABLE) for kind in ("er", "nr") for e in ENERGIES]
        rows = np.array([np.convolve(kernel, row)[:TABLE] for row in emitted])
        return cls(rows / rows[:, -1:], ENERGIES)

    def row(self, energy: Float[np.ndarray, " n"], is_nr: Bool[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Which row of the table holds for each event: the nearest in the logarithm of the energy."""
        middles = np.sqrt(self.energies[1:] * self.energies[:-1])
        return np.searchsorted(middles, energy) + len(self.energies) * is_nr
