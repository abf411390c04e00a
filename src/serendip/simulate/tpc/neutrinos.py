"""Recoils from neutrinos: solar ones on electrons; solar ⁸B, supernova and atmospheric ones on whole nuclei.

Cross sections: on nuclei, Freedman 1974 (doi:10.1103/PhysRevD.9.1389) with Helm's form factor; on electrons, 't Hooft 1971
(doi:10.1016/0370-2693(71)90050-5), with half of the low-energy electron neutrinos changed on their way.

Fluxes: pp and ⁷Be, Vinyoles et al. 2017 (arXiv:1611.09867); ⁸B, measured, Bergström et al. 2016 (arXiv:1601.00972), its
shape from Bahcall et al. 1996 (doi:10.1103/PhysRevC.54.411); atmospheric from 13 MeV to 0.9 GeV at Gran Sasso, Battistoni
et al. 2005 (doi:10.1016/j.astropartphys.2005.03.006); past supernovae, Beacom 2010 (arXiv:1004.3311), their total as in
O'Hare 2021 (arXiv:2109.03116). Coherent scattering does not tell flavours, so the tables are sums over them: the published
curves at the points shown, with log flux straight against log energy in between. Leaving out every other point moves the
rate above 0.5 keV by less than 1 %.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from serendip.simulate.tpc.spectra import Spectrum
from serendip.simulate.tpc.xenon import (
    ATOMIC_MASS_UNIT,
    ATOMIC_NUMBER,
    ATOMS_PER_TONNE,
    ELECTRON_MASS,
    FERMI,
    HBAR_C,
    ISOTOPES,
    YEAR,
    free_electrons,
    helm_squared,
)

WEAK_ANGLE = 0.2387  # sin²θ_W at low momentum transfer
SURVIVAL = 0.55  # of electron neutrinos below 1 MeV
CM2_PER_KEV = HBAR_C**2 * 1e-26 * 1e-6  # of a cross section in GeV⁻³
POINTS = 2000
PP_END = 423.41  # keV
# Flux /(cm² s); the two lines of ⁷Be in keV.
PP, BE7, BORON, SUPERNOVAE, ATMOSPHERIC = 5.98e10, 4.93e9, 5.16e6, 85.7, 10.5
BE7_LINES = {861.3: 0.8966, 383.7: 0.1034}

# Energy in MeV → flux in units that do not matter: it is scaled to the totals.
BORON_SHAPE = {
    0.02: 8.6e-6, 0.1: 2.04e-4, 0.25: 0.00111, 0.5: 0.00378, 1: 0.0130, 1.5: 0.0258, 2: 0.0407, 2.5: 0.0565, 3: 0.0722,
    3.5: 0.0870, 4: 0.1004, 4.5: 0.1117, 5: 0.1208, 5.5: 0.1273, 6: 0.1311, 6.5: 0.1322, 7: 0.1306, 7.5: 0.1264,
    8: 0.1200, 8.5: 0.1115, 9: 0.1013, 9.5: 0.0897, 10: 0.0773, 10.5: 0.0645, 11: 0.0517, 11.5: 0.0394, 12: 0.0283,
    12.5: 0.0186, 13: 0.0107, 13.5: 0.00513, 14: 0.00184, 14.5: 4.8e-4, 15: 9.6e-5, 15.5: 1.36e-5, 16: 9e-7,
}  # fmt: skip
SUPERNOVA_SHAPE = {
    0.01: 1.58e-5, 0.1: 0.00149, 0.25: 0.0085, 0.5: 0.0280, 1: 0.0743, 1.5: 0.1089, 2: 0.1279, 2.5: 0.1343, 3: 0.1329,
    4: 0.1181, 5: 0.0990, 6: 0.0811, 7: 0.0655, 8: 0.0529, 10: 0.0345, 12: 0.0229, 14: 0.01565, 16: 0.01076, 18: 0.0076,
    20: 0.00541, 22.5: 0.00358, 25: 0.00240, 27.5: 0.00163, 30: 0.00113, 35: 5.6e-4, 40: 2.76e-4, 45: 1.45e-4,
    50: 7.67e-5, 60: 2.2e-5, 70: 6.24e-6, 80: 1.99e-6,
}  # fmt: skip
ATMOSPHERIC_SHAPE = {
    13.2: 0.0553, 18.0: 0.0682, 22.9: 0.0771, 27.7: 0.0832, 30.6: 0.0883, 35.5: 0.0854, 40.3: 0.0851, 45.2: 0.0817,
    50.0: 0.0734, 54.9: 0.0644, 59.7: 0.0584, 70.4: 0.0517, 80.1: 0.0466, 89.8: 0.0423, 100.4: 0.0379, 120.8: 0.0303,
    140.2: 0.0253, 160.6: 0.0212, 180.9: 0.0179, 200.3: 0.0154, 250.7: 0.0107, 300.2: 0.00776, 350.6: 0.00578,
    400.0: 0.00447, 500.9: 0.00279, 600.7: 0.00187, 700.6: 0.00133, 800.4: 9.76e-4, 904.2: 7.18e-4,
}  # fmt: skip


def coherent(shape: Mapping[float, float], flux: float, energy: Float[np.ndarray, " k"]) -> Spectrum:
    """Nuclear recoils /(t y keV) under a neutrino flux /(cm² s) whose shape a table holds.

    dσ/dE = G² Q² M/4π (1 − M E/2Eν²) F²(E), so that two running integrals of the flux serve every E.
    """
    neutrino, density = _flux(shape, flux)
    above, above_squared = _above(density, neutrino), _above(density / neutrino**2, neutrino)
    rate = np.zeros_like(energy)
    for mass_number, part in ISOTOPES.items():
        mass = mass_number * ATOMIC_MASS_UNIT
        charge = mass_number - ATOMIC_NUMBER - (1 - 4 * WEAK_ANGLE) * ATOMIC_NUMBER
        strength = FERMI**2 / (4 * np.pi) * charge**2 * mass * CM2_PER_KEV
        least = np.sqrt(0.5 * mass * energy)  # MeV, as GeV keV = MeV²
        seen = [np.interp(least, neutrino, one, left=one[0], right=0.0) for one in (above, above_squared)]
        flux_seen = np.maximum(seen[0] - 0.5 * mass * energy * seen[1], 0.0)
        rate += part * strength * helm_squared(energy, mass_number) * flux_seen
    return Spectrum(energy, ATOMS_PER_TONNE * YEAR * rate)


def solar_on_electrons(energy: Float[np.ndarray, " k"]) -> Spectrum:
    """Electron recoils /(t y keV) of pp and ⁷Be neutrinos; electrons bound more tightly than the transfer take no part."""
    neutrino = np.linspace(1.0, PP_END - 0.01, POINTS)
    total = PP_END + ELECTRON_MASS - neutrino  # of the positron in p + p → d + e⁺ + ν
    shape = neutrino**2 * total * np.sqrt(total**2 - ELECTRON_MASS**2)
    density = PP * shape / _integral(shape, neutrino)
    rate = _integral(_on_electron(energy[:, None], neutrino) * density, neutrino)
    for line, part in BE7_LINES.items():
        rate += BE7 * part * _on_electron(energy, np.array(line))
    return Spectrum(energy, ATOMS_PER_TONNE * YEAR * free_electrons(energy) * rate)


def _on_electron(energy: np.ndarray, neutrino: np.ndarray) -> np.ndarray:
    """dσ/dT on a free electron in cm²/keV, mean over flavours after oscillation; energies in keV."""
    flavours = ((0.5 + WEAK_ANGLE, SURVIVAL), (-0.5 + WEAK_ANGLE, 1 - SURVIVAL))
    y, soft = energy / neutrino, ELECTRON_MASS * energy / neutrino**2
    right = WEAK_ANGLE
    shape = sum(part * (left**2 + right**2 * (1 - y) ** 2 - left * right * soft) for left, part in flavours)
    most = 2 * neutrino**2 / (ELECTRON_MASS + 2 * neutrino)
    scale = 2 * FERMI**2 * ELECTRON_MASS * 1e-6 / np.pi * CM2_PER_KEV
    return np.where(energy <= most, scale * shape, 0.0)


def _flux(shape: Mapping[float, float], total: float) -> tuple[np.ndarray, np.ndarray]:
    """Energies in MeV and the flux /(cm² s MeV) there."""
    nodes, values = np.array(list(shape)), np.array(list(shape.values()))
    energy = np.geomspace(nodes[0], nodes[-1], POINTS)
    density = np.exp(np.interp(np.log(energy), np.log(nodes), np.log(values)))
    return energy, total * density / _integral(density, energy)


def _above(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The integral from each x to the last, by trapezia."""
    steps = 0.5 * (y[1:] + y[:-1]) * np.diff(x)
    return np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])


def _integral(y: np.ndarray, x: np.ndarray) -> np.ndarray | np.floating:
    """By trapezia along the last axis."""
    return np.sum(0.5 * (y[..., 1:] + y[..., :-1]) * np.diff(x), axis=-1)
