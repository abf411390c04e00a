"""Densities p(x | m) by name: what template methods and density scores learn the background with.

A flow joins by an entry in `DENSITIES`: a class that follows `Density` and takes `seed` by keyword.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from serendip.errors import ConfigError, InputError, require_events, unknown_name
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.flow_density import FlowDensity
from serendip.score.matching_density import MatchingDensity
from serendip.score.quantile_density import QuantileDensity
from serendip.score.straightening import require_finite
from serendip.seeds import rng_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]

LOG_2PI = float(np.log(2 * np.pi))


class Density(Protocol):
    """What a density can do; `m` is None throughout where it was fitted without."""

    def fit(self, x: Features, m: PerEvent | None = None, w: PerEvent | None = None) -> "Density":
        """Learn p(x | m), or p(x); weights of either sign."""

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """log p(x | m), finite for every finite x."""

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """One event for each mass given; as many as stated where the density knows no mass."""

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """Where x lies in a space in which the events learned from are standard normal at every mass."""

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The inverse of `to_latent`."""


def make_density(name: str = "spline_maf", seed: int = 0, **settings: Any) -> Any:
    """A density that has not been fitted.

    Raises:
        ConfigError: the name or a setting is unknown.
    """
    if name not in DENSITIES:
        raise ConfigError("density.name: " + unknown_name("density", name, DENSITIES))
    known = set(inspect.signature(DENSITIES[name]).parameters) - {"seed"}
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"density.{setting}: " + unknown_name(f"setting of {name}", setting, known))
    return DENSITIES[name](seed=seed, **settings)


def make_settled_density(method: Any, seed: int | None = None) -> Any:
    """The density that a method's `density`, `density_settings` and `seed` describe, under another seed if one is given."""
    return make_density(method.density, method.seed if seed is None else seed, **(method.density_settings or {}))


class GaussianDensity(BaseEstimator):
    """A normal distribution whose mean and covariance factor are polynomials of the mass, in closed form.

    Each feature is regressed on those before it and on powers of the mass (its conditional mean), and its residual
    scale on the same powers. For features that are nearly normal, and for tests: it fits in milliseconds.

    Args:
        degree: of the polynomials in the mass.
        seed: unused by the fit, which draws nothing; there so that all densities are made alike.
    """

    def __init__(self, *, degree: int = 2, seed: int = 0) -> None:
        self.degree = degree
        self.seed = seed

    def fit(self, x: Features, m: PerEvent | None = None, w: PerEvent | None = None) -> "GaussianDensity":
        """Weighted least squares, feature by feature.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, or weights that cancel.
        """
        require_events(MIN_EVENTS, density_sample=x)
        w = np.ones(len(x)) if w is None else w
        require_finite(x, m)
        require_weight("density sample", w)
        self.conditional_ = m is not None
        self.centre_, self.scale_ = (0.0, 1.0) if m is None else (float(m.mean()), float(m.std()) or 1.0)
        powers = self._powers(len(x), m)
        coefficients, self.spread_ = [], np.empty((x.shape[1], powers.shape[1]))
        for i in range(x.shape[1]):
            design = np.column_stack([powers, x[:, :i]])
            solution = _least_squares(design, x[:, i], w)
            coefficients.append(solution)
            self.spread_[i] = _least_squares(powers, (x[:, i] - design @ solution) ** 2, w)
        self.coefficients_ = coefficients
        self.floor_ = np.maximum(1e-3 * np.abs(self.spread_[:, 0]), 1e-12)
        return self

    def _powers(self, n: int, m: PerEvent | None) -> Float[np.ndarray, "n powers"]:
        if (m is not None) != self.conditional_:
            raise InputError(f"Got {'a' if m is not None else 'no'} mass, but the fit had it the other way.")
        if m is None:
            return np.ones((n, 1))
        return ((m[:, None] - self.centre_) / self.scale_) ** np.arange(self.degree + 1)

    def _sigma(self, powers: Float[np.ndarray, "n powers"]) -> Features:
        return np.sqrt(np.maximum(powers @ self.spread_.T, self.floor_))

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """Residuals in units of their spread."""
        powers = self._powers(len(x), m)
        mean = [np.column_stack([powers, x[:, :i]]) @ c for i, c in enumerate(self.coefficients_)]
        return (x - np.column_stack(mean)) / self._sigma(powers)

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """Features rebuilt one after the other."""
        powers = self._powers(len(z), m)
        x, sigma = np.empty_like(z), self._sigma(powers)
        for i, coefficients in enumerate(self.coefficients_):
            x[:, i] = np.column_stack([powers, x[:, :i]]) @ coefficients + sigma[:, i] * z[:, i]
        return x

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """Sum of the conditional normal log densities."""
        sigma = self._sigma(self._powers(len(x), m))
        z = self.to_latent(x, m)
        return -0.5 * np.sum(z**2 + LOG_2PI, axis=1) - np.log(sigma).sum(axis=1)

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """Standard normal draws, mapped."""
        number = m if isinstance(m, int) else len(m)
        z = rng_for(seed, "gaussian density").normal(size=(number, len(self.coefficients_)))
        return self.from_latent(z, None if isinstance(m, int) else m)


def _least_squares(design: np.ndarray, target: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Weighted, by normal equations with a jitter, so that constant columns do no harm."""
    gram = (design * w[:, None]).T @ design
    gram[np.diag_indices_from(gram)] += 1e-9 * np.abs(np.diag(gram)).max()
    return np.linalg.solve(gram, design.T @ (w * target))


SPLINES: dict[str, Any] = {"hidden": 32, "epochs": 10, "batch": 512, "learning_rate": 3e-3}  # larger ones are no better

DENSITIES: dict[str, Callable[..., Any]] = {
    "flow_matching": MatchingDensity,
    "gaussian": GaussianDensity,
    "maf": partial(FlowDensity, "maf"),
    "quantiles": QuantileDensity,
    "spline_coupling": partial(FlowDensity, "spline_coupling", blocks=4, **SPLINES),
    "spline_maf": partial(FlowDensity, "spline_maf", blocks=2, **SPLINES),
}
