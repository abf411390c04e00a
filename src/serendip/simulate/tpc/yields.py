"""Mean photons and electrons of a recoil in liquid xenon, as NEST has them, tabulated for one field and density.

Source: NEST (Szydagis et al., arXiv:2211.10726) through nestpy: the `beta` model for electron recoils and `NR` for
nuclear ones. `gammaRay` is no choice here: it misses the 2.82 keV line of Ar-37 by 18 %, `beta` by 2 %.
"""

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Literal

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError, MissingExtraError
from serendip.simulate.tpc.detector import Detector

Kind = Literal["er", "nr"]

GRID = 2048  # points, evenly spread in log energy: 0.5 % apart for electron recoils
# keV. Below 0.1 keV no recoil makes a photon; NEST has no data on nuclear recoils beyond the end of AmBe's neutrons
# at 300 keV, and 3 MeV holds the whole spectrum of 2νββ of Xe-136.
VALID_ENERGY: dict[Kind, tuple[float, float]] = {"er": (0.1, 3000.0), "nr": (0.1, 300.0)}
VALID_FIELD = (1.0, 4000.0)  # V/cm: what the data behind NEST's models span
VALID_DENSITY = (2.6, 3.1)  # g/cm³: the liquid, from −60 °C to the triple point
MODELS: dict[Kind, str] = {"er": "beta", "nr": "NR"}


@dataclass(frozen=True, eq=False)
class YieldTable:
    """Means at the points of an energy grid that is even in log energy; `tabulate` makes it.

    Attributes:
        kind: "er" or "nr".
        field: V/cm.
        density: g/cm³.
        energy: keV, rising.
        photons: mean photons.
        electrons: mean electrons.
        exciton_ratio: mean excitons an ion, before recombination.
    """

    kind: Kind
    field: float
    density: float
    energy: Float[np.ndarray, " k"]
    photons: Float[np.ndarray, " k"]
    electrons: Float[np.ndarray, " k"]
    exciton_ratio: Float[np.ndarray, " k"]

    def at(self, energy: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean photons and electrons at energies (keV): yields a keV, interpolated linearly in log energy.

        Raises:
            InputError: an energy is outside the table.
        """
        require_energies(energy, self.kind)
        log_energy, grid = np.log(energy), np.log(self.energy)
        photons, electrons = (
            energy * np.interp(log_energy, grid, means / self.energy) for means in (self.photons, self.electrons)
        )
        return photons, electrons


def require_energies(energy: Float[np.ndarray, " n"], kind: Kind) -> None:
    """Refuse energies (keV) for which NEST has no yields.

    Raises:
        InputError: one lies outside `VALID_ENERGY`, or is not a number; the message names it.
    """
    low, high = VALID_ENERGY[kind]
    wrong = ~((energy >= low) & (energy <= high))
    if np.any(wrong):
        recoils = {"er": "electron", "nr": "nuclear"}[kind]
        raise InputError(
            f"energy: Got {energy[wrong][0]:g} keV of {recoils} recoils ({np.sum(wrong)} such), but expected "
            f"{low:g} to {high:g} keV, where NEST has yields. Cut the spectrum to that range."
        )


def tabulate(kind: Kind, detector: Detector) -> YieldTable:
    """Yields of electron ("er") or nuclear ("nr") recoils at the detector's field and density, computed once.

    Raises:
        InputError: field or density is outside what NEST describes.
        MissingExtraError: nestpy is not installed.
    """
    require_liquid(detector)
    return _tabulate(kind, float(detector.drift_field), float(detector.density))


def require_liquid(detector: Detector) -> None:
    """Refuse what NEST has no yields for.

    Raises:
        InputError: field or density is outside what NEST describes.
    """
    for name, value, (low, high), unit in (
        ("drift_field", detector.drift_field, VALID_FIELD, "V/cm"),
        ("density", detector.density, VALID_DENSITY, "g/cm³"),
    ):
        if not low <= value <= high:
            raise InputError(
                f"detector.{name}: Got {value:g}, but expected {low:g} to {high:g} {unit}, where NEST has yields."
            )


@lru_cache(maxsize=64)
def _tabulate(kind: Kind, field: float, density: float) -> YieldTable:
    nestpy = _nestpy()
    nest = nestpy.NESTcalc(nestpy.detectors.VDetector())
    model = getattr(nestpy.interactions, MODELS[kind])
    energy = np.geomspace(*VALID_ENERGY[kind], GRID)
    with _no_remarks():  # NEST's default field is 730 V/cm: always give one
        found = [nest.GetYields(model, float(e), density=density, drift_field=field) for e in energy]
    columns = np.array([[y.PhotonYield, y.ElectronYield, y.ExcitonRatio] for y in found]).T.copy()
    return YieldTable(kind, field, density, energy, *columns)


def _nestpy() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("nestpy")
    except ImportError as error:
        raise MissingExtraError("nestpy", "xenon") from error


@contextmanager
def _no_remarks() -> Iterator[None]:
    """Silence what NEST's C++ side writes to standard error: a remark on its own `beta` model, once a process."""
    with open(os.devnull, "w") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
