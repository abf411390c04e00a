"""Nuclear recoils from weakly interacting massive particles, spin-independent, by the package wimprates.

Halo: the standard one with the parameters that arXiv:2105.00599 recommends: 0.3 GeV/cm³, v₀ = 238 km/s, escape speed
544 km/s.
"""

import warnings
from functools import lru_cache
from types import ModuleType

import numpy as np

from serendip.errors import InputError, MissingExtraError
from serendip.simulate.tpc.spectra import Spectrum

LIGHTEST, HEAVIEST = 5.0, 10_000.0  # GeV
LARGEST_CROSS_SECTION = 1e-30  # cm²: beyond it the rock above would stop them
LOWEST, HIGHEST, POINTS = 0.5, 150.0, 120  # of the grid: keV, keV, energies in equal ratios
REFERENCE = 1e-47  # cm²


def wimp_spectrum(mass: float, cross_section: float) -> Spectrum:
    """dR/dE of recoils of 0.5–150 keV off xenon.

    Args:
        mass: of the particle, GeV.
        cross_section: with a nucleon, cm².

    Raises:
        InputError: the mass is outside 5 GeV–10 TeV, or the cross section is not above 0.
        MissingExtraError: wimprates is not installed.
    """
    if not LIGHTEST <= mass <= HEAVIEST:
        raise InputError(f"mass: Got {mass:g} GeV, but expected {LIGHTEST:g}–{HEAVIEST:g} GeV.")
    if not 0 < cross_section <= LARGEST_CROSS_SECTION:
        raise InputError(
            f"sigma: Got {cross_section:g} cm², but expected more than 0 and at most {LARGEST_CROSS_SECTION:g} cm²."
        )
    return _spectrum(float(mass)).scaled(cross_section / REFERENCE)


@lru_cache(maxsize=64)
def _spectrum(mass: float) -> Spectrum:
    energy = np.geomspace(LOWEST, HIGHEST, POINTS)
    return Spectrum(energy, np.asarray(_wimprates().rate_wimp_std(energy, mw=mass, sigma_nucleon=REFERENCE), float))


def _wimprates() -> ModuleType:
    """The package, without what it says at import about defaults that changed years ago."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import wimprates
    except ImportError:
        raise MissingExtraError("wimprates", "xenon") from None
    return wimprates
