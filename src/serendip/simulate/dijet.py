"""Dijet events whose truth is known in closed form: a falling spectrum with a resonance hidden in it.

The background has, as in the CMS dijet searches (Source: arXiv:1911.03947, eq. 1),

    p(m) ∝ (1 − z)^p1 / z^(p2 + p3 ln z),   z = m / 13 TeV,

and four jet features that do not depend on m. Among themselves they depend by a Gaussian copula: a normal
vector n of correlation `CORRELATION` gives each feature as the quantile of its law at Φ(n). The signal is a
Gaussian in m, cut off at the range, with independent features. Masses are in GeV.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import special

from serendip.data import Events, Truth
from serendip.errors import InputError
from serendip.seeds import rng_for

COLLISION_ENERGY = 13_000.0
SPECTRUM = (10.0, 1.5, 0.05)
MASS_RANGE = (2000.0, 6500.0)
NODES = 20_001  # a straight line between them is off by less than 1e-6 in the cumulative density
UNITS = {"mjj": "GeV", "mj_light": "GeV", "dmj": "GeV"}
MASS_LIKE = ("mj_light", "dmj")


@dataclass(frozen=True)
class LogNormal:
    """A law of jet masses: ln x is normal."""

    median: float
    spread: float

    def quantile(self, n: np.ndarray) -> np.ndarray:
        """x where a standard normal variable is n."""
        return self.median * np.exp(self.spread * n)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The inverse of `quantile`."""
        return np.log(x / self.median) / self.spread

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """ln p(x)."""
        return _log_normal(self.normal(x)) - np.log(self.spread * x)


@dataclass(frozen=True)
class Kumaraswamy:
    """A law of τ21: p(x) = a b x^(a−1) (1 − x^a)^(b−1) on (0, 1), like a beta law but with a closed inverse.

    Source: Kumaraswamy 1980, doi:10.1016/0022-1694(80)90036-0.
    """

    a: float
    b: float

    def quantile(self, n: np.ndarray) -> np.ndarray:
        """x where a standard normal variable is n."""
        return (-np.expm1(special.log_ndtr(-n) / self.b)) ** (1 / self.a)

    def normal(self, x: np.ndarray) -> np.ndarray:
        """The inverse of `quantile`."""
        return -special.ndtri((1 - x**self.a) ** self.b)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """ln p(x)."""
        return np.log(self.a * self.b) + (self.a - 1) * np.log(x) + (self.b - 1) * np.log1p(-(x**self.a))


Law = LogNormal | Kumaraswamy

BACKGROUND: Mapping[str, Law] = {
    "mj_light": LogNormal(75.0, 0.65),
    "dmj": LogNormal(110.0, 0.9),
    "tau21_1": Kumaraswamy(4.0, 6.0),
    "tau21_2": Kumaraswamy(4.0, 5.0),
}
SIGNAL: Mapping[str, Law] = {
    "mj_light": LogNormal(95.0, 0.17),
    "dmj": LogNormal(380.0, 0.14),
    "tau21_1": Kumaraswamy(2.5, 11.0),
    "tau21_2": Kumaraswamy(2.5, 9.0),
}
CORRELATION = np.array(
    [
        [1.0, 0.3, -0.3, -0.2],
        [0.3, 1.0, -0.2, -0.1],
        [-0.3, -0.2, 1.0, 0.1],
        [-0.2, -0.1, 0.1, 1.0],
    ]
)


def simulate_dijet(
    n_background: int,
    n_signal: int,
    *,
    signal_mass: float = 3500.0,
    signal_width: float = 100.0,
    features: int = 4,
    mass_correlation: float = 0.0,
    mass_range: tuple[float, float] = MASS_RANGE,
    seed: int = 0,
) -> tuple[Events, Truth]:
    """Draw background and signal events, shuffled.

    Args:
        n_background: how many background events; exactly so many, for a Poisson number draw it yourself.
        n_signal: how many signal events.
        signal_mass: mean mass of the resonance, GeV.
        signal_width: standard deviation of its mass, GeV.
        features: how many; beyond the four of `BACKGROUND` come `noise_1`, …, equal in both samples.
        mass_correlation: c, for the trap of arXiv:2109.00546: `mj_light` and `dmj` are shifted by c · m.
        mass_range: lowest and highest mass, GeV.
        seed: of all random numbers.

    Raises:
        InputError: a number is negative, the range is empty or beyond 13 TeV, or the resonance lies outside.
    """
    _check(n_background, n_signal, signal_mass, signal_width, features, mass_range)
    rng = rng_for(seed, "simulate_dijet")
    m = np.concatenate(
        [
            _background_mass(rng.random(n_background), mass_range),
            _signal_mass(rng.random(n_signal), signal_mass, signal_width, mass_range),
        ]
    )
    background = _background_normals(rng, n_background)
    signal = rng.standard_normal((n_signal, len(SIGNAL)))
    columns = {
        name: np.concatenate([BACKGROUND[name].quantile(background[:, i]), SIGNAL[name].quantile(signal[:, i])])
        + (mass_correlation * m if name in MASS_LIKE else 0.0)
        for i, name in enumerate(list(BACKGROUND)[:features])
    }
    columns |= {f"noise_{i + 1}": rng.standard_normal(len(m)) for i in range(features - len(BACKGROUND))}
    order = rng.permutation(len(m))
    columns = {name: x[order] for name, x in columns.items()}
    events = Events(columns, m[order], observers={"row": np.arange(len(m))}, units=UNITS, mass_name="mjj")
    return events, Truth(order >= n_background)


