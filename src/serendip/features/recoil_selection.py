"""Which recordings a search for nuclear recoils looks at: fiducial volume, energy, neutron veto; by reconstructed values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from serendip.data.cylinder import Cylinder
from serendip.data.recordings import Recordings
from serendip.errors import InputError


@dataclass(frozen=True)
class Cut:
    """One line of a cut flow: what is asked for, and how many events are left once it is."""

    name: str
    left: int


@dataclass(frozen=True)
class RecoilSelection:
    """Single sites in the middle of the liquid, in the window of energies, with nothing in the neutron veto.

    A recording is a single site already: a second S2 never gets as far as this, in the simulation by construction.

    Attributes:
        volume: where x, y and z must lie; None for everywhere.
        energy: lowest and highest combined energy, keV of an electron recoil.
        veto: whether to drop what the neutron veto saw.

    Raises:
        InputError: the energies do not rise.
    """

    volume: Cylinder | None
    energy: tuple[float, float] = (2.0, 10.0)
    veto: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.energy[0] < self.energy[1]:
            raise InputError(f"energy: Got {list(self.energy)}, but expected two rising energies of 0 keV or more.")

    def mask(self, recordings: Recordings) -> Bool[np.ndarray, " n"]:
        """Which events pass all cuts."""
        return np.logical_and.reduce([passed for _, passed in self._cuts(recordings)])

    def flow(self, recordings: Recordings) -> Sequence[Cut]:
        """How many events are left after each cut in turn, the first line before any."""
        left = np.ones(len(recordings), bool)
        flow = []
        for name, passed in self._cuts(recordings):
            left = left & passed
            flow.append(Cut(name, int(left.sum())))
        return flow

    def _cuts(self, recordings: Recordings) -> list[tuple[str, np.ndarray]]:
        columns = recordings.events.columns
        low, high = self.energy
        cuts = [("triggered", np.ones(len(recordings), bool))]
        if self.volume is not None:
            cuts.append(("fiducial volume", self.volume.contains(columns["x"], columns["y"], columns["z"])))
        cuts.append((f"{low:g}–{high:g} keV", (columns["energy"] >= low) & (columns["energy"] < high)))
        if self.veto:
            cuts.append(("neutron veto", columns["veto"] == 0))
        return cuts
