"""Muons in a chamber of four staggered layers of drift tubes, healthy or with voltage or thresholds lowered.

A muon crosses the layers on a straight line. In each it passes a wire at distance d, and the electrons reach the wire
after t(d) = ∫ dd'/v(d'). The signal is seen once its pulse crosses the threshold; noise or a δ electron before it makes the
time too short. The angle is fitted to the four hits with the nominal velocity, as the detector would, so that
whatever is wrong with the times is wrong with the angle too.

Geometry and nominal velocity are those of the CMS-type chambers of arXiv:2303.05413 (cells of 42 mm × 13 mm, 54 µm/ns,
longest drift 389 ns); the response to lowered voltages is a model of ours, not a fit to that detector.
"""

import numpy as np
from jaxtyping import Float

from serendip.data import Events
from serendip.errors import InputError
from serendip.seeds import rng_for

LAYERS = 4
CELL_WIDTH, CELL_HEIGHT = 42.0, 13.0  # mm
DRIFT_VELOCITY = 0.054  # mm/ns
LONGEST = 0.5 * CELL_WIDTH / DRIFT_VELOCITY  # ns
RESOLUTION = 3.5  # ns: diffusion and clock, about 0.2 mm
MAX_ANGLE = 45.0  # degrees: the scintillators above and below see no steeper one
FIELD_SHARE = 0.6  # of the field at the edge of a cell that the cathodes make; none of it at the wire
MOBILITY_POWER = 0.5  # v ∝ E^0.5 near the plateau of Ar/CO2
RISE_TIME = 8.0  # ns that a pulse of median height takes to the nominal threshold
PULSE_SPREAD = 0.5  # of ln height: fluctuations of the ionisation
DELTA_RAY = 0.04  # chance that a δ electron comes before the muon's own electrons
NOISE = 0.02  # chance of a noise hit within the longest drift at the nominal threshold
NOISE_SLOPE = 2.9  # noise crosses a threshold s with chance ∝ e^(−2.9 s²) (Rice): 15 times as often at a quarter of it
COLUMNS = ("t1", "t2", "t3", "t4", "theta")
UNITS = {"t1": "ns", "t2": "ns", "t3": "ns", "t4": "ns", "theta": "deg"}


def simulate_drift_tubes(events: int, *, cathode: float = 1.0, threshold: float = 1.0, seed: int = 0) -> Events:
    """Draw muons: four drift times (ns) and the fitted angle to the vertical (degrees).

    Args:
        events: how many.
        cathode: cathode voltage over nominal; lowered ones weaken the field at the edges of the cells, which
            makes long drifts longer.
        threshold: front-end threshold over nominal; lowered ones fire earlier, and on noise.
        seed: of all random numbers.

    Raises:
        InputError: a number is not positive, or above twice the nominal.
    """
    if events < 1:
        raise InputError(f"events: Got {events}, but expected at least 1.")
    for name, value in {"cathode": cathode, "threshold": threshold}.items():
        if not 0 < value <= 2:
            raise InputError(f"{name}: Got {value}, but expected 0 < {name} <= 2, in units of the nominal one.")
    rng = rng_for(seed, "simulate_drift_tubes")
    wire, offset = _crossings(rng, events)
    times = _seen(rng, drift_time(np.abs(offset), cathode), threshold)
    theta = _fitted_angle(wire, np.sign(offset), times)
    columns = dict(zip(COLUMNS, [*times.T, theta], strict=True))
    return Events(columns, observers={"row": np.arange(events)}, units=UNITS)


def drift_time(distance: Float[np.ndarray, "..."], cathode: float = 1.0) -> Float[np.ndarray, "..."]:
    """t(d) in ns at a distance in mm from the wire; linear at the nominal voltage.

    The field is E(d)/E₀ = 1 − FIELD_SHARE (1 − cathode) (d/d_max)², and v ∝ E^MOBILITY_POWER.
    """
    nodes = np.linspace(0, 1, 201)
    field = 1 - FIELD_SHARE * (1 - cathode) * nodes**2
    slowness = field**-MOBILITY_POWER
    steps = 0.5 * (slowness[1:] + slowness[:-1]) * np.diff(nodes)
    times = LONGEST * np.concatenate([[0.0], np.cumsum(steps)])
    return np.interp(distance / (0.5 * CELL_WIDTH), nodes, times)


def _crossings(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the nearest wire of each layer is, and the muon relative to it, mm, (n, layers)."""
    slope = np.tan(_angle(rng, n))
    x = rng.uniform(0, CELL_WIDTH, n)[:, None] + slope[:, None] * CELL_HEIGHT * np.arange(LAYERS)
    first = np.where(np.arange(LAYERS) % 2, 0.5 * CELL_WIDTH, 0.0)
    wire = first + CELL_WIDTH * np.rint((x - first) / CELL_WIDTH)
    return wire, x - wire


def _angle(rng: np.random.Generator, n: int) -> np.ndarray:
    """Angles of cosmic muons, p(θ) ∝ cos²θ within the acceptance, in radians."""
    grid = np.radians(np.linspace(-MAX_ANGLE, MAX_ANGLE, 2001))
    cumulative = grid / 2 + np.sin(2 * grid) / 4
    return np.interp(rng.uniform(cumulative[0], cumulative[-1], n), cumulative, grid)


def _seen(rng: np.random.Generator, drift: np.ndarray, threshold: float) -> np.ndarray:
    """The times at which the electronics fire: the first of muon, δ electron and noise."""
    height = np.exp(PULSE_SPREAD * rng.standard_normal(drift.shape))
    t = drift + RESOLUTION * rng.standard_normal(drift.shape) + RISE_TIME * (threshold / height - 1)
    early = rng.random(drift.shape) < DELTA_RAY
    t = np.where(early, t * rng.random(drift.shape), t)
    noisy = rng.random(drift.shape) < NOISE * np.exp(NOISE_SLOPE * (1 - threshold**2))
    return np.where(noisy, np.minimum(t, LONGEST * rng.random(drift.shape)), t)


def _fitted_angle(wire: np.ndarray, side: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The angle of a straight line through the four hits, degrees; which side of the wire is taken as known."""
    z = CELL_HEIGHT * (np.arange(LAYERS) - 0.5 * (LAYERS - 1))
    hit = wire + side * DRIFT_VELOCITY * times
    return np.degrees(np.arctan(hit @ z / (z @ z)))
