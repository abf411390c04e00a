"""The steps from quanta to recordings, side by side: any of them can be replaced by another of its kind."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from serendip.simulate.tpc._kernels_areas import Numbers
from serendip.simulate.tpc._kernels_pulses import STEPS_A_SIGMA
from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.drift import Drift
from serendip.simulate.tpc.electroluminescence import Electroluminescence
from serendip.simulate.tpc.light import LightCollection
from serendip.simulate.tpc.maps import read_map
from serendip.simulate.tpc.photon_times import PhotonTimes
from serendip.simulate.tpc.reconstruct import Reconstruction
from serendip.simulate.tpc.response import LightResponse
from serendip.simulate.tpc.trigger import Trigger

NORMAL_TABLE = ndtr(np.arange(-6 * STEPS_A_SIGMA, 6 * STEPS_A_SIGMA + 1) / STEPS_A_SIGMA)


@dataclass(frozen=True, eq=False)
class Steps:
    """What happens to quanta; `make_steps` takes all from a detector, `dataclasses.replace` exchanges some.

    Attributes:
        light: photons → photons detected.
        times: when they are.
        drift: electrons → electrons at the surface.
        gas: electrons → S2 photons detected.
        response: S2 photons → tubes of the top array.
        trigger: which events are recorded.
        reconstruction: what an analysis makes of them; its maps need not be those of the light.
    """

    light: LightCollection
    times: PhotonTimes
    drift: Drift
    gas: Electroluminescence
    response: LightResponse
    trigger: Trigger
    reconstruction: Reconstruction

    def numbers(self, detector: Detector) -> Numbers:
        """What kernels need beside the tables."""
        return Numbers(
            g1=self.light.g1,
            velocity=self.drift.velocity,
            lifetime=self.drift.lifetime,
            longitudinal=self.drift.longitudinal,
            transverse=self.drift.transverse,
            extraction=detector.extraction,
            gain=self.gas.gain,
            gain_spread=self.gas.spread,
            top_fraction=self.gas.top_fraction,
            double=detector.double_photoelectrons,
            charge_spread=detector.gain_spread,
            tubes=2 * detector.pmts,
            coincidence=self.trigger.coincidence,
            window=detector.coincidence_window,
        )


@lru_cache(maxsize=16)
def make_steps(detector: Detector, s1_map: str | Path | None = None, s2_map: str | Path | None = None) -> Steps:
    """The steps of a detector.

    Args:
        detector: gives the numbers.
        s1_map: in place of the detector's own.
        s2_map: in place of the detector's own.

    Raises:
        InputError: a map cannot be read or is of another geometry, or a number has no tabulated physics.
        MissingExtraError: nestpy is not installed.
    """
    s1_map, s2_map = s1_map or detector.s1_map, s2_map or detector.s2_map
    light = LightCollection.of(detector) if s1_map is None else LightCollection.from_file(s1_map, detector)
    gas = Electroluminescence.of(detector, None if s2_map is None else read_map(s2_map, detector))
    drift = Drift.of(detector)
    return Steps(
        light,
        PhotonTimes.of(detector),
        drift,
        gas,
        LightResponse.of(detector),
        Trigger.of(detector),
        Reconstruction.of(detector, light.relative, gas.relative, drift),
    )
