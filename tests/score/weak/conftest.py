"""Events whose features move with the mass, a signal in a window, and a simulation that is wrong in a known way."""

from dataclasses import dataclass

import numpy as np
import pytest

from serendip.data import Window

FAST = {"members": 4, "iterations": 15}


@dataclass(frozen=True)
class Toy:
    """Background x ~ N(0.4 (m − 3), 1) in three features; the signal lies 2.5 higher in two of them.

    Attributes:
        x: features of the data.
        m: their masses.
        is_signal: the truth.
        window: that of the signal.
        simulation: features, masses, weights; its first feature is 0.5 too high.
        background: more background events of the window.
    """

    x: np.ndarray
    m: np.ndarray
    is_signal: np.ndarray
    window: Window
    simulation: tuple[np.ndarray, np.ndarray, None]
    background: np.ndarray


def background(rng, n):
    m = 1.5 + rng.exponential(2.0, n)
    return rng.normal(size=(n, 3)) + 0.4 * (m - 3)[:, None], m


def make_toy(n=8000, signal=500, seed=0):
    rng, window = np.random.default_rng(seed), Window(3.0, 4.0)
    x, m = background(rng, n)
    m_signal = rng.normal(3.5, 0.15, signal)
    x_signal = rng.normal(size=(signal, 3)) + np.array([2.5, 2.5, 0.0])
    order = rng.permutation(n + signal)
    x_sim, m_sim = background(rng, 2 * n)
    x_sim[:, 0] += 0.5
    x_more, m_more = background(rng, 4 * n)
    return Toy(
        np.concatenate([x, x_signal])[order],
        np.concatenate([m, m_signal])[order],
        order >= n,
        window,
        (x_sim, m_sim, None),
        x_more[window.contains(m_more)],
    )


@pytest.fixture(scope="package")
def toy():
    return make_toy()


@pytest.fixture(scope="package")
def fresh():
    """Events that no fit has seen."""
    return make_toy(seed=7)


@pytest.fixture(scope="package")
def without_signal():
    return make_toy(24_000, 0, seed=3)


@pytest.fixture
def fast():
    return dict(FAST)
