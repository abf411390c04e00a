"""A falling spectrum of known shape, which the dijet family holds exactly."""

import numpy as np

from serendip.data.window import Window
from serendip.seeds import rng_for

EDGES = np.linspace(2800.0, 6400.0, 46)
WINDOW = Window(float(EDGES[14]), float(EDGES[19]))


def expected(events: float) -> np.ndarray:
    """Expected counts of (1 − x)⁹ / x⁵, integrated over fine steps of each bin."""
    fine = np.linspace(EDGES[:-1], EDGES[1:], 201)
    x = 0.5 * (fine[1:] + fine[:-1]) / 13_000
    shape = ((1 - x) ** 9 / x**5).sum(0)
    return events * shape / shape.sum()


def toys(events: float, k: int, seed: int = 1) -> np.ndarray:
    """Poisson spectra without a signal, of shape (k, 45)."""
    return rng_for(seed, "falling spectra").poisson(expected(events), (k, len(EDGES) - 1)).astype(float)
