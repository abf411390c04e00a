"""What the reference is not sure of: nuisance parameters, each with the density ratio r(x; ν) = n(x|ν) / n(x|0).

ν counts in units of its own σ, and an auxiliary measurement A ~ N(ν, 1) constrains it. The logarithm of r is modelled
as quadratic in ν, δ1(x) ν + δ2(x) ν², and the effects of several nuisances multiply.

Source: d'Agnolo et al. 2021, arXiv:2111.13633.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError
from serendip.stats.sample_tests.checks import effective_size
from serendip.stats.sample_tests.reweighting import Closure, LogRatio, fit_with_closure
from serendip.stats.sample_tests.sample import Sample

Move = Callable[[np.ndarray, float], np.ndarray]


@runtime_checkable
class Nuisance(Protocol):
    """One thing that is uncertain."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def terms(self, x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """δ1 and δ2 of the model ln r(x; ν) = δ1 ν + δ2 ν²."""

    def thrown(
        self, x: Float[np.ndarray, "n d"], nu: float
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
        """Events of the reference as they are at ν: where they move to, and ln of their new weight over the old."""


@dataclass(frozen=True)
class Normalisation:
    """The expected number of events is uncertain: N(ν) = N e^{σν}.

    Attributes:
        name: what the report calls it.
        sigma: relative uncertainty; 0.15 is 15 %.

    Raises:
        InputError: σ is not above 0.
    """

    name: str
    sigma: float

    def __post_init__(self) -> None:
        require_sigma(self.sigma)

    def terms(self, x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        return np.full(len(x), float(self.sigma)), np.zeros(len(x))

    def thrown(
        self, x: Float[np.ndarray, "n d"], nu: float
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
        return x, np.full(len(x), self.sigma * nu)


@dataclass(frozen=True)
class ParametricShape:
    """An effect whose density ratio is known as a formula.

    The statistic takes the parabola in ν through ln r at −1, 0 and 1; toys are thrown from the formula itself, so that
    they show what the parabola misses.

    Attributes:
        name: what the report calls it.
        log_ratio: (x (n, d), ν) → ln r(x; ν) (n,), 0 at ν = 0.
    """

    name: str
    log_ratio: Callable[[np.ndarray, float], np.ndarray]

    def terms(self, x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        return parabola(self.log_ratio(x, 1.0), self.log_ratio(x, -1.0))

    def thrown(
        self, x: Float[np.ndarray, "n d"], nu: float
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
        return x, np.asarray(self.log_ratio(x, nu), float)


@dataclass(frozen=True, eq=False)
class LearnedShape:
    """An effect of which samples at ν = ±1 exist: ln r is the parabola through two learned log-ratios.

    Attributes:
        name: what the report calls it.
        up: ln n(x|+1) / n(x|0).
        down: ln n(x|−1) / n(x|0).
        closure: whether the reweighted nominal sample can be told from the two variations.
        move: (x, ν) → x', where the effect moves events; toys are then thrown by moving, not by the learned ratio.
        size: effective events of the smaller variation; infinite where it is the nominal sample moved, whose noise cancels.
    """

    name: str
    up: LogRatio
    down: LogRatio
    closure: Closure
    move: Move | None = None
    size: float = math.inf

    @classmethod
    def fit(
        cls, name: str, nominal: Sample, up: Sample, down: Sample, *, move: Move | None = None, seed: int = 0
    ) -> "LearnedShape":
        """Learn the effect from the nominal sample and from its two variations.

        Trap: the ratio carries the samples' total weights too. Weight each to the same luminosity, so that a variation
        that changes the yield says so; a sample of another size and weights 1 is read as another yield.

        Args:
            name: what the report calls it.
            nominal: at ν = 0; the reference, or a larger simulation of it.
            up: at ν = +1.
            down: at ν = −1.
            move: (x, ν) → x', if known.
            seed: of the centres and of the events held out for the closure.

        Raises:
            TooFewEventsError: a sample holds fewer than 500 events.
            InputError: features differ in number, or weights cancel.
        """
        learned_up, up_alike = fit_with_closure(nominal, up, seed=seed)
        learned_down, down_alike = fit_with_closure(nominal, down, seed=seed)
        size = math.inf if move else min(float(effective_size(sample.w)) for sample in (up, down))
        return cls(name, learned_up, learned_down, Closure(up_alike, down_alike), move, size)

    def terms(self, x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        return parabola(self.up(x), self.down(x))

    def thrown(
        self, x: Float[np.ndarray, "n d"], nu: float
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
        if self.move is not None:
            return self.move(x, nu), np.zeros(len(x))
        first, second = self.terms(x)
        return x, nu * first + nu**2 * second


@dataclass(frozen=True)
class Scaling:
    """A feature measured on an uncertain scale: x → x (1 + νσ)."""

    feature: int
    sigma: float

    def __call__(self, x: Float[np.ndarray, "n d"], nu: float) -> Float[np.ndarray, "n d"]:
        moved = np.array(x, float)
        moved[:, self.feature] *= 1 + nu * self.sigma
        return moved


def scale(name: str, feature: int, sigma: float, nominal: Sample, *, seed: int = 0) -> LearnedShape:
    """An uncertain scale of one feature, learned from the nominal sample moved by ±σ.

    Trap: a cut on the feature, in or before the sample, acts on the moved value; events just outside it must be in
    `nominal` for the scale to move them in.

    Raises:
        InputError: σ is not in (0, 1), or there is no such feature.
    """
    require_sigma(sigma)
    if sigma >= 1:
        raise InputError(f"Got sigma={sigma:g} of a scale, but expected it below 1; 0.05 is 5 %.")
    if not 0 <= feature < nominal.x.shape[1]:
        raise InputError(f"Got feature {feature}, but expected one of 0 to {nominal.x.shape[1] - 1}.")
    move = Scaling(feature, sigma)
    up, down = (Sample(move(nominal.x, nu), nominal.w) for nu in (1.0, -1.0))
    return LearnedShape.fit(name, nominal, up, down, move=move, seed=seed)


def all_terms(
    nuisances: Sequence[Nuisance], x: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """δ1 and δ2 of each nuisance at each event.

    Raises:
        InputError: one of them is not finite.
    """
    pairs = [nuisance.terms(x) for nuisance in nuisances]
    first, second = (
        np.reshape([pair[i] for pair in pairs], (len(pairs), len(x))).T for i in (0, 1)
    )  # columns contiguous: quicker
    for nuisance, one, other in zip(nuisances, first.T, second.T, strict=True):
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            raise InputError(
                f"Got a ratio of nuisance {nuisance.name!r} that is not finite, but expected r > 0 at ν = ±1."
            )
    return first, second


def parabola(
    up: Float[np.ndarray, " n"], down: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """δ1 and δ2 of the parabola through `down` at −1, 0 at 0 and `up` at 1."""
    with np.errstate(invalid="ignore"):  # inf − inf; `all_terms` names the nuisance
        return (up - down) / 2, (up + down) / 2


def require_sigma(sigma: float) -> None:
    """Refuse an uncertainty that is none.

    Raises:
        InputError: it is not above 0 and finite.
    """
    if not 0 < sigma < np.inf:
        raise InputError(f"Got sigma={sigma:g}, but expected it above 0; leave a nuisance out that has no uncertainty.")
