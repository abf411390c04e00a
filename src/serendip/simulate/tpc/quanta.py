"""Photons and electrons of recoils in liquid xenon, event by event, fluctuating as NEST has it.

A recoil makes ions and excitons; some ions' electrons recombine into further excitons, and every exciton gives a
photon. Electron recoils draw the sum of quanta with a Fano factor and split it binomially; nuclear recoils draw ions
and excitons apart. Recombination is wider than binomial, by a part ω of the ions, and skewed.

Source: NEST (Szydagis et al., arXiv:2211.10726); ω and the skewness of electron recoils after LUX (arXiv:2004.06304).
The constants are those that nestpy 2.1.3 has for NEST 2.4; the amplitude of ω above 295 V/cm is read off its draws.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.special import erf

from serendip.errors import InputError
from serendip.simulate.tpc._kernels_quanta import COLUMNS, DELTA, EXCITONS, FANO, FREE, IONS, OMEGA, QUANTA, draw_all
from serendip.simulate.tpc.deposits import Deposits
from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.yields import Kind, YieldTable, require_energies, tabulate

NR_FANO = 0.4  # of ions and of excitons
NR_SKEWNESS = 2.25  # parameter of the skew normal
SKEWED_FIELDS = (50.0, 4000.0)  # V/cm; no skewness outside
SKEWED_QUANTA = 1e4  # no skewness above


def draw_quanta(
    deposits: Deposits, detector: Detector, seed: int, first: int = 0
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Photons and electrons at the site of each deposit.

    Args:
        deposits: energies and kinds of recoil.
        detector: its field and density.
        seed: of the simulation, not negative.
        first: number of the first event; the draws of event i depend on (seed, first + i) alone.

    Returns:
        Photons and electrons, (n,) each.

    Raises:
        InputError: an energy, the field or the density is outside what NEST describes, or a number is negative.
        MissingExtraError: nestpy is not installed.
    """
    for name, value in (("seed", seed), ("first", first)):
        if value < 0:
            raise InputError(f"Got {name}={value}, but expected a non-negative integer.")
    require_energies(deposits.energy[~deposits.is_nr], "er")
    require_energies(deposits.energy[deposits.is_nr], "nr")
    (er_table, er_grid), (nr_table, nr_grid) = (_prepared(tabulate(kind, detector)) for kind in ("er", "nr"))
    photons, electrons = (np.empty(len(deposits), np.int64) for _ in range(2))
    energy, is_nr = np.ascontiguousarray(deposits.energy), np.ascontiguousarray(deposits.is_nr)
    draw_all(energy, is_nr, er_table, nr_table, er_grid, nr_grid, seed, first, photons, electrons)
    return photons, electrons


@lru_cache(maxsize=64)
def _prepared(table: YieldTable) -> tuple[Float[np.ndarray, "k columns"], tuple[float, float]]:
    steps = np.diff(np.log(table.energy))
    return fluctuations(table), (float(np.log(table.energy[0])), float(steps.mean()))


def fluctuations(table: YieldTable) -> Float[np.ndarray, "k columns"]:
    """Per energy: quanta, ions and excitons a keV, Fano factor, chance to escape recombination, its ω and skewness δ.

    Where the electrons' part of the quanta exceeds that of the ions, all electrons escape.
    """
    quanta = table.photons + table.electrons
    charge = np.divide(table.electrons, quanta, out=np.ones_like(quanta), where=quanta > 0)
    ions = 1.0 / (1.0 + table.exciton_ratio)
    free = charge / ions
    # NEST then keeps the part of the ions, and takes excitons for what the charge leaves.
    excitons = np.where(free > 1.0, ions * (1.0 / np.maximum(charge, 1e-9) - 1.0), 1.0 - ions)
    columns = np.empty((len(quanta), COLUMNS))
    columns[:, QUANTA] = quanta / table.energy
    columns[:, IONS] = ions * quanta / table.energy
    columns[:, EXCITONS] = excitons * quanta / table.energy
    columns[:, FREE] = np.minimum(free, 1.0)
    columns[:, FANO] = er_fano(quanta, table.field, table.density) if table.kind == "er" else NR_FANO
    columns[:, OMEGA] = er_omega(charge, table.field) if table.kind == "er" else nr_omega(charge)
    skewness = _skewness(table.kind, table.energy, table.field) * (quanta <= SKEWED_QUANTA)
    columns[:, DELTA] = skewness / np.sqrt(1 + skewness**2)
    return columns


def er_fano(quanta: Float[np.ndarray, " k"], field: float, density: float) -> Float[np.ndarray, " k"]:
    """Fano factor of the quanta of electron recoils: gas and liquid by density, and growing with quanta and field."""
    at_zero_field = 0.12707 - 0.029623 * density - 0.0057042 * density**2 + 0.0015957 * density**3
    return at_zero_field + 0.001 * np.sqrt(quanta * field)


def er_omega(charge: Float[np.ndarray, " k"], field: float) -> Float[np.ndarray, " k"]:
    """Recombination width beyond binomial, in parts of the ions; `charge` is the electrons' part of the quanta.

    A skewed bell of the charge, no higher than an amplitude that is constant to 295 V/cm and grows beyond.
    """
    amplitude = 0.07 + (0.046452 - 0.07) / (1.0 + (field / 295.2) ** 251.6) ** 0.0069114
    centre, width, skewness = 0.45, 0.205, -0.2
    top = centre + np.sqrt(2 / np.pi) * skewness * width / np.sqrt(1 + skewness**2)
    u = (np.append(charge, top) - centre) / width
    bell = np.exp(-0.5 * u**2) * (1 + erf(skewness * u / np.sqrt(2)))
    return amplitude * bell[:-1] / bell[-1]


def nr_omega(charge: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The same of nuclear recoils."""
    return 0.04 * np.exp(-0.5 * ((charge - 0.5) / 0.19) ** 2)


def _skewness(kind: Kind, energy: Float[np.ndarray, " k"], field: float) -> Float[np.ndarray, " k"]:
    """Parameter of the skew normal; of electron recoils two regimes with a soft step at 26.7 keV."""
    if not SKEWED_FIELDS[0] <= field <= SKEWED_FIELDS[1]:
        return np.zeros_like(energy)
    if kind == "nr":
        return np.full_like(energy, NR_SKEWNESS)
    high = 1 / (1 + np.exp(-(energy - 26.7) / 6.4))
    at_low = 1.39 + 4.0 * np.exp(-field / 225.0) * (1 - np.exp(-energy / 7.7))
    at_high = 22.1 * np.exp(-energy / 54.0) * np.exp(-np.sqrt(field / 71.0))
    return (1 - high) * at_low + high * at_high
