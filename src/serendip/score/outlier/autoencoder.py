"""Autoencoder: events that are reconstructed badly were rare in what it learned from.

Sources: Heimel et al. 2018, arXiv:1808.08979; Farina, Nakai, Shih 2018, arXiv:1808.08992.
"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from sklearn.base import BaseEstimator

from serendip.nets import autoencoder as nets
from serendip.nets.chunks import in_chunks
from serendip.score.densities import Features, PerEvent
from serendip.score.fit_network import fit_network
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

KIND = "autoencoder"


class Autoencoder(BaseEstimator):
    """Scores events by the squared error of their reconstruction, in units of the features' robust spreads.

    Trap: an event that is simpler than those learned from is often reconstructed better than they are, rare or not;
    then the AUC is below 0.5. `NormalisedAutoencoder` is made against that.

    Args:
        latent: numbers in the passage, fewer than features.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: the highest of a one-cycle schedule.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of weights and shuffles.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:1808.08979, arXiv:1808.08992"
    summary = "the reconstruction error of an autoencoder"

    def __init__(
        self,
        *,
        latent: int = 2,
        hidden: Sequence[int] = (64, 64),
        epochs: int = 20,
        batch: int = 512,
        learning_rate: float = 3e-3,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """Nothing can be computed once for all fits."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "Autoencoder":
        """Minimise the weighted reconstruction error.

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
        self.scaling_ = RobustScale.fit(x)
        z = self.scaling_.transform(x)
        model, settings = self._untrained(x.shape[1]), schedule(self, self.epochs)
        trained = fit_network(self, model, nets.reconstruction_loss, (z,), w=w, settings=settings)
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        self.dead_ = dead_dimensions(in_chunks(nets.Autoencoder.encode, self.model_, z))
        report_dead(self.dead_, self.latent)
        return self

    def _untrained(self, features: int) -> nets.Autoencoder:
        key = jax.random.key(seed_for(self.seed, "autoencoder") % 2**32)
        return nets.Autoencoder(features, self.latent, hidden=tuple(self.hidden), key=key)

    def anomaly_score(self, x: Features) -> PerEvent:
        """Squared reconstruction error, summed over the features.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        return in_chunks(nets.Autoencoder.error, self.model_, self.scaling_.transform(x))

    def encode(self, x: Features) -> np.ndarray:
        """The latent numbers of events."""
        return in_chunks(nets.Autoencoder.encode, self.model_, self.scaling_.transform(x))

    def save(self, path: str | Path) -> None:
        """Write settings and parameters as arrays and JSON (.npz), all or nothing."""
        save_autoencoder(self, path, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "Autoencoder":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        return load_autoencoder(cls, path, KIND)
