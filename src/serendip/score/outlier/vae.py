"""Variational autoencoder: a bound on −log p(x), with a normal posterior or one that a flow reshapes.

Sources: Cerri et al. 2018, arXiv:1811.10276 (for new physics); Kingma and Welling 2013, arXiv:1312.6114; Kingma et
al. 2016, arXiv:1606.04934 (the flow).
"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from sklearn.base import BaseEstimator

from serendip.nets.chunks import in_chunks
from serendip.nets.variational import VariationalAutoencoder, elbo_loss, mean_negative_elbo
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
from serendip.seeds import rng_for, seed_for

KIND = "vae"
ACTIVE = 0.01  # variance of the posterior means of a dimension in use, arXiv:1509.00519, section 4.3


class Vae(BaseEstimator):
    """Scores events by −ELBO, an upper bound on −log p(x), in units of the features' robust spreads.

    Args:
        latent: numbers in the passage.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        flow: autoregressive layers that reshape the posterior; 0 keeps it normal.
        beta: what the divergence of posterior from prior counts; only 1 makes a bound.
        draws: from the posterior, averaged in a score; the same for every event.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: the highest of a one-cycle schedule.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of weights, shuffles and draws.
    """

    needs: frozenset[str] = frozenset()
    source = "arXiv:1811.10276, arXiv:1312.6114"
    summary = "minus the evidence bound of a variational autoencoder"

    def __init__(
        self,
        *,
        latent: int = 2,
        hidden: Sequence[int] = (64, 64),
        flow: int = 0,
        beta: float = 1.0,
        draws: int = 16,
        epochs: int = 20,
        batch: int = 512,
        learning_rate: float = 3e-3,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.flow = flow
        self.beta = beta
        self.draws = draws
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """Nothing can be computed once for all fits."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "Vae":
        """Minimise the weighted −ELBO.

        Args:
            x: features; constant ones do no harm.
            w: event weights, of either sign.

        Warns:
            UserWarning: the posterior of a latent dimension has collapsed to the prior.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: NaN among the features, weights that cancel, or more latent numbers than features.
            DivergedError: the loss became NaN.
        """
        w = require_sample(x, w)
        require_passage(self.latent, x.shape[1], x.shape[1])
        self.scaling_ = RobustScale.fit(x)
        z = self.scaling_.transform(x)
        model, settings = self._untrained(x.shape[1]), schedule(self, self.epochs)
        trained = fit_network(self, model, elbo_loss, (z,), w=w, settings=settings)
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        self.dead_ = dead_dimensions(in_chunks(VariationalAutoencoder.encode, self.model_, z), ACTIVE)
        # All of them may be right: a normal distribution needs no latent space.
        report_dead(self.dead_, self.latent, refuse_all=False)
        return self

    def _untrained(self, features: int) -> VariationalAutoencoder:
        key = jax.random.key(seed_for(self.seed, KIND) % 2**32)
        hidden = tuple(self.hidden)
        return VariationalAutoencoder(features, self.latent, hidden=hidden, flow=self.flow, beta=self.beta, key=key)

    def anomaly_score(self, x: Features) -> PerEvent:
        """−ELBO, averaged over draws.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        noise = rng_for(self.seed, "vae draws").normal(size=(self.draws, self.latent)).astype(np.float32)
        return in_chunks(mean_negative_elbo, self.model_, self.scaling_.transform(x), shared=(noise,))

    def save(self, path: str | Path) -> None:
        """Write settings and parameters as arrays and JSON (.npz), all or nothing."""
        save_autoencoder(self, path, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "Vae":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        return load_autoencoder(cls, path, KIND)
