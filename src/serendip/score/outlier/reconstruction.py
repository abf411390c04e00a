"""What the autoencoders share: features on a robust scale, and a look at the latent space after the fit."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from serendip.errors import FitError, InputError
from serendip.nets.saving import load
from serendip.nets.training import Training
from serendip.score.densities import Features
from serendip.score.fit_network import blank_estimator, save_estimator

QUANTILES = (0.1587, 0.5, 0.8413)  # of a normal distribution at −1, 0 and 1 standard deviations
DEAD = 1e-6  # variance of a latent number, in units of the largest one's


@dataclass(frozen=True)
class RobustScale:
    """Median to 0, and half the distance between the 16 % and 84 % quantiles to 1; constant features become 0.

    Weights do not enter: the scale only needs to be about right, and quantiles under negative weights need not exist.

    Attributes:
        centre: of each feature, in its unit.
        spread: of each feature, in its unit.
    """

    centre: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, x: Features) -> "RobustScale":
        """Quantiles; where most events share one value, the standard deviation."""
        low, centre, high = np.quantile(x, QUANTILES, axis=0)
        spread = np.where(high > low, (high - low) / 2, x.std(axis=0))
        # Rounding of the mean leaves ε |x| where a feature is constant.
        constant = spread <= 1e-12 * np.abs(centre)
        return cls(centre, np.where(constant, 1.0, spread))

    def transform(self, x: Features) -> Features:
        """From the features' units to this scale."""
        return (x - self.centre) / self.spread


def require_passage(latent: int, features: int, most: int) -> None:
    """Refuse a latent space without a dimension, or in which every event fits as it is.

    Raises:
        InputError: it has less than one dimension, or more than `most`.
    """
    if not 1 <= latent <= most:
        raise InputError(
            f"latent: Got {latent} with {features} features, but expected 1 to {most}. "
            "With as many numbers as features, anything is reconstructed and nothing is anomalous."
        )


def schedule(method, epochs: int, **others: float | str) -> Training:
    """The training that a method's settings describe."""
    common = {"batch": method.batch, "learning_rate": method.learning_rate, "patience": 0, "validation": 0.1}
    return Training(epochs=epochs, clip=1.0, **(common | {"schedule": "one_cycle", "best": 3} | others))


def dead_dimensions(z: Float[np.ndarray, "n latent"], least: float | None = None) -> Int[np.ndarray, " dead"]:
    """Which latent numbers are the same for all events, counted from 1.

    Args:
        z: latent numbers of the events learned from.
        least: variance of a live one; a millionth of the largest variance where not given.
    """
    variance = z.var(axis=0)
    limit = max(DEAD * variance.max(), 1e-12) if least is None else least
    return 1 + np.flatnonzero(variance <= limit)


def report_dead(dead: Int[np.ndarray, " dead"], latent: int, *, refuse_all: bool = True) -> None:
    """Say that latent dimensions carry nothing.

    Warns:
        UserWarning: some do not.

    Raises:
        FitError: none carries anything, and `refuse_all`.
    """
    if len(dead) == latent and refuse_all:
        raise FitError(
            f"Got zero variance in all {latent} latent dimensions, but expected events that differ there. "
            "Are all features constant? Else raise epochs or lower the learning rate."
        )
    if len(dead):
        names = ", ".join(str(i) for i in dead)
        warnings.warn(
            f"Latent dimension {names} of {latent} has zero variance: nothing passes through it. "
            f"latent={max(latent - len(dead), 1)} does the same; or train longer.",
            stacklevel=3,
        )


def save_autoencoder(method: Any, path: str | Path, kind: str) -> None:
    """Write a method's settings, its network and its scale."""
    learned = method.model_, method.scaling_.centre, method.scaling_.spread
    save_estimator(method, path, learned, {"features": len(method.scaling_.centre)}, kind)


def load_autoencoder(kind_of_method: type, path: str | Path, kind: str) -> Any:
    """A method that scores as the saved one does.

    Raises:
        InputError: the file is missing, broken, of another kind or version.
    """
    method, facts = blank_estimator(kind_of_method, path, kind)
    blank = np.zeros(facts["features"])
    method.model_, *scale = load(path, lambda _: (method._untrained(len(blank)), blank, blank), kind)
    method.scaling_ = RobustScale(*scale)
    return method
