"""The element: isotopes, atomic shells, form factor of the nucleus, and constants to turn cross sections into rates.

Sources: isotopes, IUPAC 2013 (doi:10.1515/pac-2015-0503); binding energies, X-ray Data Booklet (LBNL/PUB-490); form
factor, Helm's with the parameters of Lewin and Smith 1996 (doi:10.1016/S0927-6505(96)00047-3).
"""

import numpy as np
from jaxtyping import Float

ATOMIC_NUMBER, ATOMIC_WEIGHT = 54, 131.293
ATOMS_PER_TONNE = 6.02214076e23 * 1e6 / ATOMIC_WEIGHT
YEAR = 365.25 * 86_400  # s
ELECTRON_MASS = 510.99895  # keV
ATOMIC_MASS_UNIT = 0.93149410  # GeV
HBAR_C = 0.1973270  # GeV fm
FERMI = 1.1663788e-5  # Fermi's constant, GeV⁻²

# Mass number → part of the atoms.
ISOTOPES = {
    124: 0.00095, 126: 0.00089, 128: 0.01910, 129: 0.26401, 130: 0.04071,
    131: 0.21232, 132: 0.26909, 134: 0.10436, 136: 0.08857,
}  # fmt: skip
# Binding energy in keV of each shell that matters above 0.1 keV → electrons in it.
SHELLS = {
    34.561: 2, 5.453: 2, 5.107: 2, 4.786: 4, 1.149: 2, 1.002: 2, 0.941: 4, 0.689: 4, 0.676: 6, 0.213: 2, 0.147: 6,
}  # fmt: skip


def helm_squared(energy: Float[np.ndarray, " k"], mass_number: int) -> Float[np.ndarray, " k"]:
    """F²(E) of a nucleus that recoils with an energy in keV; 1 at zero."""
    skin, a = 0.9, 0.52  # fm
    c = 1.23 * mass_number ** (1 / 3) - 0.60
    radius = np.sqrt(c**2 + 7 / 3 * np.pi**2 * a**2 - 5 * skin**2)
    momentum = np.sqrt(2 * mass_number * ATOMIC_MASS_UNIT * energy * 1e-6) / HBAR_C  # 1/fm
    x = np.maximum(momentum * radius, 1e-4)  # below, the difference of sine and cosine loses its digits
    bessel = (np.sin(x) - x * np.cos(x)) / x**2
    return (3 * bessel / x) ** 2 * np.exp(-((momentum * skin) ** 2))


def free_electrons(energy: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Electrons of an atom that an energy transfer in keV can free."""
    bound = sum(number * (energy < binding) for binding, number in SHELLS.items())
    return np.asarray(ATOMIC_NUMBER - bound, float)
