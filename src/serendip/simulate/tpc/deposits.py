"""Energy deposits: what a simulation begins with, one site an event."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from serendip.errors import InputError


@dataclass(frozen=True, eq=False)
class Deposits:
    """Where and how energy was left; every array has one entry an event.

    Attributes:
        energy: keV.
        is_nr: whether a nucleus recoiled; an electron otherwise.
        x: cm from the axis, as `y`.
        y: cm.
        z: cm, from 0 at the surface down to −height.
        source: number of the source in a mixture; None for one alone.
        veto: whether the neutron veto saw something with it; None for never.
    """

    energy: Float[np.ndarray, " n"]
    is_nr: Bool[np.ndarray, " n"]
    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    z: Float[np.ndarray, " n"]
    source: Int[np.ndarray, " n"] | None = None
    veto: Bool[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        for name in ("is_nr", "x", "y", "z", "source", "veto"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self):
                raise InputError(f"{name}: Got {len(values)} entries, but expected {len(self)} as energies.")

    def __len__(self) -> int:
        return len(self.energy)
