"""The functions that column expressions may call, element by element."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Values = np.ndarray | np.generic  # a ufunc makes a scalar of an array without axes
ANY_NUMBER = 100


def pair_mass(
    px1: np.ndarray,
    py1: np.ndarray,
    pz1: np.ndarray,
    m1: np.ndarray,
    px2: np.ndarray,
    py2: np.ndarray,
    pz2: np.ndarray,
    m2: np.ndarray,
) -> Values:
    """Invariant mass of two particles from momenta and masses (GeV); 0 where rounding makes m² negative."""
    e1 = np.sqrt(px1**2 + py1**2 + pz1**2 + m1**2)
    e2 = np.sqrt(px2**2 + py2**2 + pz2**2 + m2**2)
    squared = m1**2 + m2**2 + 2 * (e1 * e2 - px1 * px2 - py1 * py2 - pz1 * pz2)
    return np.sqrt(np.maximum(squared, 0.0))


def ratio_or(a: np.ndarray, b: np.ndarray, default: np.ndarray) -> Values:
    """a / b, and `default` where b is 0: the way out for τ2/τ1 of a jet with a single constituent."""
    is_zero = np.equal(b, 0.0)
    return np.where(is_zero, default, a / np.where(is_zero, 1.0, b))


def _smallest(*values: np.ndarray) -> Values:
    return np.minimum.reduce(np.broadcast_arrays(*values))


def _largest(*values: np.ndarray) -> Values:
    return np.maximum.reduce(np.broadcast_arrays(*values))


@dataclass(frozen=True)
class Function:
    """A function that expressions may call, with the fewest and the most arguments it takes."""

    call: Callable
    fewest: int
    most: int

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        return f"at least {self.fewest}" if self.most == ANY_NUMBER else f"{self.fewest}"


FUNCTIONS: Mapping[str, Function] = {
    **{
        name: Function(getattr(np, name), 1, 1)
        for name in ("sqrt", "abs", "log", "log10", "exp", "sin", "cos", "tan", "sinh", "cosh", "isfinite")
    },
    "arctan2": Function(np.arctan2, 2, 2),
    "hypot": Function(np.hypot, 2, 2),
    "min": Function(_smallest, 2, ANY_NUMBER),
    "max": Function(_largest, 2, ANY_NUMBER),
    "where": Function(lambda condition, a, b: np.where(np.not_equal(condition, 0), a, b), 3, 3),
    "clip": Function(np.clip, 3, 3),
    "ratio_or": Function(ratio_or, 3, 3),
    "pair_mass": Function(pair_mass, 8, 8),
}
