"""Waveforms and hit patterns of events whose photons and areas are drawn already, one event at a time.

The photons of an S1 and the electrons of an S2 are shared among samples by binomials one after the other; the photons
of an S2 as `share_out` does. Charges are then scaled so that a pulse sums to the event's area.
"""

import math

import numpy as np
from numba import njit

from serendip.simulate.tpc._kernels_areas import (
    BOTTOM,
    DRIFT_TIME,
    ELECTRONS,
    FEW,
    HITS,
    PHOTONS,
    PULSES,
    S1,
    S2_BOTTOM,
    S2_TOP,
    TOP,
    X_SHIFT,
    Y_SHIFT,
    coincidence,
    photon_hits,
)
from serendip.simulate.tpc._kernels_charge import binomial_of, charge_of_count, scale, share_out
from serendip.simulate.tpc._kernels_random import STATE, normal, restart, uniform

BEFORE = 10  # sample in which the S1's first photon is put
REACH = 4.5  # standard deviations of the drifted cloud that are followed
STEPS_A_SIGMA = 256  # of the table of the normal distribution


@njit(cache=True)
def _s1_of_few(state, hits, cumulative, numbers, sample, times, channels, wave):
    """Charges at the very photons that the trigger saw; aligned to the first of the coincidence."""
    photon_hits(state, hits, cumulative, numbers.tubes, times, channels)
    first = max(coincidence(hits, times, channels, numbers.coincidence, numbers.window)[0], 0)
    phase = uniform(state)
    for i in range(hits):
        at = BEFORE + math.floor(phase + (times[i] - times[first]) / sample)
        if 0 <= at < len(wave):
            wave[at] += charge_of_count(1, uniform(state), normal(state), numbers.double, numbers.charge_spread)


@njit(cache=True)
def _s1_of_many(state, hits, cumulative, numbers, sample, wave):
    """Photons shared among the samples; aligned to the first that is not empty."""
    phase = uniform(state) * sample
    left, before, at, b = hits, 0.0, -1, 0
    while left > 0 and at < len(wave) - 1:
        b += 1
        up_to = _cumulative_at(cumulative, b * sample - phase)
        k = binomial_of(uniform(state), normal(state), left, (up_to - before) / (1 - before)) if up_to < 1.0 else left
        before = up_to
        left -= k
        if at < 0 and k > 0:
            at = BEFORE - 1
        if at >= 0:
            at += 1
            wave[at] = charge_of_count(k, uniform(state), normal(state), numbers.double, numbers.charge_spread)


@njit(cache=True)
def _cumulative_at(cumulative, time):
    """A distribution at a time in ns, linear between whole ones."""
    if time <= 0.0:
        return 0.0
    i = int(time)
    if i >= len(cumulative) - 1:
        return 1.0
    return cumulative[i] + (time - i) * (cumulative[i + 1] - cumulative[i])


@njit(cache=True)
def _electrons_in_time(state, electrons, sigma, gain_spread, table, light):
    """Charge emerging sample by sample, in mean electrons; `sigma` in samples. Returns how many samples it fills."""
    half = math.ceil(REACH * sigma)
    samples = min(2 * half + 1, len(light))
    centre = half + uniform(state)
    left, before = electrons, 0.0
    for b in range(samples):
        up_to = _normal_below(table, (b + 1 - centre) / sigma) if b < samples - 1 else 1.0
        k = binomial_of(uniform(state), normal(state), left, (up_to - before) / (1 - before)) if before < 1.0 else left
        before = up_to
        left -= k
        light[b] = max(k + gain_spread * math.sqrt(k) * normal(state), 0.0) if k > 0 else 0.0
    return samples


@njit(cache=True)
def _normal_below(table, z):
    """The normal distribution, from its table on |z| ≤ 6."""
    place = (z + 6.0) * STEPS_A_SIGMA
    if place <= 0.0:
        return 0.0
    if place >= len(table) - 1:
        return 1.0
    i = int(place)
    return table[i] + (place - i) * (table[i + 1] - table[i])


