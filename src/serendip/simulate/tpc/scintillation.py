"""When liquid xenon emits its photons after a recoil.

An exciton decays from a singlet or a triplet state; photons from recombination wait for their electron first.
Sources: decay times and singlets a triplet are LUX's (arXiv:1802.06162), the recombination time and its field
dependence NEST's (arXiv:2211.10726, after Kubota et al. 1979 and arXiv:1310.1117); together nestpy 2.1.3's for electron
recoils and for the recombined photons of nuclear ones. Nuclear recoils recombine at once: their tracks are dense.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.signal import fftconvolve

from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.yields import Kind, tabulate

SINGLET_TIME = 3.27  # ns
TRIPLET_TIME: dict[Kind, float] = {"er": 25.89, "nr": 23.97}  # ns
SINGLETS_PER_TRIPLET: dict[Kind, float] = {"er": 0.042, "nr": 0.269}


@dataclass(frozen=True)
class EmissionTimes:
    """Time constants of one kind of recoil at one energy.

    Attributes:
        singlets: part of the photons from singlet states.
        singlet_time: mean life, ns; `triplet_time` the same.
        recombined: part of the photons that came by recombination.
        recombination_time: ns; half of them recombine within it, with a tail like 1/time beyond.
    """

    singlets: float
    singlet_time: float
    triplet_time: float
    recombined: float
    recombination_time: float

    def decayed(self, time: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Part of the excitons that have decayed after a time (ns) since they were made; 0 before."""
        waited = np.maximum(time, 0.0)
        lives = ((self.singlets, self.singlet_time), (1 - self.singlets, self.triplet_time))
        return sum(part * -np.expm1(-waited / life) for part, life in lives)

    def emitted(self, step: float, samples: int) -> Float[np.ndarray, " samples"]:
        """Part of the photons emitted by the times 0, `step`, 2·`step`, … (ns) after the recoil.

        Recombination is put at the middles of the steps: exact to second order in the step.
        """
        time = step * np.arange(samples)
        direct = self.decayed(time)
        if self.recombination_time == 0 or self.recombined == 0:
            return direct
        pairs = np.diff(time / (time + self.recombination_time))
        later = fftconvolve(pairs, self.decayed(time[:-1] + 0.5 * step))[: samples - 1]
        return (1 - self.recombined) * direct + self.recombined * np.append(0.0, later)


def emission_times(kind: Kind, energy: float, detector: Detector) -> EmissionTimes:
    """Time constants of electron ("er") or nuclear ("nr") recoils of an energy (keV) at the detector's field.

    Raises:
        InputError: energy or field is outside what NEST describes.
        MissingExtraError: nestpy is not installed.
    """
    ratio = SINGLETS_PER_TRIPLET[kind]
    recombined, wait = 0.0, 0.0
    if kind == "er":
        recombined = _recombined_photons(energy, detector)
        wait = np.exp(-0.009 * detector.drift_field) * max(7.3138 + 3.8431 * np.log10(energy), 0.0)
    return EmissionTimes(ratio / (1 + ratio), SINGLET_TIME, TRIPLET_TIME[kind], recombined, float(wait))


def _recombined_photons(energy: float, detector: Detector) -> float:
    """Part of the photons that are no direct exciton's; all are direct where there are too few."""
    table = tabulate("er", detector)
    (photons,), (electrons,) = table.at(np.array([energy]))
    ratio = np.interp(np.log(energy), np.log(table.energy), table.exciton_ratio)
    excitons = (photons + electrons) * ratio / (1 + ratio)
    return float(max(1 - excitons / photons, 0.0)) if photons > 0 else 0.0
