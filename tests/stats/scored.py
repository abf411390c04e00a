"""Scored pools with known truth: electron recoils, few nuclear recoils, and a signal among the nuclear recoils."""

import numpy as np

from serendip.seeds import rng_for
from serendip.stats.pseudo_experiments import Pool

SIGNAL_SHIFT = 4.0
BAND = 0.08  # width of a band in log10 cS2


def electron_recoils(n: int, seed: int, expected: float = 1000.0, uncertainty: float = 0.03) -> Pool:
    rng = rng_for(seed, "er")
    return _events("er", rng.uniform(5, 80, n), rng.standard_normal(n), rng, expected, uncertainty)


def nuclear_recoils(n: int, seed: int, expected: float = 5.0, uncertainty: float = 0.25, scale: float = 15.0) -> Pool:
    rng = rng_for(seed, f"nr {scale}")
    away = rng.standard_normal(n) - SIGNAL_SHIFT
    return _events("nr", 5 + rng.exponential(scale, n), away, rng, expected, uncertainty)


def backgrounds(n: int, seed: int, expected: float = 1000.0) -> list[Pool]:
    return [electron_recoils(n, seed, expected), nuclear_recoils(max(n // 20, 1000), seed)]


def _events(name, cs1, away, rng, expected, uncertainty) -> Pool:
    columns = {
        "cs1": cs1,
        "log_cs2": 3.5 + 0.4 * np.log10(cs1 / 20) + BAND * away,
        "ts": -away + 0.1 * rng.standard_normal(len(cs1)),
        "noise": rng.standard_normal(len(cs1)),
    }
    return Pool(name, columns, expected, uncertainty)