@njit(cache=True)
def _s2(state, out, sigma, area, numbers, emission, table, cloud, light, charges, wave):
    """One S2 waveform, its median charge in the middle sample."""
    samples = _electrons_in_time(state, int(out[ELECTRONS]), sigma, numbers.gain_spread, table, cloud)
    filled = samples + len(emission) - 1
    light[:filled] = 0.0
    for b in range(samples):
        if cloud[b] > 0.0:
            for j in range(len(emission)):
                light[b + j] += cloud[b] * emission[j]
    seen, charges = light[:filled], charges[:filled]
    charges[:] = 0.0
    if seen.sum() <= 0.0:  # gains that spread widely may all be cut at 0
        seen[:] = 1.0
    seen /= seen.sum()
    share_out(state, int(out[TOP] + out[BOTTOM]), area, seen, numbers.double, numbers.charge_spread, charges)
    shift = len(wave) // 2 - _median(charges, area)
    for b in range(max(0, -shift), min(filled, len(wave) - shift)):
        wave[b + shift] = charges[b]


@njit(cache=True)
def _median(charges, area):
    total = 0.0
    for b in range(len(charges)):
        total += charges[b]
        if 2 * total >= area:
            return b
    return len(charges) // 2


@njit(cache=True)
def _chances(x, y, tubes, distance, exponent, reflected, chances):
    """The part of the top array's light in each tube, as `LightResponse`."""
    inverse, total = 1.0 / (distance * distance), 0.0
    for j in range(len(tubes)):
        s = 1.0 + ((x - tubes[j, 0]) ** 2 + (y - tubes[j, 1]) ** 2) * inverse
        chances[j] = 1.0 / (s * math.sqrt(s)) if exponent == 1.5 else s**-exponent
    for j in range(len(tubes)):
        total += chances[j]
    factor, floor = (1 - reflected) / total, reflected / len(tubes)
    for j in range(len(tubes)):
        chances[j] = factor * chances[j] + floor


@njit(cache=True, nogil=True)
def draw_pulses(
    seed, index, detected, x, y, row, numbers, cumulative, table, emission, tubes, response, samples, s1, s2, pattern
):
    """Fill `s1`, `s2` and `pattern`, float32 and zero before, of events, one row each.

    `index` are the events' numbers, `detected` what `detect` found, x and y of the site in cm, `row`, `numbers` and
    `cumulative` as for `detect`, `table` the normal distribution from −6 to 6, `emission` the light of an electron in the
    gas by sample, `tubes` the places of the top array in cm, `response` (distance in cm, exponent, reflected part) and
    `samples` the ns of an S1 and of an S2 sample.
    """
    state = np.empty(STATE, np.uint64)
    times, channels = np.empty(FEW), np.empty(FEW, np.int64)
    longest = 0.0
    for i in range(len(index)):
        longest = max(longest, detected[i, DRIFT_TIME])
    to_samples = math.sqrt(2 * numbers.longitudinal) / numbers.velocity * 1e3 / samples[1]
    room = 2 * math.ceil(REACH * max(to_samples * math.sqrt(longest), 1.0)) + 1 + len(emission)
    cloud, light, charges, chances = np.empty(room), np.empty(room), np.empty(room), np.empty(len(tubes))
    for i in range(len(index)):
        out, hits = detected[i], int(detected[i, HITS])
        restart(state, seed, index[i], PHOTONS)
        if hits <= FEW:
            _s1_of_few(state, hits, cumulative[row[i]], numbers, samples[0], times, channels, s1[i])
        else:
            _s1_of_many(state, hits, cumulative[row[i]], numbers, samples[0], s1[i])
        scale(s1[i], out[S1])
        restart(state, seed, index[i], PULSES)
        sigma = max(to_samples * math.sqrt(out[DRIFT_TIME]), 0.05)
        area = out[S2_TOP] + out[S2_BOTTOM]
        _s2(state, out, sigma, area, numbers, emission, table, cloud, light, charges, s2[i])
        at_x, at_y = x[i] + out[X_SHIFT], y[i] + out[Y_SHIFT]
        _chances(at_x, at_y, tubes, response[0], response[1], response[2], chances)
        share_out(state, int(out[TOP]), out[S2_TOP], chances, numbers.double, numbers.charge_spread, pattern[i])
