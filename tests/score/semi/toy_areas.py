"""Areas alone, with a combined energy scale whose error is normal: the posterior under a flat prior is known."""

import numpy as np
from scipy.stats import truncnorm

from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.seeds import rng_for

LOW, HIGH = 1.0, 100.0


def resolution(energy):
    """keV."""
    return 0.5 + 0.04 * energy


def toy_areas(n, seed=0, *, light=1.0, charge=1.0, energy=None, share=0.4):
    """Recordings of uniform energies, these, and places; the yields may differ from those that the scale assumes."""
    rng = rng_for(seed, "toy areas")
    energy = rng.uniform(LOW, HIGH, n) if energy is None else np.full(n, float(energy))
    measured = np.maximum(energy + resolution(energy) * rng.normal(size=n), 0.01)
    share = share + 0.05 * rng.normal(size=n)
    s1, s2 = 9 * light * measured * (1 - share), 2000 * charge * measured * share
    xyz = 50 * rng.normal(size=(n, 3))
    columns = {"cs1": s1, "cs2": s2, "energy": s1 / 9 + s2 / 2000, "drift_time": -xyz[:, 2] / 0.15}
    blurred = xyz + rng.normal(size=(n, 3))
    return Recordings(Events(columns | dict(zip("xyz", blurred.T)))), energy, xyz


def known_posterior(measured):
    """Mean and standard deviation under the flat prior, where the resolution hardly changes within itself."""
    sigma = resolution(measured)
    found = truncnorm((LOW - measured) / sigma, (HIGH - measured) / sigma, measured, sigma)
    return found.mean(), found.std()
