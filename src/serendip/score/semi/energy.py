"""The energy of a recoil by neural posterior estimation: p(E, x, y, z | recording) from simulated events.

Sources: Papamakarios and Murray 2016, arXiv:1605.06376 (neural posterior estimation); Khosa, Mars, Richards, Sanz 2022,
arXiv:2110.12248, and arXiv:2410.00755 (for xenon detectors). Intervals with the stated coverage: `serendip.stats.waldo`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_expit, logit
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.nets.chunks import in_chunks
from serendip.nets.posterior import Posterior, posterior_loss
from serendip.nets.saving import load
from serendip.nets.training import Progress, Training
from serendip.score.fit_network import blank_estimator, fit_network, save_estimator
from serendip.score.semi.representation import Representation
from serendip.seeds import rng_for, seed_for

PerEvent = Float[np.ndarray, " n"]
Positions = Float[np.ndarray, "n 3"]

FEWEST = 500
EDGE = 1e-2  # part of the prior's range within which the combined scale is trusted as a first guess
SMALLEST = 1e-5  # part of the prior's range that an energy keeps from its ends
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)  # of mean and variance over a standard normal
KIND = "energy posterior"


class EnergyPosterior(BaseEstimator):
    """p(E | recording) of a single scatter of known kind, and jointly of its place where places were given.

    The flow works on ln((E − low) / (high − E)), so that the posterior keeps within the prior, as a departure from the
    combined energy scale. The prior is the spectrum of the training events: flat from `low` to `high` where these were
    flat before the trigger, which needs no correction, for the trigger is a function of the recording.
    Trap: within a resolution of `low` or `high` the posterior mean is drawn inwards; WALDO's intervals are not fooled.

    One estimator learns one kind: electron recoils (keV) or nuclear recoils (keV of nuclear recoil).

    Args:
        parts: of `Representation`, what the network sees.
        low: smallest energy of the prior, keV.
        high: largest, keV.
        summaries: to which an event is condensed.
        hidden: units of a hidden layer.
        layers: hidden layers of each network.
        bins: of the splines.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: of Adam, the highest of one cycle.
        validation: part of the events that is held out to choose the epochs averaged over.
        checkpoint: folder in which the training keeps its last epoch, so that a killed one goes on from there.
        seed: of first weights, shuffles and what is held out.
    """

    source: ClassVar[str] = "arXiv:1605.06376"

    def __init__(
        self,
        parts: Sequence[str] = ("corrected",),
        *,
        low: float = 1.0,
        high: float = 100.0,
        summaries: int = 8,
        hidden: int = 64,
        layers: int = 2,
        bins: int = 8,
        epochs: int = 40,
        batch: int = 512,
        learning_rate: float = 3e-3,
        validation: float = 0.1,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.parts = parts
        self.low = low
        self.high = high
        self.summaries = summaries
        self.hidden = hidden
        self.layers = layers
        self.bins = bins
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.validation = validation
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(
        self,
        recordings: Recordings,
        energy: PerEvent,
        position: Positions | None = None,
        *,
        progress: Progress | None = None,
    ) -> "EnergyPosterior":
        """Learn the posterior.

        Args:
            recordings: simulated events.
            energy: that was left in each, keV.
            position: true x, y, z of each, cm; None for the energy alone.
            progress: called after each epoch with its number and both losses.

        Raises:
            TooFewEventsError: fewer than 500 events.
            InputError: an energy outside the prior, or arrays of other lengths.
            DivergedError: the loss became NaN.
        """
        require_events(FEWEST, recordings=recordings)
        self._check(recordings, energy, position)
        self.representation_ = Representation(self.parts).fit(recordings)
        x = self._inputs(recordings)
        departure = self._departure(recordings, energy, position)
        self.centre_, self.scale_ = departure.mean(axis=0), departure.std(axis=0)
        theta = (departure - self.centre_) / self.scale_
        model, settings = self._build(theta.shape[1], x.shape[1]), self._training()
        trained = fit_network(self, model, posterior_loss, (theta, x), w=None, settings=settings, progress=progress)
        self.losses_ = np.stack([trained.training_loss, trained.validation_loss])
        return self

    def log_posterior(self, recordings: Recordings, grid: Float[np.ndarray, " k"]) -> Float[np.ndarray, "n k"]:
        """ln p(E | recording) at energies in keV, whatever the place; −∞ outside the prior.

        Raises:
            InputError: recordings of another kind than in the fit.
        """
        inside = (grid > self.low) & (grid < self.high)
        u = self._to_line(np.where(inside, grid, (self.low + self.high) / 2))
        theta = (u - self._first_guess(recordings)[:, None] - self.centre_[0]) / self.scale_[0]
        # dθ/dE of the logit, (high − low) / ((E − low) (high − E)).
        log_change = -log_expit(u) - log_expit(-u) - np.log((self.high - self.low) * self.scale_[0])
        found = in_chunks(Posterior.log_marginal, self.model_, theta, self._inputs(recordings))
        return np.where(inside, found + log_change, -np.inf)

    def mean_and_variance(self, recordings: Recordings) -> tuple[PerEvent, PerEvent]:
        """E[E | recording] in keV and V[E | recording] in keV², by Gauss–Hermite quadrature over the flow's latent.

        Raises:
            InputError: recordings of another kind than in the fit.
        """
        z = np.broadcast_to(NODES, (len(recordings), len(NODES)))
        theta = in_chunks(Posterior.marginal_from_latent, self.model_, z, self._inputs(recordings))
        energy = self._energy(theta, recordings)
        w = WEIGHTS / WEIGHTS.sum()
        mean = energy @ w
        return mean, (energy - mean[:, None]) ** 2 @ w

    def sample(self, recordings: Recordings, n: int, *, seed: int = 0) -> Float[np.ndarray, "events n p"]:
        """n draws for each event: energies in keV, and x, y, z in cm where places were learned.

        Raises:
            InputError: n is not above 0, or recordings of another kind than in the fit.
        """
        if n < 1:
            raise InputError(f"n: Got {n}, but expected at least 1 draw.")
        x, p = self._inputs(recordings), len(self.centre_)
        draws = np.empty((len(recordings), n, p))
        rng = rng_for(seed, KIND)
        for i in range(n):
            theta = in_chunks(Posterior.from_latent, self.model_, rng.normal(size=(len(x), p)), x)
            draws[:, i, 0] = self._energy(theta[:, :1], recordings)[:, 0]
            draws[:, i, 1:] = _place(recordings)[:, : p - 1] + self.centre_[1:] + self.scale_[1:] * theta[:, 1:]
        return draws

    def save(self, path: str | Path) -> None:
        """Write settings, representation and networks as arrays and JSON, all or nothing."""
        learned = (self.centre_, self.scale_, *self.representation_.learned())
        save_estimator(self, path, (self.model_, learned), {"shapes": [array.shape for array in learned]}, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "EnergyPosterior":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        posterior, facts = blank_estimator(cls, path, KIND)
        empty = tuple(np.empty(shape) for shape in facts["shapes"])
        blank = posterior._build(len(empty[0]), len(empty[2]) + 1)
        posterior.model_, learned = load(path, lambda _: (blank, empty), KIND)
        posterior.centre_, posterior.scale_, *arrays = learned
        posterior.representation_ = Representation(posterior.parts).restore(arrays)
        return posterior

    def _build(self, parameters: int, inputs: int) -> Posterior:
        """Networks before training."""
        key = jax.random.key(np.uint32(seed_for(self.seed, KIND) % 2**32))
        build = eqx.filter_jit(Posterior)  # one compilation in place of one an array
        return build(parameters, inputs, self.summaries, self.hidden, self.layers, self.bins, key=key)

    def _training(self) -> Training:
        names = ("epochs", "batch", "learning_rate", "validation")
        return Training(**{name: getattr(self, name) for name in names}, schedule="one_cycle", best=3, clip=5.0)

    def _check(self, recordings: Recordings, energy: PerEvent, position: Positions | None) -> None:
        if not 0 <= self.low < self.high:
            raise InputError(
                f"low, high: Got {self.low} and {self.high} keV, but expected 0 or more, and more than that."
            )
        for name, values in (("energy", energy), ("position", position)):
            if values is not None and len(values) != len(recordings):
                raise InputError(f"{name}: Got {len(values)} entries, but expected {len(recordings)}, one an event.")
        outside = ~((energy >= self.low) & (energy <= self.high))
        if outside.any():
            raise InputError(
                f"energy: Got {energy[outside][0]:g} keV, but expected values from {self.low} to {self.high} keV, the "
                "prior's range. Select the events, or widen the prior."
            )

    def _inputs(self, recordings: Recordings) -> Float[np.ndarray, "n d"]:
        """The representation, and the first guess of the energy."""
        return np.column_stack([self.representation_.transform(recordings), self._first_guess(recordings)])

    def _first_guess(self, recordings: Recordings) -> PerEvent:
        """The combined scale on the line, kept off the prior's ends, where it would run to infinity."""
        part = (recordings.events.columns["energy"] - self.low) / (self.high - self.low)
        return logit(np.clip(part, EDGE, 1 - EDGE))

    def _departure(self, recordings: Recordings, energy: PerEvent, position: Positions | None) -> np.ndarray:
        """Of the truth from what was reconstructed: the energy's on the line, then the place's."""
        of_energy = self._to_line(energy) - self._first_guess(recordings)
        return of_energy[:, None] if position is None else np.column_stack([of_energy, position - _place(recordings)])

    def _to_line(self, energy: np.ndarray) -> np.ndarray:
        part = (energy - self.low) / (self.high - self.low)
        return logit(np.clip(part, SMALLEST, 1 - SMALLEST))

    def _energy(self, theta: Float[np.ndarray, "n k"], recordings: Recordings) -> Float[np.ndarray, "n k"]:
        u = self._first_guess(recordings)[:, None] + self.centre_[0] + self.scale_[0] * theta
        return self.low + (self.high - self.low) * expit(u)


def _place(recordings: Recordings) -> Positions:
    return recordings.events.x(["x", "y", "z"])
