"""What of an event's quanta is detected: photons, electrons, areas; one event at a time, no pulses.

The random numbers of an event come from (seed, event): the same in any chunk or thread.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from serendip.simulate.tpc._kernels_random import STATE, binomial, normal, poisson, restart, uniform

LIGHT, PHOTONS, CHARGE, PULSES = 11, 12, 13, 14  # streams of an event; the quanta have another
FEW = 32  # S1 photons up to which each has a channel and a time; beyond, four of them always coincide
COLUMNS = 14
# Columns of what `detect` returns.
(
    HITS, CHANNELS, ELECTRONS, TOP, BOTTOM, S1, S2_TOP, S2_BOTTOM, DRIFT_TIME, ARRIVAL, X_SHIFT, Y_SHIFT, X_NOISE, Y_NOISE,
) = range(COLUMNS)  # fmt: skip


class Numbers(NamedTuple):
    """What the kernels need of a detector; units as in `Detector`."""

    g1: float
    velocity: float
    lifetime: float
    longitudinal: float
    transverse: float
    extraction: float
    gain: float
    gain_spread: float
    top_fraction: float
    double: float
    charge_spread: float
    tubes: int
    coincidence: int
    window: float


@njit(cache=True, nogil=True)
def look_up(values, low, scale, x, y, z):
    """A map's values at places; outside its grid those of the edge."""
    found = np.empty(len(x))
    for i in range(len(x)):
        found[i] = at(values, low, scale, x[i], y[i], z[i])
    return found


@njit(cache=True, nogil=True)
def at(values, low, scale, x, y, z):
    """A map's value at one place, linear between the nodes."""
    i, u = _cell((x - low[0]) * scale[0], values.shape[0])
    j, v = _cell((y - low[1]) * scale[1], values.shape[1])
    k, w = _cell((z - low[2]) * scale[2], values.shape[2])
    total = 0.0
    for a in range(2 if u > 0 else 1):
        for b in range(2 if v > 0 else 1):
            share = (u if a else 1 - u) * (v if b else 1 - v)
            total += share * (1 - w) * values[i + a, j + b, k]
            if w > 0:
                total += share * w * values[i + a, j + b, k + 1]
    return total


@njit(cache=True)
def _cell(place, nodes):
    """The node below, and how far the place is to the next, in parts of a cell."""
    if place <= 0.0 or nodes == 1:
        return 0, 0.0
    if place >= nodes - 1:
        return nodes - 1, 0.0
    node = int(place)
    return node, place - node


@njit(cache=True)
def charge(state, photons, double, spread):
    """PE of so many detected photons: some free two electrons, each of a charge that spreads about 1."""
    electrons = photons + binomial(state, photons, double)
    if electrons == 0:
        return 0.0
    return max(electrons + spread * math.sqrt(electrons) * normal(state), 0.0)


@njit(cache=True)
def photon_hits(state, count, cumulative, tubes, times, channels):
    """A time (ns) and a channel for each of a few photons, sorted by time; the channels are equally likely."""
    for i in range(count):
        channel, time = int(uniform(state) * tubes), _time(uniform(state), cumulative)
        j = i
        while j > 0 and times[j - 1] > time:
            times[j], channels[j] = times[j - 1], channels[j - 1]
            j -= 1
        times[j], channels[j] = time, channel


@njit(cache=True)
def _time(u, cumulative):
    after = np.searchsorted(cumulative, u)
    if after == 0:
        return 0.0
    if after >= len(cumulative):
        return float(len(cumulative) - 1)
    low, high = cumulative[after - 1], cumulative[after]
    return after - 1 + (u - low) / (high - low)


@njit(cache=True)
def coincidence(count, times, channels, wanted, window):
    """The first photon from which on enough channels see light within the window, and how many; −1 where none."""
    most = 0
    for first in range(count):
        seen = _distinct(first, count, times, channels, window)
        if seen >= wanted:
            return first, seen
        most = max(most, seen)
    return -1, most


@njit(cache=True)
def _distinct(first, count, times, channels, window):
    seen = 0
    for i in range(first, count):
        if times[i] - times[first] > window:
            break
        new = 1
        for j in range(first, i):
            if channels[j] == channels[i]:
                new = 0
                break
        seen += new
    return seen


