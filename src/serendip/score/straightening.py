"""Features and mass as a network wants them: quantiles made normal at every mass, the mass within the range of the fit."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError
from serendip.score.quantile_map import QuantileMap

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]

MOVING, REACH = 9, 2.0  # quantiles that may move with the mass, and the outermost


@dataclass(frozen=True, eq=False)
class MassRange:
    """The masses that a density was fitted with.

    Attributes:
        conditional: whether there were any.
        values: their mean, spread, lowest and highest.
    """

    conditional: bool
    values: Float[np.ndarray, "4"]

    @classmethod
    def fit(cls, m: PerEvent | None) -> "MassRange":
        """Of these masses."""
        return cls(m is not None, np.array([0, 1, 0, 0.0] if m is None else [m.mean(), m.std() or 1, m.min(), m.max()]))

    def standardise(self, n: int, m: PerEvent | None) -> PerEvent:
        """The masses of n events, clipped to the range of the fit and standardised; zeros where there are none.

        Raises:
            InputError: masses where the fit had none, or the other way.
        """
        if (m is not None) != self.conditional:
            raise InputError(f"Got {'a' if m is not None else 'no'} mass, but the fit had it the other way.")
        mean, spread, low, high = self.values
        return np.zeros(n) if m is None else (np.clip(m, low, high) - mean) / spread


class Straight(NamedTuple):
    """Events whose quantiles are normal.

    Attributes:
        near: their places, the far ones moved in.
        beyond: by how much those were moved, with their sign.
        t: standardised masses.
        log_change: what ln p of a place grows by to be that of the event, in the features' units.
    """

    near: Features
    beyond: Features
    t: PerEvent
    log_change: PerEvent


@dataclass(frozen=True, eq=False)
class Straightening:
    """Quantiles that move with the mass, then more of them that stay."""

    mass: MassRange
    maps: tuple[QuantileMap, ...]

    @classmethod
    def fit(cls, x: Features, m: PerEvent | None, w: PerEvent, quantiles: int) -> "Straightening":
        """Fit both maps.

        Raises:
            InputError: NaN among the features or masses, or a constant feature.
        """
        require_finite(x, m)
        mass = MassRange.fit(m)
        t = mass.standardise(len(x), m)
        moving = QuantileMap.fit(x, None if m is None else t, w, MOVING, REACH)
        return cls(mass, (moving, QuantileMap.fit(moving.forward(x, t)[0], None, w, quantiles)))

    def straighten(self, x: Features, m: PerEvent | None, farthest: float) -> Straight:
        """Events beyond `farthest` standard deviations are moved in; from there the density falls like a normal one.

        Raises:
            InputError: NaN among the features, or a mass where the fit had none.
        """
        require_finite(x, m)
        t, log_det = self.mass.standardise(len(x), m), np.zeros(len(x))
        for of_features in self.maps:
            x, change = of_features.forward(x, t)
            log_det += change
        near, beyond = np.clip(x, -farthest, farthest), np.maximum(np.abs(x) - farthest, 0.0)
        fall = np.sum(beyond * (0.5 * beyond + np.abs(near)), axis=1)
        return Straight(near, np.sign(near) * beyond, t, log_det - fall)

    def inverse(self, z: Features, t: PerEvent) -> Features:
        """The events at these places, at standardised masses."""
        for of_features in reversed(self.maps):
            z = of_features.inverse(z, t)
        return z

    @property
    def arrays(self) -> Any:
        """All that was learned, for a file."""
        return self.mass.values, [(one.levels, one.knots, one.trend) for one in self.maps]

    def filled(self, arrays: Any) -> "Straightening":
        """The same with other arrays."""
        return Straightening(MassRange(self.mass.conditional, arrays[0]), tuple(QuantileMap(*one) for one in arrays[1]))

    @classmethod
    def blank(cls, features: int, conditional: bool, quantiles: int) -> "Straightening":
        """One whose arrays have the shapes of a fitted one."""
        maps = tuple(QuantileMap.blank(features, count) for count in (MOVING, quantiles))
        return cls(MassRange(conditional, np.zeros(4)), maps)


def require_finite(x: Features, m: PerEvent | None) -> None:
    """Refuse events that have no density.

    Raises:
        InputError: a feature or a mass is NaN or infinite.
    """
    if not (np.isfinite(x).all() and (m is None or np.isfinite(m).all())):
        raise InputError("Got NaN or infinite features, but a density expects finite ones. Select them away.")
