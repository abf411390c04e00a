"""Δ: how much better a sample fits the reference once its nuisances may move.

Δ(D, A) = 2 max_ν ln [L(R_ν|D) L(ν|A)] / [L(R_0|D) L(0|A)], with the extended likelihood, so that
ln L(R_ν|D) / L(R_0|D) = Σ_D w ln r(x; ν) − N(R)/N_R Σ_R w (r(x; ν) − 1), and ln L(ν|A) = −|ν − A|²/2.

Source: d'Agnolo et al. 2021, arXiv:2111.13633.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import FitError

STEPS = 100
LONGEST_STEP = 1.0  # in σ; ln L is far from its parabola beyond
SHORTEST_STEP = 1e-7
CLOSE = 1e-11  # of ln L, relative to the expected events


@dataclass(frozen=True, eq=False)
class NuisanceModel:
    """ln r(x; ν) = δ1 ν + δ2 ν² at the reference's events.

    Attributes:
        first: δ1 of each nuisance.
        second: δ2 of each.
        w: the reference's weights; their sum is N(R).
    """

    first: Float[np.ndarray, "n k"]
    second: Float[np.ndarray, "n k"]
    w: Float[np.ndarray, " n"]

    def weights(self, nu: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
        """The reference's weights at ν."""
        return self.w * np.exp(self.first @ nu + self.second @ nu**2)


@dataclass(frozen=True, eq=False)
class Profile:
    """Where the nuisances go when the reference alone is fitted to a sample.

    Attributes:
        nu: the best values, in σ.
        delta: Δ, at least 0.
    """

    nu: Float[np.ndarray, " k"]
    delta: float


@dataclass(frozen=True, eq=False)
class NuisanceLikelihood:
    """ln L(R_ν|D) L(ν|A) of one sample.

    Attributes:
        model: of the reference.
        first: Σ_D w δ1.
        second: Σ_D w δ2.
        auxiliary: A.
    """

    model: NuisanceModel
    first: Float[np.ndarray, " k"]
    second: Float[np.ndarray, " k"]
    auxiliary: Float[np.ndarray, " k"]

    def at(self, nu: Float[np.ndarray, " k"]) -> "Local":
        """ln L around ν, without the terms that do not depend on ν."""
        model, pull = self.model, nu - self.auxiliary
        slope = slopes_at(model.first, model.second, nu)
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far has ln L = −∞, and is halved
            weights = model.weights(nu)
            value = float(nu @ self.first + nu**2 @ self.second - weights.sum() - 0.5 * pull @ pull)
            gradient = self.first + 2 * nu * self.second - weights @ slope - pull
            bend = 1 + 2 * (weights @ model.second - self.second)
            return Local(value, gradient, (slope.T * weights) @ slope + np.diag(bend))


@dataclass(frozen=True, eq=False)
class Local:
    """ln L at a point, its gradient, and minus its Hessian."""

    value: float
    gradient: Float[np.ndarray, " k"]
    information: Float[np.ndarray, "k k"]

    @property
    def is_peak(self) -> bool:
        """Whether ln L falls in every direction."""
        return bool((np.linalg.eigvalsh(self.information) > 0).all())

    def uphill(self) -> Float[np.ndarray, " k"]:
        """Newton's step, at most one σ long; where ln L is not concave, along its eigenvectors with |eigenvalues|."""
        values, vectors = np.linalg.eigh(self.information)
        step = vectors @ ((vectors.T @ self.gradient) / np.maximum(np.abs(values), 1.0))
        return step * (LONGEST_STEP / np.abs(step).max(initial=LONGEST_STEP))


def slopes_at(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"], nu: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "n k"]:
    """δ(x) = ∂ ln r(x; ν) / ∂ν."""
    return first + 2 * nu * second


def profile(likelihood: NuisanceLikelihood) -> Profile:
    """Maximise over ν from ν = A, by Newton's method with steps that are cut short and halved where they do not gain.

    Raises:
        FitError: there is no maximum, as where the parabola of ln r runs away or weights are negative.
    """
    nu, close = np.array(likelihood.auxiliary, float), CLOSE * max(1.0, float(likelihood.model.w.sum()))
    here = likelihood.at(nu)
    for _ in range(STEPS):
        step = here.uphill()
        if here.gradient @ step < close:
            if not here.is_peak:
                break
            return Profile(nu, max(0.0, 2 * (here.value - likelihood.at(np.zeros_like(nu)).value)))
        while not (there := likelihood.at(nu + step)).value > here.value and np.abs(step).max() > SHORTEST_STEP:
            step = step / 2
        nu, here = nu + step, there
    raise FitError(
        f"Got no best values of the nuisances in {STEPS} steps; they stand at {np.round(nu, 2)} σ. Is there a ratio that "
        "grows with ν where the reference has no events?"
    )
