"""Recordings that are quick to make: NEST-free, but with areas, times and patterns as in a dual-phase TPC."""

import numpy as np

from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.seeds import rng_for

PMTS = 61
RADIUS = 40.0  # cm


def pmt_positions():
    """A sunflower of PMTs, cm."""
    k = np.arange(PMTS)
    r, phi = RADIUS * np.sqrt((k + 0.5) / PMTS), k * np.pi * (3 - np.sqrt(5))
    return np.column_stack([r * np.cos(phi), r * np.sin(phi)])


def toy_recordings(n=2000, seed=0, part_nr=0.5):
    """Electron and nuclear recoils of the same S1s: nuclear ones have a third of the charge and earlier light."""
    rng = rng_for(seed, "toy recordings")
    is_nr = rng.random(n) < part_nr
    phi, r, depth = rng.uniform(0, 2 * np.pi, n), RADIUS * np.sqrt(rng.random(n)), rng.random(n)
    xy = np.column_stack([r * np.cos(phi), r * np.sin(phi)])
    photons = np.exp(rng.uniform(np.log(20), np.log(300), n))
    charge = 40 * photons * np.where(is_nr, 0.35, 1.0) * np.exp(0.15 * rng.normal(size=n))
    s1 = _pulse(rng, photons, 60, _decay(np.where(is_nr, 2.0, 4.0)))
    s2 = _pulse(rng, charge, 90, _bell(4 + 8 * np.sqrt(depth)))
    distance = np.hypot(*(xy[:, None] - pmt_positions()).transpose(2, 0, 1))
    seen = 1 / (1 + (distance / 7) ** 2) ** 1.5
    pattern = rng.poisson(0.6 * charge[:, None] * seen / seen.sum(axis=1, keepdims=True)).astype(np.float32)
    areas = {"s1": s1.sum(axis=1, dtype=float), "s2": s2.sum(axis=1, dtype=float)}
    columns = areas | {"cs1": areas["s1"], "cs2": areas["s2"], "x": xy[:, 0], "y": xy[:, 1], "drift_time": 2000 * depth}
    truth = {"is_nr": is_nr.astype(float), "true_x": xy[:, 0], "true_y": xy[:, 1]}
    return Recordings(Events(columns), s1, s2, pattern, truth)


def labels(recordings):
    """Which are nuclear recoils."""
    return recordings.truth["is_nr"] > 0.5


def _decay(times):
    return lambda t: np.where(t >= 5, np.exp(-(t - 5) / times[:, None]), 0)


def _bell(widths):
    return lambda t: np.exp(-0.5 * ((t - 45) / widths[:, None]) ** 2)


def _pulse(rng, light, samples, shape):
    when = shape(np.arange(samples)[None, :])
    return rng.poisson(light[:, None] * when / when.sum(axis=1, keepdims=True)).astype(np.float32)
