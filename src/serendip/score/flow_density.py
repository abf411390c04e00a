"""Densities by normalising flows, which learn what quantiles leave over.

Sources: Papamakarios et al. 2017, arXiv:1705.07057 (masked autoregressive); Durkan et al. 2019, arXiv:1906.04032
(splines); Hallin et al. 2021, arXiv:2109.00546 (given a mass, for sidebands).
"""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator

from serendip.errors import ConfigError, require_events, unknown_name
from serendip.nets import flows, saving
from serendip.nets.chunks import in_chunks
from serendip.nets.training import Training
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.fit_network import blank_estimator, fit_network, save_estimator
from serendip.score.straightening import Straightening
from serendip.seeds import rng_for, seed_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]
Rows = tuple[Float[np.ndarray, "n _"], ...]

FLOWS: dict[str, Any] = {"maf": flows.maf, "spline_maf": flows.spline_maf, "spline_coupling": flows.spline_coupling}
KIND = "flow density"
FARTHEST = 20.0  # from the middle, in standard deviations; beyond, the nearest such place and a normal fall from it


class FlowDensity(BaseEstimator):
    """p(x | m) by a flow on features whose quantiles were made normal.

    An event beyond all that was learned from has a finite, small density; a mass beyond the range of the fit counts as
    the nearest within.

    On 60 000 LHCO sideband events every flow reaches a template C2ST AUC of about 0.51; two spline blocks do so in a
    third of the time of eight affine ones.

    Args:
        flow: maf, spline_maf or spline_coupling.
        blocks: maps in a row.
        hidden: units of a hidden layer.
        layers: hidden layers of a block.
        bins: of a spline; without effect in maf.
        quantiles: of each feature that are made normal before the flow sees it.
        epochs: passes over the events.
        batch: events in a step; at most an eighth of all, rounded down to a power of two.
        learning_rate: of Adam, the highest.
        schedule: of the learning rate: constant, cosine or one_cycle.
        patience: epochs without improvement after which training stops; 0 for never.
        best: epochs over which the parameters are averaged.
        validation: part of the events that chooses those epochs.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of first weights, shuffles and what is held out.
    """

    def __init__(
        self,
        flow: str = "maf",
        *,
        blocks: int = 8,
        hidden: int = 64,
        layers: int = 2,
        bins: int = 8,
        quantiles: int = 32,
        epochs: int = 20,
        batch: int = 1024,
        learning_rate: float = 5e-3,
        schedule: str = "one_cycle",
        patience: int = 0,
        best: int = 1,
        validation: float = 0.1,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.flow = flow
        self.blocks = blocks
        self.hidden = hidden
        self.layers = layers
        self.bins = bins
        self.quantiles = quantiles
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.patience = patience
        self.best = best
        self.validation = validation
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(self, x: Features, m: PerEvent | None = None, w: PerEvent | None = None) -> "FlowDensity":
        """Fit the quantiles, then the flow.

        Args:
            x: features; none may be constant.
            m: what the density is conditional on.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, a constant one, or weights that cancel.
            ConfigError: the flow does not exist.
            DivergedError: the loss became NaN.
        """
        require_events(MIN_EVENTS, density_sample=x)
        w = np.ones(len(x)) if w is None else w
        require_weight("density sample", w)
        self.conditional_, self.features_ = m is not None, x.shape[1]
        self.straightening_ = Straightening.fit(x, m, w, self.quantiles)
        at = self.straightening_.straighten(x, m, np.inf)
        trained = fit_network(
            self,
            self._untrained(),
            flows.negative_log_prob,
            (at.near, *self._rows(at.t)),
            w=w,
            settings=self._training(len(x)),
        )
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        return self

    def _untrained(self) -> flows.Flow:
        if self.flow not in FLOWS:
            raise ConfigError("density.flow: " + unknown_name("flow", self.flow, FLOWS))
        settings = {"blocks": self.blocks, "hidden": self.hidden, "layers": self.layers}
        if self.flow != "maf":
            settings["bins"] = self.bins
        key = jax.random.key(seed_for(self.seed, "flow density") % 2**32)
        build = eqx.filter_jit(FLOWS[self.flow])  # one compilation in place of one an array
        return build(self.features_, int(self.conditional_), key=key, **settings)

    def _training(self, n: int) -> Training:
        return Training(
            epochs=self.epochs,
            batch=min(self.batch, 1 << (n // 8).bit_length() - 1),  # few sizes: each is compiled anew
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            patience=self.patience,
            best=self.best,
            validation=self.validation,
        )

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """ln p(x | m), in the features' units."""
        at = self.straightening_.straighten(x, m, FARTHEST)
        return in_chunks(flows.Flow.log_prob, self.model_, at.near, *self._rows(at.t)) + at.log_change

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """Where events lie in a space in which those learned from are standard normal at every mass."""
        at = self.straightening_.straighten(x, m, FARTHEST)
        return in_chunks(flows.Flow.to_latent, self.model_, at.near, *self._rows(at.t)) + at.beyond

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The inverse of `to_latent`."""
        t = self.straightening_.mass.standardise(len(z), m)
        return self.straightening_.inverse(in_chunks(flows.Flow.from_latent, self.model_, z, *self._rows(t)), t)

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """One event for each mass, or as many as stated."""
        number, mass = (m, None) if isinstance(m, int) else (len(m), m)
        return self.from_latent(rng_for(seed, KIND).normal(size=(number, self.features_)), mass)

    def _rows(self, t: PerEvent) -> Rows:
        return (t[:, None],) if self.conditional_ else ()

    def save(self, path: str | Path) -> None:
        """Write settings, quantiles and parameters as arrays and JSON (.npz), all or nothing."""
        facts = {"features": self.features_, "conditional": self.conditional_}
        save_estimator(self, path, (self.model_, self.straightening_.arrays), facts, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "FlowDensity":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        density, facts = blank_estimator(cls, path, KIND)
        density.features_, density.conditional_ = facts["features"], facts["conditional"]
        blank = Straightening.blank(density.features_, density.conditional_, density.quantiles)
        density.model_, arrays = saving.load(path, lambda _: (density._untrained(), blank.arrays), KIND)
        density.straightening_ = blank.filled(arrays)
        return density
