"""Charge of many or few photons, drawn quickly: what fills samples and tubes.

Counts of small mean are Poisson's by the alias method (Walker 1977, doi:10.1145/355744.355749), exact: that of the nearest
tabulated mean below, and that of the rest. From a mean of 20 the charge is a normal with the compound Poisson's mean,
variance and skewness (Cornish and Fisher 1938): its distribution is then exact to 0.3 %.
"""

import math

import numpy as np
from numba import njit
from scipy.stats import poisson

from serendip.simulate.tpc._kernels_random import normal, uniform

NORMAL_ABOVE = 20.0  # mean count from which a charge is a skewed normal
STEPS_A_PHOTON = 4  # tabulated means: 0, 0.25, 0.5, …
OUTCOMES = 64  # counts that the table knows; beyond lies 1e-13 of the chance
ONE_BY_ONE = 500  # photons up to which each is put into its place
MANY = 6  # photons from which their charge is one skewed normal


def _alias(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Chance to keep each outcome, and its replacement (Vose 1991)."""
    scaled = poisson.pmf(np.arange(OUTCOMES), mean)
    scaled *= OUTCOMES / scaled.sum()
    keep, other = np.ones(OUTCOMES), np.arange(OUTCOMES)
    small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
    while small and large:
        few, much = small.pop(), large.pop()
        keep[few], other[few] = scaled[few], much
        scaled[much] -= 1 - scaled[few]
        (small if scaled[much] < 1 else large).append(much)
    return keep, other


_TABLES = [_alias(step / STEPS_A_PHOTON) for step in range(int(NORMAL_ABOVE) * STEPS_A_PHOTON + 1)]
_KEEP = np.array([keep for keep, _ in _TABLES])
_OTHER = np.array([other for _, other in _TABLES])


@njit(cache=True)
def poisson_below(u, v, mean):
    """A count of a mean below `NORMAL_ABOVE`, from two uniform numbers."""
    row = int(mean * STEPS_A_PHOTON)
    place = u * OUTCOMES
    count = int(place)
    if place - count >= _KEEP[row, count]:
        count = _OTHER[row, count]
    rest = mean - row / STEPS_A_PHOTON
    if v < 1.0 - rest:  # below e^{−rest}, spares the exponential
        return count
    weight, k = math.exp(-rest), 0
    while v > weight and weight > 0.0:
        v -= weight
        k += 1
        weight *= rest / k
    return count + k


@njit(cache=True)
def binomial_of(u, z, left, chance):
    """How many of `left` succeed, from a uniform and a normal number; from a mean of `NORMAL_ABOVE` skewed and rounded."""
    if chance <= 0.0 or left == 0:
        return 0
    if chance >= 1.0:
        return left
    mean = left * chance
    if mean >= NORMAL_ABOVE:
        drawn = mean + math.sqrt(mean * (1 - chance)) * z + (1 - 2 * chance) * (z * z - 1) / 6
        return min(max(math.floor(drawn + 0.5), 0), left)
    weight, odds, k = math.exp(left * math.log1p(-chance)), chance / (1 - chance), 0
    while u > weight and k < left:
        u -= weight
        weight *= odds * (left - k) / (k + 1)
        k += 1
    return k


@njit(cache=True)
def charge_of_count(photons, u, z, double, spread):
    """PE of so many photons: each frees two electrons with chance `double`, an electron's charge spreads about 1."""
    if photons >= MANY:
        variance = double * (1 - double) + (1 + double) * spread * spread
        skewed = (z * z - 1) * double * (1 - double) * (1 - 2 * double + 3 * spread * spread) / (6 * variance)
        return max(photons * (1 + double) + math.sqrt(photons * variance) * z + skewed, 0.0)
    weight, electrons = 1.0, photons
    for _ in range(photons):
        weight *= 1 - double
    while u > weight and electrons < 2 * photons:
        u -= weight
        more = electrons - photons
        weight *= double / (1 - double) * (photons - more) / (more + 1)
        electrons += 1
    return max(electrons + spread * math.sqrt(electrons) * z, 0.0)


@njit(cache=True)
def charge_of_mean(mean, u, v, w, z, double, spread):
    """PE where photons fall with a mean, from three uniform numbers and a normal one; the count is Poisson's."""
    if mean < NORMAL_ABOVE:
        return charge_of_count(poisson_below(u, v, mean), w, z, double, spread)
    second = 1 + 3 * double + (1 + double) * spread * spread  # moments of one photon's charge about 0
    third = 1 + 7 * double + 3 * (1 + 3 * double) * spread * spread
    skewed = (z * z - 1) * third / (6 * second)
    return max(mean * (1 + double) + math.sqrt(mean * second) * z + skewed, 0.0)


@njit(cache=True)
def share_out(state, photons, area, chances, double, spread, values):
    """Charges of photons that fall into each place with its chance, scaled to an area; overwrites `chances`.

    Few photons are put into their places one by one. Of many, the counts are taken as independent and only the charges
    are scaled: their sum would else spread by less than 5 %.
    """
    n = len(chances)
    if photons <= ONE_BY_ONE:
        for j in range(1, n):
            chances[j] += chances[j - 1]
        for _ in range(photons):
            place = min(np.searchsorted(chances, uniform(state) * chances[n - 1]), n - 1)
            values[place] += charge_of_count(1, uniform(state), normal(state), double, spread)
    else:
        for j in range(n):
            mean = photons * chances[j]
            z = normal(state)
            if mean > 0.0:
                values[j] = charge_of_mean(mean, uniform(state), uniform(state), uniform(state), z, double, spread)
    scale(values, area)


@njit(cache=True)
def scale(values, area):
    """Make the values sum to an area."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    if total > 0.0:
        factor = area / total
        for i in range(len(values)):
            values[i] *= factor
