"""Normalised autoencoder: the reconstruction error as an energy that is low for the events learned from and only them.

Sources: Dillon et al. 2022, arXiv:2206.14225; Yoon, Noh, Park 2021, arXiv:2105.05735.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator

from serendip.errors import InputError
from serendip.nets import autoencoder as nets
from serendip.nets.chunks import in_chunks
from serendip.nets.normalised_autoencoder import Chains, EnergyAutoencoder, contrast_loss
from serendip.nets.training import train
from serendip.score.densities import Features, PerEvent
from serendip.score.fit_network import checkpoint_folder, fit_network
from serendip.score.outlier.reconstruction import (
    RobustScale,
    dead_dimensions,
    load_autoencoder,
    report_dead,
    require_passage,
    save_autoencoder,
    schedule,
)
from serendip.score.outlier.sample import require_finite, require_sample
from serendip.seeds import seed_for

KIND = "normalised autoencoder"


class NormalisedAutoencoder(BaseEstimator):
    """Scores events by their energy: reconstruction error in units of a temperature, −log p(x) up to a constant.

    An autoencoder first; then its error is raised wherever the density p(x) ∝ exp(−energy) has more events than the
    sample, so that simple events are not reconstructed for free. It costs some ten times an autoencoder's training.

    Args:
        latent: numbers in the passage, fewer than features.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        pretraining: passes over the events as a plain autoencoder.
        epochs: passes with draws from the model.
        batch: events in a step.
        learning_rate: the highest of a one-cycle schedule.
        temperature: the squared error that is one unit of energy; None takes 2 / (d − latent) of the plain
            autoencoder's, as if the events were spread normally around its manifold.
        penalty: of squared energies, against runaway.
        weight_decay: of the second training.
        chains: Markov chains in a step.
        steps: Langevin steps in the latent space, and again among the features.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of weights, shuffles and draws.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:2206.14225, arXiv:2105.05735"
    summary = "the energy of a normalised autoencoder, which simple events do not get for free"

    def __init__(
        self,
        *,
        latent: int = 2,
        hidden: Sequence[int] = (64, 64),
        pretraining: int = 5,
        epochs: int = 10,
        batch: int = 512,
        learning_rate: float = 3e-3,
        temperature: float | None = None,
        penalty: float = 1e-3,
        weight_decay: float = 1e-4,
        chains: int = 128,
        steps: int = 8,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.pretraining = pretraining
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.temperature = temperature
        self.penalty = penalty
        self.weight_decay = weight_decay
        self.chains = chains
        self.steps = steps
        self.checkpoint = checkpoint
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """Nothing can be computed once for all fits."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "NormalisedAutoencoder":
        """Train the autoencoder, then its energy against draws from it.

        Args:
            x: features; constant ones do no harm.
            w: event weights, of either sign.

        Warns:
            UserWarning: a latent dimension has zero variance.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, weights that cancel, or a latent space that is no passage.
            DivergedError: the loss became NaN.
            FitError: the whole latent space has zero variance.
        """
        w = require_sample(x, w)
        require_passage(self.latent, x.shape[1], x.shape[1] - 1)
        if self.temperature is not None and not self.temperature > 0:
            raise InputError(f"temperature: Got {self.temperature}, but expected a number above 0, or none.")
        untrained = self._untrained(x.shape[1])
        self.scaling_ = RobustScale.fit(x)
        z = self.scaling_.transform(x)
        plain = self._pretrained(untrained.network, z, w)
        temperature = jnp.asarray(self.temperature or self._natural_temperature(plain, z, w))
        model = dataclasses.replace(untrained, network=plain, temperature=temperature)
        settings = schedule(self, self.epochs, weight_decay=self.weight_decay)
        trained = fit_network(self, model, contrast_loss, (z,), w=w, settings=settings)
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        self.dead_ = dead_dimensions(in_chunks(nets.Autoencoder.encode, self.model_.network, z))
        report_dead(self.dead_, self.latent)
        return self

    @property
    def temperature_(self) -> float:
        """The squared error that is one unit of energy."""
        return float(self.model_.temperature)

    def _untrained(self, features: int) -> EnergyAutoencoder:
        key = jax.random.key(seed_for(self.seed, KIND) % 2**32)
        network = nets.Autoencoder(features, self.latent, hidden=tuple(self.hidden), bounded=True, key=key)
        sampling = Chains(chains=self.chains, latent_steps=self.steps, steps=self.steps)
        return EnergyAutoencoder(network, jnp.ones(()), float(self.penalty), sampling)

    def _pretrained(self, model: nets.Autoencoder, z: Features, w: PerEvent) -> nets.Autoencoder:
        settings, folder = schedule(self, self.pretraining), checkpoint_folder(self)
        loss = nets.reconstruction_loss
        return train(model, loss, (z,), w=w, settings=settings, seed=self.seed, checkpoint=folder).model

    def _natural_temperature(self, plain: nets.Autoencoder, z: Features, w: PerEvent) -> float:
        error = np.average(in_chunks(nets.Autoencoder.error, plain, z), weights=np.abs(w))
        return max(2 * float(error) / (z.shape[1] - self.latent), 1e-4)

    def anomaly_score(self, x: Features) -> PerEvent:
        """Energy of each event.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        return in_chunks(EnergyAutoencoder.energy, self.model_, self.scaling_.transform(x))

    def save(self, path: str | Path) -> None:
        """Write settings and parameters as arrays and JSON (.npz), all or nothing."""
        save_autoencoder(self, path, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "NormalisedAutoencoder":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        return load_autoencoder(cls, path, KIND)
