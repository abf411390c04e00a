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

from serendip.errors import FitError, require_events
from serendip.nets import saving
from serendip.nets.chunks import in_chunks
from serendip.nets.flow_matching import Integration, VelocityField, carry, log_density, matching_loss
from serendip.nets.training import Training
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.fit_network import blank_estimator, fit_network, save_estimator
from serendip.score.straightening import Straightening
from serendip.seeds import rng_for, seed_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]

KIND = "matching density"
FARTHEST = 5.0  # standard deviations from the middle up to which the velocity is trusted
QUANTILES = 32  # of each feature that are made normal


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
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
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
        checkpoint: str | None = None,
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
        self.checkpoint = checkpoint
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
        w = np.ones(len(x)) if w is None else w
        require_weight("density sample", w)
        self._integration()  # a wrong setting shall be named before the training, not after it
        self.conditional_, self.features_ = m is not None, x.shape[1]
        self.straightening_ = Straightening.fit(x, m, w, QUANTILES)
        at = self.straightening_.straighten(x, m, np.inf)
        rows = (at.near, self._rows(at.t))
        trained = fit_network(self, self._untrained(), matching_loss, rows, w=w, settings=self._training())
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

    def _rows(self, t: PerEvent) -> Float[np.ndarray, "n conditions"]:
        return t[:, None] if self.conditional_ else t[:, None][:, :0]

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """ln p of the normal draw that an event comes from, less the divergence on its way, in the features' units.

        Raises:
            InputError: NaN among the features, or a mass where the fit had none.
            FitError: the integration did not end.
        """
        at = self.straightening_.straighten(x, m, FARTHEST)
        return self._followed(log_density, at.near, at.t) + at.log_change

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """The normal draws that events come from; those far away as far away.

        Raises:
            InputError: NaN among the features, or a mass where the fit had none.
            FitError: the integration did not end.
        """
        at = self.straightening_.straighten(x, m, FARTHEST)
        return self._followed(carry, at.near, at.t, 1.0, 0.0) + at.beyond

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The events that normal draws become.

        Raises:
            FitError: the integration did not end.
        """
        t = self.straightening_.mass.standardise(len(z), m)
        return self.straightening_.inverse(self._followed(carry, z, t, 0.0, 1.0), t)

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """One event for each mass, or as many as stated."""
        number, mass = (m, None) if isinstance(m, int) else (len(m), m)
        return self.from_latent(rng_for(seed, KIND).normal(size=(number, self.features_)), mass)

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
        """Write settings, quantiles and parameters as arrays and JSON (.npz), all or nothing."""
        facts = {"features": self.features_, "conditional": self.conditional_}
        save_estimator(self, path, (self.model_, self.straightening_.arrays), facts, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "MatchingDensity":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        density, facts = blank_estimator(cls, path, KIND)
        density.features_, density.conditional_ = facts["features"], facts["conditional"]
        blank = Straightening.blank(density.features_, density.conditional_, QUANTILES)
        density.model_, arrays = saving.load(path, lambda _: (density._untrained(), blank.arrays), KIND)
        density.straightening_ = blank.filled(arrays)
        return density
