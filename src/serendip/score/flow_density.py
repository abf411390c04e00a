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

from serendip.errors import ConfigError, InputError, require_events, unknown_name
from serendip.nets import flows, saving
from serendip.nets.chunks import in_chunks
from serendip.nets.training import Training, train
from serendip.score.classifiers import MIN_EVENTS, require_weight
from serendip.score.quantile_map import QuantileMap
from serendip.seeds import rng_for, seed_for

Features = Float[np.ndarray, "n d"]
PerEvent = Float[np.ndarray, " n"]
Rows = tuple[Float[np.ndarray, "n _"], ...]

FLOWS: dict[str, Any] = {"maf": flows.maf, "spline_maf": flows.spline_maf, "spline_coupling": flows.spline_coupling}
KIND = "flow density"
FARTHEST = 20.0  # from the middle, in standard deviations; beyond, the nearest such place and a normal fall from it
MOVING, REACH = 9, 2.0  # quantiles that may move with the mass, and the outermost


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
        batch: events in a step; an eighth of all where those are few.
        learning_rate: of Adam, the highest.
        schedule: of the learning rate: constant, cosine or one_cycle.
        patience: epochs without improvement after which training stops; 0 for never.
        best: epochs over which the parameters are averaged.
        validation: part of the events that chooses those epochs.
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
        _require_finite(x, m)
        w = np.ones(len(x)) if w is None else w
        require_weight("density sample", w)
        self.conditional_, self.features_ = m is not None, x.shape[1]
        self.mass_ = np.array([0.0, 1.0, 0.0, 0.0] if m is None else [m.mean(), m.std() or 1.0, m.min(), m.max()])
        t = self._condition(len(x), m)
        moving = QuantileMap.fit(x, t if self.conditional_ else None, w, MOVING, REACH)
        straight, _ = moving.forward(x, t)
        self.maps_: tuple[QuantileMap, ...] = (moving, QuantileMap.fit(straight, None, w, self.quantiles))
        z, _ = self.maps_[1].forward(straight, t)
        rows = (z, t[:, None]) if self.conditional_ else (z,)
        trained = train(
            self._untrained(), flows.negative_log_prob, rows, w=w, settings=self._training(len(x)), seed=self.seed
        )
        self.model_ = trained.model
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        return self

    def _condition(self, n: int, m: PerEvent | None) -> PerEvent:
        """The mass, clipped to the range of the fit and standardised; zeros where there is none."""
        if (m is not None) != self.conditional_:
            raise InputError(f"Got {'a' if m is not None else 'no'} mass, but the fit had it the other way.")
        mean, scale, low, high = self.mass_
        return np.zeros(n) if m is None else (np.clip(m, low, high) - mean) / scale

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
            batch=min(self.batch, n // 8),
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            patience=self.patience,
            best=self.best,
            validation=self.validation,
        )

    def log_prob(self, x: Features, m: PerEvent | None = None) -> PerEvent:
        """ln p(x | m), in the features' units."""
        near, beyond, rows, log_det = self._straightened(x, m)
        fall = np.sum(beyond * (0.5 * beyond + np.abs(near)), axis=1)
        return in_chunks(flows.Flow.log_prob, self.model_, near, *rows) + log_det - fall

    def to_latent(self, x: Features, m: PerEvent | None = None) -> Features:
        """Where events lie in a space in which those learned from are standard normal at every mass."""
        near, beyond, rows, _ = self._straightened(x, m)
        return in_chunks(flows.Flow.to_latent, self.model_, near, *rows) + np.sign(near) * beyond

    def from_latent(self, z: Features, m: PerEvent | None = None) -> Features:
        """The inverse of `to_latent`."""
        t = self._condition(len(z), m)
        x = in_chunks(flows.Flow.from_latent, self.model_, z, *self._rows(t))
        for of_features in reversed(self.maps_):
            x = of_features.inverse(x, t)
        return x

    def sample(self, m: PerEvent | int, seed: int = 0) -> Features:
        """One event for each mass, or as many as stated."""
        number, mass = (m, None) if isinstance(m, int) else (len(m), m)
        return self.from_latent(rng_for(seed, KIND).normal(size=(number, self.features_)), mass)

    def _straightened(self, x: Features, m: PerEvent | None) -> tuple[Features, Features, Rows, PerEvent]:
        """What the flow takes, how far events lie beyond it, the condition, and the volume change up to there."""
        _require_finite(x, m)
        t = self._condition(len(x), m)
        total = np.zeros(len(x))
        for of_features in self.maps_:
            x, log_det = of_features.forward(x, t)
            total += log_det
        return np.clip(x, -FARTHEST, FARTHEST), np.maximum(np.abs(x) - FARTHEST, 0.0), self._rows(t), total

    def _rows(self, t: PerEvent) -> Rows:
        return (t[:, None],) if self.conditional_ else ()

    def save(self, path: str | Path) -> None:
        """Write settings, quantiles and parameters as arrays (.npz), all or nothing."""
        settings = {"features": self.features_, "conditional": self.conditional_, "settings": self.get_params()}
        saving.save(path, self._learned(), settings, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "FlowDensity":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file cannot be read, or holds something else.
        """
        header = saving.saved_settings(path, KIND)
        density = cls(**header["settings"])
        density.features_, density.conditional_ = header["features"], header["conditional"]
        density.mass_, density.model_ = np.zeros(4), density._untrained()
        counts = (MOVING, density.quantiles)
        density.maps_ = tuple(QuantileMap.blank(density.features_, count) for count in counts)
        density.losses_ = np.zeros((2, density.epochs))
        learned = saving.load(path, lambda _: density._learned(), KIND)
        density.model_, density.mass_, density.losses_, maps = learned
        density.maps_ = tuple(QuantileMap(*arrays) for arrays in maps)
        return density

    def _learned(self) -> tuple[Any, ...]:
        """Everything that a file has to hold, as a tree of arrays."""
        maps = [(of_features.levels, of_features.knots, of_features.trend) for of_features in self.maps_]
        return self.model_, self.mass_, self.losses_, maps


def _require_finite(x: Features, m: PerEvent | None) -> None:
    if not (np.isfinite(x).all() and (m is None or np.isfinite(m).all())):
        raise InputError("Got NaN or infinite features, but a density expects finite ones. Select them away.")