@njit(cache=True)
def _occupied(state, photons, tubes):
    """How many channels many photons hit: a normal with the moments of the occupancy problem, rounded."""
    filling = photons / tubes
    empty = math.exp(-filling)
    spread = math.sqrt(max(tubes * empty * (1 - (1 + filling) * empty), 0.0))
    drawn = tubes * (1 - empty) + spread * normal(state)
    return min(max(math.floor(drawn + 0.5), 1.0), min(float(photons), float(tubes)))


@njit(cache=True)
def _seen_soon(cumulative, hits, window):
    """Part of the photons after the first that comes within the window that the first one opens."""
    first = 0
    while cumulative[first] * hits < 1.0:
        first += 1
    last = min(first + int(window), len(cumulative) - 1)
    return (cumulative[last] - cumulative[first]) / (1 - cumulative[first])


@njit(cache=True, nogil=True)
def detect(seed, first, photons, electrons, x, y, z, row, numbers, s1_map, s2_map, cumulative):
    """What of the quanta of each event is detected, (n, COLUMNS).

    `first` is the number of the first event; photons and electrons are those at the site (x, y, z) in cm; `row` is
    that of `cumulative`, the distributions of photon times at 0, 1, … ns, which holds for the event; `numbers` are
    `Numbers`, and the maps (values, corner, scale) of relative light yields.
    """
    n = len(photons)
    found = np.zeros((n, COLUMNS))
    state = np.empty(STATE, np.uint64)
    times, channels = np.empty(FEW), np.empty(FEW, np.int64)
    for i in range(n):
        restart(state, seed, first + i, LIGHT)
        out = found[i]
        chance = min(numbers.g1 * at(s1_map[0], s1_map[1], s1_map[2], x[i], y[i], z[i]), 1.0)
        hits = binomial(state, photons[i], chance)
        out[HITS] = hits
        out[S1] = charge(state, hits, numbers.double, numbers.charge_spread)
        if hits <= FEW:
            restart(state, seed, first + i, PHOTONS)
            photon_hits(state, hits, cumulative[row[i]], numbers.tubes, times, channels)
            out[CHANNELS] = coincidence(hits, times, channels, numbers.coincidence, numbers.window)[1]
        else:
            near = 1 + binomial(state, hits - 1, _seen_soon(cumulative[row[i]], hits, numbers.window))
            out[CHANNELS] = _occupied(state, near, numbers.tubes)
        restart(state, seed, first + i, CHARGE)
        _detect_charge(state, electrons[i], x[i], y[i], z[i], numbers, s2_map, out)
    return found


@njit(cache=True)
def _detect_charge(state, electrons, x, y, z, numbers, s2_map, out):
    """Drift, extraction and S2 light of one event into its row."""
    time = -z / numbers.velocity
    arrived = binomial(state, electrons, math.exp(-time / numbers.lifetime) * numbers.extraction)
    out[ELECTRONS] = arrived
    out[DRIFT_TIME] = time
    if arrived == 0:
        return
    centre = math.sqrt(2 * numbers.transverse * time / arrived)  # the mean of the cloud wanders by its width / √n
    out[X_SHIFT], out[Y_SHIFT] = centre * normal(state), centre * normal(state)
    out[ARRIVAL] = math.sqrt(2 * numbers.longitudinal * time / arrived) / numbers.velocity * normal(state)
    gains = max(arrived + numbers.gain_spread * math.sqrt(arrived) * normal(state), 0.0)
    relative = at(s2_map[0], s2_map[1], s2_map[2], x + out[X_SHIFT], y + out[Y_SHIFT], z)
    seen = poisson(state, numbers.gain * relative * gains)
    top = binomial(state, seen, numbers.top_fraction)
    out[TOP], out[BOTTOM] = top, seen - top
    out[S2_TOP] = charge(state, top, numbers.double, numbers.charge_spread)
    out[S2_BOTTOM] = charge(state, seen - top, numbers.double, numbers.charge_spread)
    out[X_NOISE], out[Y_NOISE] = normal(state), normal(state)
