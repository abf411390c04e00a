"""The compiled scan behind `bump_hunt`.

The functions carry no annotations and are marked `no_type_check`: a type checker's wrapper cannot be compiled.
"""

import math
from typing import no_type_check

import numba
import numpy as np

compiled = numba.njit(cache=True, nogil=True)
LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


@compiled
@no_type_check
def log_poisson_tail(n, b):
    """ln P(X >= n) of a Poisson variable with mean b, for n > b > 0; no underflow.

    The largest term times the sum of the ratios to it. ln pmf is written with the deviance and Stirling's series
    (Loader 2000, "Fast and accurate computation of binomial probabilities"), which loses no digits at large n.
    """
    if n < 16:
        log_pmf = n * math.log(b) - b - math.lgamma(n + 1)
    else:
        stirling = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * n * n)) / (n * n)) / (n * n)) / n
        log_pmf = -0.5 * deviance(n, b) - 0.5 * math.log(n) - LOG_ROOT_TWO_PI - stirling
    total = term = 1.0
    k = n
    while term > 1e-17 * total:
        k += 1
        term *= b / k
        total += term
    return log_pmf + math.log(total)


@compiled
@no_type_check
def deviance(n, b):
    """2 (n ln(n / b) − (n − b)), without the cancellation at n near b."""
    x = (n - b) / b
    return 2 * b * ((1 + x) * math.log1p(x) - x)


@compiled
@no_type_check
def deviance_needed(t):
    """A deviance that every window with −ln p > t exceeds.

    P(X >= n) is at least the Gaussian tail beyond the root r of the deviance (Short 2013, doi:10.1155/2013/412958),
    and that tail at least exp(−r²/2) / √(2π) · 2 / (r + √(r² + 4)) (Birnbaum 1942). The bound on −ln p is convex
    in r, so that Newton from above converges to its solution from above; the last factor covers rounding.
    """
    if t <= LOG_ROOT_TWO_PI:
        return 0.0
    r = math.sqrt(2 * t)
    for _ in range(6):
        root = math.sqrt(r * r + 4)
        r -= (0.5 * r * r + LOG_ROOT_TWO_PI + math.log(0.5 * (r + root)) - t) / (r + 1 / root)
    return max(r, 0.0) ** 2 * (1 - 1e-9)


@compiled
@no_type_check
def scaled(b, n, total_b, total_n):
    """The background of a window, scaled to the counts outside it if `total_b`, the whole background, is positive."""
    if total_b <= 0:
        return b
    return b * (total_n - n) / (total_b - b) if total_b > b else 0.0


@compiled
@no_type_check
def window_t(n, b):
    """−ln p of an excess; 0 for a deficit, and where no background is expected."""
    return -log_poisson_tail(n, b) if n > b > 0 else 0.0


@compiled
@no_type_check
def cumulate(counts, cumulative):
    """Running sums of one histogram, from 0 on."""
    for i in range(counts.size):
        cumulative[i + 1] = cumulative[i] + counts[i]


@compiled
@no_type_check
def most_deviant(cumulative, low, high, expected):
    """The window with the largest excess² / background, by its index; −1 where there is no excess."""
    best, largest = -1, 0.0
    for j in range(low.size):
        excess = cumulative[high[j]] - cumulative[low[j]] - expected[j]
        if excess * abs(excess) > largest * expected[j]:
            best, largest = j, excess * excess / expected[j]
    return best


@compiled
@no_type_check
def largest_t_of_one(cumulative, low, high, expected):
    """The largest −ln p over all windows.

    The most deviant window is nearly always the answer, and its t a bound that spares the other windows their
    p-value: first by excess² / b, which is above the deviance and costs no logarithm, then by the deviance itself.
    """
    guess = most_deviant(cumulative, low, high, expected)
    if guess < 0:
        return 0.0
    best = window_t(cumulative[high[guess]] - cumulative[low[guess]], expected[guess])
    needed = deviance_needed(best)
    for j in range(low.size):
        n, b = cumulative[high[j]] - cumulative[low[j]], expected[j]
        excess = n - b
        if excess * abs(excess) > needed * b and deviance(n, b) > needed:
            value = window_t(n, b)
            if value > best:
                best, needed = value, deviance_needed(value)
    return best


@compiled
@no_type_check
def largest_t(counts, low, high, expected, total_b, t):
    """The largest −ln p over all windows for each row of `counts`, written into `t`."""
    cumulative = np.zeros(counts.shape[1] + 1)
    background = expected.copy()
    for toy in range(counts.shape[0]):
        cumulate(counts[toy], cumulative)
        if total_b > 0:
            for j in range(low.size):
                n = cumulative[high[j]] - cumulative[low[j]]
                b = scaled(expected[j], n, total_b, cumulative[-1])
                background[j] = b if b > 0 else np.inf  # shows no excess, as everywhere without background
        t[toy] = largest_t_of_one(cumulative, low, high, background)


@compiled
@no_type_check
def every_t(counts, low, high, expected, total_b, t, n_windows, b_windows):
    """−ln p, counts and background of every window of one histogram, written into the last three."""
    cumulative = np.zeros(counts.size + 1)
    cumulate(counts, cumulative)
    for j in range(low.size):
        n_windows[j] = cumulative[high[j]] - cumulative[low[j]]
        b_windows[j] = scaled(expected[j], n_windows[j], total_b, cumulative[-1])
        t[j] = window_t(n_windows[j], b_windows[j])
