"""Density by flow matching: an exact likelihood from a velocity field that is trained by plain regression.

Source: Lipman et al. 2022, arXiv:2210.02747.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from serendip.errors import FitError, InputError, require_events
from serendip.nets import saving
from serendip.nets.chunks import in_chunks
from serendip.nets.flow_matching import Integration, VelocityField, carry, log_density, matching_loss
from serendip.nets.training import Training, train
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.quantile_map import QuantileMap
from serendip.seeds import rng_for, seed_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]
Straightened = tuple[Features, Features, PerEvent, PerEvent]

KIND = "matching density"
FARTHEST = 5.0  # standard deviations from the middle up to which the velocity is trusted
QUANTILES = ((9, 2.0), (32, np.inf))  # that move with the mass, then those that stay: how many, and the outermost


class MatchingDensity(BaseEstimator):
    """p(x | m) from an ordinary differential equation that carries normal draws into events.

    The velocity acts on features whose quantiles were made normal. The path of each event is followed by steps of its
    own, so that a result does not depend on the other events. More than five standard deviations from the middle the
    density falls like a normal one, and `to_latent` has no exact inverse.

    Args:
        hidden: widths of the velocity's hidden layers.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: the highest of a one-cycle schedule.
        best: epochs whose parameters are averaged.
        validation: part of the events that is held out to choose those epochs.
        tolerance: of an adaptive integration.
        steps: of equal size, in place of adaptive ones; 0 for adaptive.
        seed: of weights, shuffles and draws.
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (128, 128, 128),
        epochs: int = 60,
        batch: int = 512,
        learning_rate: float = 3e-3,
        best: int = 5,
        validation: float = 0.1,
        tolerance: float = 1e-4,
        steps: int = 0,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.best = best
        self.validation = validation
        self.tolerance = tolerance
        self.steps = steps
        self.seed = seed

    def fit(self, x: Features, m: PerEvent | None = None, w: PerEvent | None = None) -> "MatchingDensity":
        """Train the velocity.

        Args:
            x: features; none may be constant.
            m: what the density is conditional on.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, a constant one, or weights that cancel.
            DivergedError: the loss became NaN.
        """
        require_events(MIN_EVENTS, density_sample=x)
        _require_finite(x, m)
        w = np.ones(len(x)) if w is None else w
        require_weight("density sample", w)
        self._integration()  # a wrong setting shall be named before the training, not after it
        self.conditional_, self.features_ = m is not None, x.shape[1]
        self.mass_ = np.array([0.0, 1.0, 0.0, 0.0] if m is None else [m.mean(), m.std() or 1.0, m.min(), m.max()])
        t = self._condition(len(x), m)
        z, self.maps_ = _straighten(x, t, w, self.conditional_)
        rows = (z, self._rows(t))
        trained = train(self._untrained(), matching_loss, rows, w=w, settings=self._training(), seed=self.seed)
        self.model_ = trained.model
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        return self

    def _integration(self) -> Integration:
        return Integration(self.tolerance, self.steps)

    def _untrained(self) -> VelocityField:
        key = jax.random.key(seed_for(self.seed, KIND) % 2**32)
        return VelocityField(self.features_, int(self.conditional_), hidden=tuple(self.hidden), key=key)

    def _training(self) -> Training:
        return Training(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            schedule="one_cycle",
            patience=0,
            best=self.best,
            validation=self.validation,
            clip=1.0,
        )

    def _condition(self, n: int, m: PerEvent | None) -> PerEvent:
        """The mass, clipped to the range of the fit and standardised; zeros where there is none."""
        if (m is not None) != self.conditional_:
            raise InputError(f"Got {'a' if m is not None else 'no'} mass, but the fit had it the other way.")
        mean, scale, low, high = self.mass_
        return np.zeros(n) if m is None else (np.clip(m, low, high) - mean) / scale

    def _rows(self, t: PerEvent) -> Float[np.ndarray, "n conditions"]:
        return t[:, None] if self.conditional_ else t[:, None][:, :0]

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """ln p of the normal draw that an event comes from, less the divergence on its way, in the features' units.

        Raises:
            InputError: NaN among the features, or a mass where the fit had none.
            FitError: the integration did not end.
        """
        near, beyond, t, log_det = self._straightened(x, m)
        fall = np.sum(beyond * (0.5 * beyond + np.abs(near)), axis=1)
        return self._followed(log_density, near, t) + log_det - fall

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """The normal draws that events come from; those far away as far away.

        Raises:
            InputError: NaN among the features, or a mass where the fit had none.
            FitError: the integration did not end.
        """
        near, beyond, t, _ = self._straightened(x, m)
        return self._followed(carry, near, t, 1.0, 0.0) + np.sign(near) * beyond

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The events that normal draws become.

        Raises:
            FitError: the integration did not end.
        """
        t = self._condition(len(z), m)
        x = self._followed(carry, z, t, 0.0, 1.0)
        for of_features in reversed(self.maps_):
            x = of_features.inverse(x, t)
        return x

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """One event for each mass, or as many as stated."""
        number, mass = (m, None) if isinstance(m, int) else (len(m), m)
        return self.from_latent(rng_for(seed, KIND).normal(size=(number, self.features_)), mass)

    def _straightened(self, x: Features, m: PerEvent | None) -> Straightened:
        """What the velocity acts on, how far events lie beyond it, the condition, and the volume change up to there."""
        _require_finite(x, m)
        t, total = self._condition(len(x), m), np.zeros(len(x))
        for of_features in self.maps_:
            x, log_det = of_features.forward(x, t)
            total += log_det
        return np.clip(x, -FARTHEST, FARTHEST), np.maximum(np.abs(x) - FARTHEST, 0.0), t, total

    def _followed(self, function: Callable[..., Any], z: Features, t: PerEvent, *span: float) -> np.ndarray:
        shared = (*span, self._integration())
        result = in_chunks(function, self.model_, z, self._rows(t), shared=shared)
        if not np.isfinite(result).all():
            raise FitError(
                f"Got no end of the integration for {int((~np.isfinite(result)).sum())} values. "
                "Raise the tolerance, or give a number of steps."
            )
        return result

    def save(self, path: str | Path) -> None:
        """Write settings, quantiles and parameters as arrays (.npz), all or nothing."""
        settings = {"features": self.features_, "conditional": self.conditional_, "settings": self.get_params()}
        saving.save(path, self._learned(), settings, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "MatchingDensity":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file cannot be read, or holds something else.
        """
        header = saving.saved_settings(path, KIND)
        density = cls(**header["settings"])
        density.features_, density.conditional_ = header["features"], header["conditional"]
        density.mass_, density.model_ = np.zeros(4), density._untrained()
        density.maps_ = tuple(QuantileMap.blank(density.features_, count) for count, _ in QUANTILES)
        density.model_, density.mass_, maps = saving.load(path, lambda _: density._learned(), KIND)
        density.maps_ = tuple(QuantileMap(*arrays) for arrays in maps)
        return density

    def _learned(self) -> tuple[Any, ...]:
        """Everything that a file has to hold, as a tree of arrays."""
        maps = [(of_features.levels, of_features.knots, of_features.trend) for of_features in self.maps_]
        return self.model_, self.mass_, maps


def _straighten(x: Features, t: PerEvent, w: PerEvent, conditional: bool) -> tuple[Features, tuple[QuantileMap, ...]]:
    """Features whose quantiles are normal, and the maps that made them so."""
    moving = QuantileMap.fit(x, t if conditional else None, w, *QUANTILES[0])
    straight, _ = moving.forward(x, t)
    steady = QuantileMap.fit(straight, None, w, *QUANTILES[1])
    return steady.forward(straight, t)[0], (moving, steady)


def _require_finite(x: Features, m: PerEvent | None) -> None:
    if not (np.isfinite(x).all() and (m is None or np.isfinite(m).all())):
        raise InputError("Got NaN or infinite features, but a density expects finite ones. Select them away.")
