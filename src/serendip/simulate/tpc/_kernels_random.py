"""Random numbers of one event, from (seed, event, stream) alone: the same bits in any chunk, order or thread.

Source: xoshiro256++ (Blackman and Vigna 2021, arXiv:1805.01407), started by splitmix64 as its authors advise; normal
by the ziggurat (Marsaglia and Tsang 2000, J. Stat. Softw. 5(8), with Doornik's exact choice of bits); Poisson and
binomial by inversion where the mean is below 10, above by transformed rejection, PTRS and BTRS (Hörmann 1993,
doi:10.1016/0167-6687(93)90997-4 and doi:10.1080/00949659308811496): exact for every mean, none is rounded from a normal.

A kernel that calls these from another file keeps its compiled copy when this file changes: numba's cache looks at the
caller's file only.
"""

import math

import numpy as np
from numba import njit

STATE = 4  # words of a state
INVERSION_BELOW = 10.0  # mean up to which counting up from 0 is the quicker way

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = 2.0**-52


def _ziggurat(layers: int = 256, tail: float = 3.6541528853610088) -> tuple[np.ndarray, np.ndarray]:
    """Right edges and heights of the layers of equal area under exp(−x²/2); 256 of them end at `tail`."""
    area = tail * math.exp(-0.5 * tail**2) + math.sqrt(math.pi / 2) * math.erfc(tail / math.sqrt(2))
    edges = np.zeros(layers + 1)
    edges[0], edges[1] = area * math.exp(0.5 * tail**2), tail  # the base, as wide as a box that holds its tail
    for i in range(2, layers):
        edges[i] = math.sqrt(-2 * math.log(area / edges[i - 1] + math.exp(-0.5 * edges[i - 1] ** 2)))
    return edges, np.exp(-0.5 * edges**2)


_EDGE, _HEIGHT = _ziggurat()
_TAIL = float(_EDGE[1])
# log k! less its Stirling approximation (k + ½) log(k + 1) − (k + 1) + ½ log 2π.
_STIRLING = np.array(
    [math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi)) for k in range(10)]
)
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


@njit(cache=True)
def _mix(word):
    word = (word ^ (word >> np.uint64(30))) * _MIX1
    word = (word ^ (word >> np.uint64(27))) * _MIX2
    return word ^ (word >> np.uint64(31))


@njit(cache=True)
def restart(state, seed, event, stream):
    """Set `state` (`STATE` words of uint64) to the beginning of a stream of an event; what `start` does without memory.

    Args:
        state: overwritten.
        seed: of the simulation, a non-negative integer below 2⁶³.
        event: number of the event, counted over all chunks.
        stream: number of the step (quanta, light, ...), so that one step's draws never move another's.
    """
    word = _mix(np.uint64(seed) + _GOLDEN)
    word = _mix(word + np.uint64(stream) + _GOLDEN)
    word = _mix(word + np.uint64(event) + _GOLDEN)  # one to one in the event: no two events share a state
    for i in range(STATE):
        word += _GOLDEN
        state[i] = _mix(word)


@njit(cache=True)
def start(seed, event, stream):
    """A fresh state; see `restart`, which spares the memory in a loop."""
    state = np.empty(STATE, np.uint64)
    restart(state, seed, event, stream)
    return state


@njit(cache=True)
def _next(state):
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    word = s0 + s3
    result = ((word << np.uint64(23)) | (word >> np.uint64(41))) + s0
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    state[1] = s1 ^ s2
    state[0] = s0 ^ s3
    state[2] = s2 ^ shifted
    state[3] = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    return result


@njit(cache=True)
def uniform(state):
    """A number above 0 and below 1, never one of them."""
    return (np.float64(_next(state) >> np.uint64(12)) + 0.5) * _STEP


@njit(cache=True)
def exponential(state):
    """A number of mean 1."""
    return -math.log(uniform(state))


@njit(cache=True)
def normal(state):
    """A number of mean 0 and standard deviation 1."""
    while True:
        word = _next(state)
        layer = np.int64(word & np.uint64(255))
        u = 2.0 * ((np.float64(word >> np.uint64(12)) + 0.5) * _STEP) - 1.0  # none of the bits that chose the layer
        x = u * _EDGE[layer]
        if abs(x) < _EDGE[layer + 1]:
            return x
        if layer == 0:
            return math.copysign(_beyond_tail(state), u)
        height = _HEIGHT[layer] + uniform(state) * (_HEIGHT[layer + 1] - _HEIGHT[layer])
        if height < math.exp(-0.5 * x * x):
            return x


@njit(cache=True)
def _beyond_tail(state):
    while True:
        x, y = exponential(state) / _TAIL, exponential(state)
        if 2.0 * y > x * x:
            return _TAIL + x


@njit(cache=True)
def _log_factorial(k):
    """log k! to 1e-12 of itself, for k ≥ 0."""
    if k < 10.0:
        rest = _STIRLING[np.int64(k)]
    else:
        square = (k + 1.0) ** 2
        rest = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
    return (k + 0.5) * math.log(k + 1.0) - (k + 1.0) + _HALF_LOG_TWO_PI + rest


@njit(cache=True)
def poisson(state, mean):
    """A count (int64) with this mean; 0 where the mean is not above 0."""
    if not mean > 0.0:
        return np.int64(0)
    if mean < INVERSION_BELOW:
        return _count_up(state, math.exp(-mean), mean, 0.0)
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform(state) - 0.5, uniform(state)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= sure:
            return np.int64(k)
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        height = math.log(v * inverse_alpha / (a / (us * us) + b))
        if height <= k * math.log(mean) - mean - _log_factorial(k):
            return np.int64(k)


@njit(cache=True)
def _count_up(state, chance, ratio, falling):
    """Inversion: the chance of k + 1 is that of k times ratio/(k + 1) − falling."""
    u, k = uniform(state), 0
    while u > chance and chance > 0.0:
        u -= chance
        k += 1
        chance *= ratio / k - falling
    return np.int64(k)


@njit(cache=True)
def binomial(state, n, p):
    """How many of `n` succeed (int64), each with chance `p`; 0 where either is not above 0, n where p is 1 or more."""
    if not (p > 0.0 and n > 0):
        return np.int64(0)
    if p >= 1.0:
        return np.int64(n)
    if p > 0.5:
        return np.int64(n) - _binomial_below_half(state, n, 1.0 - p)
    return _binomial_below_half(state, n, p)


@njit(cache=True)
def _binomial_below_half(state, n, p):
    odds = p / (1.0 - p)
    if n * p < INVERSION_BELOW:
        return _count_up(state, math.exp(n * math.log1p(-p)), (n + 1) * odds, odds)
    spread = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    alpha = (2.83 + 5.1 / b) * spread
    sure = 0.92 - 4.2 / b
    mode = math.floor((n + 1) * p)
    log_odds = math.log(odds)
    at_mode = _log_factorial(mode) + _log_factorial(n - mode)
    while True:
        u, v = uniform(state) - 0.5, uniform(state)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + c)
        if us >= 0.07 and v <= sure:
            return np.int64(k)
        if k < 0.0 or k > n:
            continue
        height = math.log(v * alpha / (a / (us * us) + b))
        if height <= at_mode - _log_factorial(k) - _log_factorial(n - k) + (k - mode) * log_odds:
            return np.int64(k)
