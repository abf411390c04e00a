"""Photons and electrons of each event, drawn from a table of NEST's means and widths."""

import math

import numpy as np
from numba import njit

from serendip.simulate.tpc._kernels_random import STATE, binomial, normal, restart

QUANTA_STREAM = 0  # of `_kernels_random.restart`
# Columns of a table; `quanta.fluctuations` fills them.
QUANTA, FANO, IONS, EXCITONS, FREE, OMEGA, DELTA = range(7)
COLUMNS = 7
_MEAN_OF_HALF_NORMAL = math.sqrt(2.0 / math.pi)


@njit(cache=True)
def draw_all(energy, is_nr, er_table, nr_table, er_grid, nr_grid, seed, first, photons, electrons):
    """Fill `photons` and `electrons` (int64) for energies (keV); a grid is (log of its lowest energy, step)."""
    state, row = np.empty(STATE, np.uint64), np.empty(COLUMNS)
    for i in range(len(energy)):
        restart(state, seed, first + i, QUANTA_STREAM)
        if is_nr[i]:
            _interpolate(nr_table, nr_grid, energy[i], row)
            ions, excitons = _rounded(state, row[IONS], row[FANO]), _rounded(state, row[EXCITONS], row[FANO])
        else:
            _interpolate(er_table, er_grid, energy[i], row)
            quanta = _rounded(state, row[QUANTA], row[FANO])
            ions = binomial(state, quanta, row[IONS] / row[QUANTA])
            excitons = quanta - ions
        electrons[i] = _escaping(state, ions, row[FREE], row[OMEGA], row[DELTA])
        photons[i] = excitons + ions - electrons[i]


@njit(cache=True)
def _interpolate(table, grid, energy, row):
    place = (math.log(energy) - grid[0]) / grid[1]
    low = min(max(int(place), 0), table.shape[0] - 2)
    part = place - low
    for j in range(COLUMNS):
        row[j] = table[low, j] + part * (table[low + 1, j] - table[low, j])
    for j in (QUANTA, IONS, EXCITONS):  # tabulated a keV
        row[j] *= energy


@njit(cache=True)
def _rounded(state, mean, fano):
    return max(np.int64(math.floor(mean + math.sqrt(fano * mean) * normal(state) + 0.5)), np.int64(0))


@njit(cache=True)
def _escaping(state, ions, free, omega, delta):
    """Ions whose electrons escape recombination: a skew normal, rounded, as wide as binomial and `omega` together."""
    if ions == 0 or free >= 1.0:
        return ions
    width = math.sqrt(free * (1.0 - free) * ions + (omega * ions) ** 2)
    u = normal(state)
    if delta != 0.0:
        u = delta * (abs(normal(state)) - _MEAN_OF_HALF_NORMAL) + math.sqrt(1.0 - delta * delta) * u
        u /= math.sqrt(1.0 - (_MEAN_OF_HALF_NORMAL * delta) ** 2)
    electrons = np.int64(math.floor(free * ions + width * u + 0.5))
    return min(max(electrons, np.int64(0)), ions)
