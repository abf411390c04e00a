"""Electron recoils from decays inside the xenon: β spectra near zero energy, and the two-neutrino double β decay of ¹³⁶Xe.

Sources: Fermi function and shape of unique first-forbidden decays, Konopinski 1966 (The Theory of Beta Radioactivity);
spectrum of the electrons' sum, Primakoff and Rosen 1959 (doi:10.1088/0034-4885/22/1/305); half-life and Q of ¹³⁶Xe,
Albert et al. 2014 (arXiv:1306.6106) and Redshaw et al. 2007 (doi:10.1103/PhysRevLett.98.053003); ⁸⁵Kr and ²¹⁴Pb, ENSDF.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import loggamma

from serendip.simulate.tpc.spectra import Spectrum
from serendip.simulate.tpc.xenon import ATOMS_PER_TONNE, ELECTRON_MASS, ISOTOPES, YEAR

FINE_STRUCTURE = 1 / 137.035999
XENON136_HALF_LIFE, XENON136_Q = 2.165e21, 2457.83  # years, keV
KRYPTON85_HALF_LIFE, KRYPTON85_Q, KRYPTON85_BRANCH = 10.739, 687.0, 0.9956  # years, keV
KRYPTON85_PART = 2e-11  # of natural krypton, mol/mol
POINTS = 20_001


def double_beta(energy: Float[np.ndarray, " k"]) -> Spectrum:
    """Both electrons of ¹³⁶Xe together, /(t y keV): closed form for Fermi functions of slow electrons."""
    end = XENON136_Q / ELECTRON_MASS

    def shape(kinetic: np.ndarray) -> np.ndarray:
        k = kinetic / ELECTRON_MASS
        return k * (end - k) ** 5 * (1 + 2 * k + 4 * k**2 / 3 + k**3 / 3 + k**4 / 30)

    decays = np.log(2) / XENON136_HALF_LIFE * ISOTOPES[136] * ATOMS_PER_TONNE
    return Spectrum(energy, decays * shape(energy) / _area(shape, XENON136_Q))


def krypton85(energy: Float[np.ndarray, " k"], krypton: float = 2e-15) -> Spectrum:
    """⁸⁵Kr, /(t y keV), with that much natural krypton in the xenon, mol/mol."""

    def shape(kinetic: np.ndarray) -> np.ndarray:
        return unique_forbidden_shape(kinetic, KRYPTON85_Q, daughter=37, mass_number=85)

    atoms = krypton * KRYPTON85_PART * ATOMS_PER_TONNE
    decays = KRYPTON85_BRANCH * np.log(2) / KRYPTON85_HALF_LIFE * atoms
    return Spectrum(energy, decays * shape(energy) / _area(shape, KRYPTON85_Q))


def lead214(energy: Float[np.ndarray, " k"], activity: float = 0.1, low_energy: float = 1.367e-4) -> Spectrum:
    """²¹⁴Pb of the ²²²Rn chain, /(t y keV), taken as flat.

    Only β decays to the ground state leave no γ beside them. The default of `low_energy` gives 0.43 /(t y keV) at
    0.1 µBq/kg, between the 0.35 of arXiv:1506.08309 and the 0.56 to which arXiv:1512.07501 scales.

    Args:
        energy: keV.
        activity: of ²²²Rn, µBq/kg.
        low_energy: decays to the ground state /keV near zero energy, a decay of ²²²Rn.
    """
    decays = activity * 1e-6 * 1000 * YEAR
    return Spectrum(energy, np.full_like(energy, decays * low_energy))


def unique_forbidden_shape(
    kinetic: Float[np.ndarray, " k"], end: float, daughter: int, mass_number: int
) -> Float[np.ndarray, " k"]:
    """β spectrum of a unique first-forbidden decay, in no unit: F p W q² (p² + q²).

    Args:
        kinetic: keV, above 0.
        end: largest kinetic energy, keV.
        daughter: its atomic number.
        mass_number: of the nucleus.
    """
    w = 1 + kinetic / ELECTRON_MASS
    p = np.sqrt(w**2 - 1)
    q = np.maximum(end - kinetic, 0.0) / ELECTRON_MASS
    return _fermi_function(w, p, daughter, mass_number) * p * w * q**2 * (p**2 + q**2)


def _fermi_function(w: np.ndarray, p: np.ndarray, z: int, mass_number: int) -> np.ndarray:
    """How much the daughter's charge pulls electrons of slow speed in, up to a constant."""
    radius = 1.2 * mass_number ** (1 / 3) / 386.159  # in Compton wavelengths of the electron
    gamma = np.sqrt(1 - (FINE_STRUCTURE * z) ** 2)
    eta = FINE_STRUCTURE * z * w / p
    return (2 * p * radius) ** (2 * gamma - 2) * np.exp(np.pi * eta + 2 * loggamma(gamma + 1j * eta).real)


def _area(shape: Callable[[np.ndarray], np.ndarray], end: float) -> float:
    """∫ shape from 0 to the end, by midpoints: the Fermi function has none at 0."""
    kinetic = np.linspace(0, end, POINTS)
    middle = 0.5 * (kinetic[1:] + kinetic[:-1])
    return float(np.sum(shape(middle)) * (kinetic[1] - kinetic[0]))
