"""The trigger: an S1 seen by several tubes at once, and an S2 large enough to be one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from serendip.simulate.tpc.detector import Detector

ELECTRONS = 5.0  # mean S2 area, in electrons, from which a pulse counts as an S2


@dataclass(frozen=True)
class Trigger:
    """What an event needs to be recorded.

    Attributes:
        coincidence: tubes of both arrays that see S1 light within the window.
        s2: area, PE.
    """

    coincidence: int
    s2: float

    @classmethod
    def of(cls, detector: Detector) -> "Trigger":
        """The detector's coincidence, and the area of five electrons."""
        electron = detector.single_electron_gain * (1 + detector.double_photoelectrons)
        return cls(detector.coincidence, ELECTRONS * electron)

    def __call__(self, channels: Float[np.ndarray, " n"], s2: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which events are recorded."""
        return (channels >= self.coincidence) & (s2 >= self.s2)
