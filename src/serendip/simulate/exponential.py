"""The one-dimensional benchmark of learned tests: a falling exponential, and signals hidden in it.

    n(x) = B r e^(−r x) + Σ signals,   x ≥ 0

Source: arXiv:1806.02350, section 4 (B = 2000, r = 8, `LEARNING_SIGNALS`); arXiv:2408.12296 (B = 2000, r = 1,
`WIDTH_SIGNALS`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.data import Events, Truth
from serendip.errors import InputError, unknown_name
from serendip.seeds import rng_for


@dataclass(frozen=True)
class Peak:
    """A Gaussian signal, as it is drawn in the papers: not cut off at 0.

    Attributes:
        events: how many are expected.
        mean: where it stands, in x.
        width: its standard deviation.
    """

    events: float
    mean: float
    width: float

    def __post_init__(self) -> None:
        if not (self.events >= 0 and self.width > 0 and np.isfinite([self.events, self.mean, self.width]).all()):
            raise InputError(f"Got {self}, but expected events >= 0, a finite mean and a width > 0.")

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n values of x."""
        return rng.normal(self.mean, self.width, n)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """ln p(x)."""
        return -0.5 * ((x - self.mean) / self.width) ** 2 - np.log(self.width * np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class Excess:
    """A signal without a peak: p(x) = r^(k+1) x^k e^(−r x) / k!.

    Attributes:
        events: how many are expected.
        power: k.
        rate: r.
    """

    events: float
    power: float = 2.0
    rate: float = 8.0

    def __post_init__(self) -> None:
        if not (self.events >= 0 and self.power > -1 and self.rate > 0):
            raise InputError(f"Got {self}, but expected events >= 0, power > -1 and rate > 0.")

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n values of x."""
        return rng.gamma(self.power + 1, 1 / self.rate, n)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """ln p(x); −∞ below 0."""
        constant = (self.power + 1) * np.log(self.rate) - special.gammaln(self.power + 1)
        inside = constant + special.xlogy(self.power, np.maximum(x, 0.0)) - self.rate * x
        return np.where(x >= 0, inside, -np.inf)


Signal = Peak | Excess

LEARNING_SIGNALS: Mapping[str, Signal] = {
    "tail_peak": Peak(10, 0.8, 0.02),
    "bulk_excess": Excess(90, 2.0, 8.0),
    "bulk_peak": Peak(35, 0.2, 0.02),
}
WIDTH_SIGNALS: tuple[Peak, ...] = (
    Peak(7, 4.0, 0.01),
    Peak(18, 4.0, 0.16),
    Peak(13, 4.0, 0.64),
    Peak(10, 6.4, 0.16),
    Peak(90, 1.6, 0.16),
)


def published_signal(name: str) -> Signal:
    """One of `LEARNING_SIGNALS`.

    Raises:
        InputError: there is none of that name.
    """
    if name not in LEARNING_SIGNALS:
        raise InputError(unknown_name("signal", name, LEARNING_SIGNALS))
    return LEARNING_SIGNALS[name]


def simulate_exponential(
    background: float = 2000,
    signals: Sequence[Signal] = (),
    *,
    rate: float = 8.0,
    counts: Literal["fixed", "poisson"] = "fixed",
    seed: int = 0,
) -> tuple[Events, Truth]:
    """Draw background and signal events, shuffled; the one column is `x`.

    Args:
        background: B, how many background events are expected.
        signals: what is hidden in it.
        rate: r, of the background.
        counts: "fixed" draws the expected numbers, rounded; "poisson" fluctuates each of them.
        seed: of all random numbers.

    Raises:
        InputError: a number is negative, or no event was asked for.
    """
    if not (np.isfinite(background) and background >= 0 and rate > 0):
        raise InputError(f"Got background={background}, rate={rate}, but expected background >= 0 and rate > 0.")
    rng = rng_for(seed, "simulate_exponential")
    expected = [float(background), *(float(signal.events) for signal in signals)]
    numbers = rng.poisson(expected) if counts == "poisson" else np.rint(expected).astype(int)
    if sum(expected) == 0:
        raise InputError("Got no background and no signal events, but expected at least one.")
    drawn = [signal.draw(rng, n) for signal, n in zip(signals, numbers[1:].tolist(), strict=True)]
    x = np.concatenate([rng.exponential(1 / rate, numbers[0]), *drawn])
    order = rng.permutation(len(x))
    return Events({"x": x[order]}, observers={"row": np.arange(len(x))}), Truth(order >= numbers[0])


def ideal_log_ratio(
    x: Float[np.ndarray, " n"], background: float, signals: Sequence[Signal], *, rate: float = 8.0
) -> Float[np.ndarray, " n"]:
    """ln n(x | background and signals) / n(x | background): what a learned f can at best become.

    With it the ideal statistic is t = 2 [Σ f(x) − Σ events of the signals], by the lemma of Neyman and Pearson.
    Below 0, where there is no background, it is the largest finite number: one such event decides.
    """
    log_background = np.log(background * rate) - rate * x
    with np.errstate(over="ignore"):
        ratio = sum(
            (signal.events * np.exp(signal.log_density(x) - log_background) for signal in signals), np.zeros_like(x)
        )
    return np.where(x >= 0, np.log1p(ratio), np.finfo(float).max)