def background_density(
    m: Float[np.ndarray, " n"], mass_range: tuple[float, float] = MASS_RANGE
) -> Float[np.ndarray, " n"]:
    """p(m) of the background per GeV, 0 outside the range."""
    integral = _spectrum(mass_range)[1][-1]
    inside = (m >= mass_range[0]) & (m <= mass_range[1])
    return np.where(inside, _falling(np.where(inside, m, mass_range[0])) / integral, 0.0)


def background_cdf(m: Float[np.ndarray, " n"], mass_range: tuple[float, float] = MASS_RANGE) -> Float[np.ndarray, " n"]:
    """The share of the background below m: uniform for background events."""
    nodes, cumulative = _spectrum(mass_range)
    return np.interp(m, nodes, cumulative / cumulative[-1])


def feature_log_ratio(events: Events) -> Float[np.ndarray, " n"]:
    """ln p(x | signal) / p(x | background): no classifier can do better on events with mass_correlation = 0.

    Uses those of the four features that the events have; noise features say nothing.
    """
    names = [name for name in BACKGROUND if name in events.columns]
    chosen = [list(BACKGROUND).index(name) for name in names]
    correlation = CORRELATION[np.ix_(chosen, chosen)]
    n = np.column_stack([BACKGROUND[name].normal(events.columns[name]) for name in names])
    single = sum(
        SIGNAL[name].log_density(events.columns[name]) - BACKGROUND[name].log_density(events.columns[name])
        for name in names
    )
    excess = np.linalg.inv(correlation) - np.eye(len(names))
    return single + 0.5 * np.linalg.slogdet(correlation)[1] + 0.5 * np.einsum("ni,ij,nj->n", n, excess, n)


def _check(
    n_background: int,
    n_signal: int,
    signal_mass: float,
    signal_width: float,
    features: int,
    mass_range: tuple[float, float],
) -> None:
    low, high = mass_range
    if not 0 < low < high <= COLLISION_ENERGY:
        raise InputError(f"mass_range: Got {mass_range}, but expected 0 < low < high <= {COLLISION_ENERGY:g} GeV.")
    for name, value in {"n_background": n_background, "n_signal": n_signal}.items():
        if value < 0:
            raise InputError(f"{name}: Got {value}, but expected 0 or more.")
    if n_background + n_signal == 0:
        raise InputError("Got no background and no signal events, but expected at least one.")
    if features < 1:
        raise InputError(f"features: Got {features}, but expected at least 1.")
    if not (low < signal_mass < high and signal_width > 0):
        raise InputError(
            f"Got a resonance at {signal_mass:g} ± {signal_width:g} GeV, but expected one of positive width "
            f"in {low:g}–{high:g} GeV."
        )


def _falling(m: np.ndarray) -> np.ndarray:
    p1, p2, p3 = SPECTRUM
    z = m / COLLISION_ENERGY
    return (1 - z) ** p1 * np.exp(-(p2 + p3 * np.log(z)) * np.log(z))


@cache
def _spectrum(mass_range: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in m, and the integral of the spectrum up to each by Simpson's rule."""
    nodes = np.linspace(*mass_range, NODES)
    middle = 0.5 * (nodes[1:] + nodes[:-1])
    ends = _falling(nodes)
    steps = np.diff(nodes) * (ends[1:] + 4 * _falling(middle) + ends[:-1]) / 6
    return nodes, np.concatenate([[0.0], np.cumsum(steps)])


def _background_mass(u: np.ndarray, mass_range: tuple[float, float]) -> np.ndarray:
    nodes, cumulative = _spectrum(mass_range)
    return np.interp(u * cumulative[-1], cumulative, nodes)


def _signal_mass(u: np.ndarray, mean: float, width: float, mass_range: tuple[float, float]) -> np.ndarray:
    low, high = special.ndtr((np.array(mass_range) - mean) / width)
    return mean + width * special.ndtri(low + u * (high - low))


def _background_normals(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal((n, len(BACKGROUND))) @ np.linalg.cholesky(CORRELATION).T


def _log_normal(n: np.ndarray) -> np.ndarray:
    return -0.5 * n**2 - 0.5 * np.log(2 * np.pi)
