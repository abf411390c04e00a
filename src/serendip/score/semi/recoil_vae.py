"""What electron recoils look like in a xenon TPC: a variational autoencoder of their waveforms and hit patterns.

Sources: arXiv:2410.00755 (trained on electron recoils alone, −ELBO as one of two terms of an anomaly function);
arXiv:2110.12248 (its predecessor); Dai and Wipf 2019, arXiv:1903.05789 (a prior learned in a second stage).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Float32
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import FitError, InputError, require_events
from serendip.nets.chunks import in_chunks
from serendip.nets.heteroscedastic import HeteroscedasticVae, free_bits_loss
from serendip.nets.saving import load
from serendip.score.classifiers import MIN_EVENTS
from serendip.score.densities import SPLINES, PerEvent
from serendip.score.fit_network import blank_estimator, fit_network, save_estimator
from serendip.score.flow_density import FlowDensity
from serendip.score.outlier.reconstruction import dead_dimensions, require_passage, schedule
from serendip.score.semi.recoil_summaries import RecoilSummaries
from serendip.score.straightening import Straightening
from serendip.seeds import rng_for, seed_for

KIND = "recoil vae"
ACTIVE = 0.01  # variance of the posterior means of a dimension in use, arXiv:1509.00519, section 4.3


class RecoilVae(BaseEstimator):
    """−ELBO of a recording under electron recoils: high where areas, times and pattern do not fit one.

    First the autoencoder learns against a standard normal prior. Then a flow learns where in the latent space the
    electron recoils lie, and takes the prior's place: else a pair of an S1 and an S2 that never come together would
    cost no more than one that does, as long as the decoder can draw both.

    Args:
        modes: of the pattern among the summaries.
        drift: whether the time between S1 and S2 is among them.
        dimensions: of the latent space: energy, position, recombination, and some to spare.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        beta: what the divergence of posterior from prior counts in the training; −ELBO is always the bound.
        least_spread: of a summary, in units of its spread over all electron recoils.
        prior_epochs: of the flow; 0 keeps the standard normal.
        draws: from the posterior, averaged in a score; the same for every event.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: the highest of a one-cycle schedule.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of weights, shuffles and draws.
    """

    def __init__(
        self,
        *,
        modes: int = 6,
        drift: bool = True,
        dimensions: int = 8,
        hidden: Sequence[int] = (128, 128),
        beta: float = 1.0,
        least_spread: float = 0.01,
        prior_epochs: int = 15,
        draws: int = 8,
        epochs: int = 40,
        batch: int = 256,
        learning_rate: float = 3e-3,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.modes = modes
        self.drift = drift
        self.dimensions = dimensions
        self.hidden = hidden
        self.beta = beta
        self.least_spread = least_spread
        self.prior_epochs = prior_epochs
        self.draws = draws
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(self, recordings: Recordings, *, w: PerEvent | None = None) -> "RecoilVae":
        """Minimise the −ELBO of electron recoils, then fit the prior.

        Args:
            recordings: of electron recoils alone: a calibration, or a simulation.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: areas without waveforms, NaN among them, or a setting that cannot be.
            FitError: nothing passes through the latent space.
            DivergedError: the loss became NaN.
        """
        if not 0 < self.least_spread < 1:
            raise InputError(f"least_spread: Got {self.least_spread}, but expected a number between 0 and 1.")
        require_events(MIN_EVENTS, electron_recoils=recordings)
        self.summaries_ = self._blank_summaries().fit(recordings)
        x = self.summaries_.transform(recordings)
        require_passage(self.dimensions, x.shape[1], x.shape[1])
        settings = schedule(self, self.epochs)
        trained = fit_network(self, self._untrained(x.shape[1]), free_bits_loss, (x,), w=w, settings=settings)
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        self.dead_ = dead_dimensions(in_chunks(HeteroscedasticVae.encode, self.model_, x), ACTIVE)
        if len(self.dead_) == self.dimensions:
            raise FitError("Got a latent space that nothing passes through, but expected one in use. Lower beta.")
        self.prior_ = self._fit_prior(x, w)
        return self

    def negative_elbo(self, recordings: Recordings) -> PerEvent:
        """−ELBO, nats; higher is less like an electron recoil.

        Raises:
            InputError: areas without waveforms, NaN among them, or patterns of another detector.
        """
        return self.elbo_parts(recordings).sum(axis=1)

    def elbo_parts(self, recordings: Recordings) -> Float[np.ndarray, "n 3"]:
        """What −ELBO is the sum of: pull ½ Σ ((x − μ) / σ)², volume Σ ln(σ √2π), and ln q(z | x) − ln p(z)."""
        x = self.summaries_.transform(recordings)
        noise = rng_for(self.seed, "recoil vae draws").standard_normal((self.draws, self.dimensions), np.float32)
        return np.mean([self._at_draw(x, e) for e in noise], axis=0)

    def _at_draw(self, x: Float32[np.ndarray, "n d"], e: Float32[np.ndarray, " latent"]) -> Float[np.ndarray, "n 3"]:
        found = in_chunks(HeteroscedasticVae.at_draw, self.model_, x, np.tile(e, (len(x), 1)))
        pull, volume, log_q = found[:, :3].T
        return np.column_stack([pull, volume, log_q - self._log_prior(found[:, 3:])])

    def latent(self, recordings: Recordings) -> Float[np.ndarray, "n latent"]:
        """Means of the posteriors."""
        return in_chunks(HeteroscedasticVae.encode, self.model_, self.summaries_.transform(recordings))

    def simulate(self, like: int | Recordings, seed: int = 0) -> Float[np.ndarray, "n d"]:
        """Summaries that the model holds possible, in the units of `summaries_.values`.

        Args:
            like: events, each drawn anew from its own posterior; or a number, of events drawn from the prior.
            seed: of the draws.
        """
        n = like if isinstance(like, int) else len(like)
        rng = rng_for(seed, "recoil vae simulate")
        z = rng.standard_normal((n, self.dimensions), np.float32)
        if not isinstance(like, int):
            z = in_chunks(HeteroscedasticVae.draw_latent, self.model_, self.summaries_.transform(like), z)
        elif self.prior_ is not None:
            z = self.prior_.sample(n, seed)
        noise = rng.standard_normal((n, len(self.summaries_.names)), np.float32)
        x = in_chunks(HeteroscedasticVae.draw, self.model_, z, noise)
        return self.summaries_.centre_ + self.summaries_.scale_ * x

    def _fit_prior(self, x: Float32[np.ndarray, "n d"], w: PerEvent | None) -> FlowDensity | None:
        """The density of one draw from each event's posterior."""
        if not self.prior_epochs:
            return None
        noise = rng_for(self.seed, "recoil vae prior").standard_normal((len(x), self.dimensions), np.float32)
        return self._blank_prior().fit(in_chunks(HeteroscedasticVae.draw_latent, self.model_, x, noise), w=w)

    def _log_prior(self, z: Float[np.ndarray, "n latent"]) -> PerEvent:
        if self.prior_ is None:
            return -0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1)
        return self.prior_.log_prob(z)

    def _blank_summaries(self) -> RecoilSummaries:
        return RecoilSummaries(self.modes, drift=self.drift)

    def _blank_prior(self) -> FlowDensity:
        settings = SPLINES | {"blocks": 2, "epochs": self.prior_epochs}
        return FlowDensity("spline_maf", **settings, checkpoint=self.checkpoint, seed=self.seed)

    def _untrained(self, features: int) -> HeteroscedasticVae:
        key = jax.random.key(seed_for(self.seed, KIND) % 2**32)
        others = {"least_spread": self.least_spread, "beta": self.beta}
        return HeteroscedasticVae(features, self.dimensions, hidden=tuple(self.hidden), **others, key=key)

    def save(self, path: str | Path) -> None:
        """Write settings and parameters as arrays and JSON (.npz), all or nothing."""
        found = self.summaries_.learned()
        prior = () if self.prior_ is None else (self.prior_.model_, self.prior_.straightening_.arrays)
        save_estimator(self, path, (self.model_, found, prior), {"shapes": [array.shape for array in found]}, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "RecoilVae":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        vae, facts = blank_estimator(cls, path, KIND)
        empty = tuple(np.empty(shape) for shape in facts["shapes"])
        blank = vae._untrained(len(empty[0])), empty, vae._blank_prior_tree()
        vae.model_, found, prior = load(path, lambda _: blank, KIND)
        vae.summaries_ = vae._blank_summaries().restore(found)
        vae.prior_ = vae._restored_prior(*prior) if prior else None
        return vae

    def _blank_prior_tree(self) -> tuple[Any, ...]:
        if not self.prior_epochs:
            return ()
        flow = self._blank_prior()
        flow.features_, flow.conditional_ = self.dimensions, False
        return flow._untrained(), Straightening.blank(self.dimensions, False, flow.quantiles).arrays

    def _restored_prior(self, model: Any, arrays: Any) -> FlowDensity:
        flow = self._blank_prior()
        flow.features_, flow.conditional_, flow.model_ = self.dimensions, False, model
        flow.straightening_ = Straightening.blank(self.dimensions, False, flow.quantiles).filled(arrays)
        return flow
