"""A classifier of recoils whose inner features are alike in simulation and in calibration data.

Source: Ganin et al. 2016, arXiv:1505.07818 (domain-adversarial training). Here both domains are electron recoils of one
calibration source, so that nothing but the mismatch tells them apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.nets.adversarial import AdversarialMlp, adversarial_loss, mean_kind_logit, stacked_adversaries
from serendip.nets.chunks import in_chunks
from serendip.nets.training import Progress, Training
from serendip.score.fit_network import fit_network
from serendip.score.semi.representation import SUMMARIES, Representation
from serendip.score.semi.represented import load_represented, save_represented
from serendip.seeds import seed_for

KIND = "adapted classifier"
FEWEST = 100  # events of each sample

Labels = Bool[np.ndarray, " n"] | Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
PerEvent = Float[np.ndarray, " n"]


class AdaptedClassifier(BaseEstimator):
    """Tells nuclear from electron recoils by what simulation and calibration data share; a `RecoilClassifier` in its use.

    Simulated events of both kinds teach the kind. Simulated electron recoils and calibration data, which must have the
    same spectrum, teach a second head to find the domain, and the layers below to hide it.
    Traps: the spectra must agree, or the energy is hidden as well; nuclear recoils are aligned only as far as the same
    layers serve both kinds; and what is hidden may have told the kinds apart. Strength 0 is a plain classifier.

    Args:
        parts: of the representation.
        modes: of the pattern there.
        strength: of the reversed gradient, against that of the kind.
        members: independent networks.
        hidden: widths of the shared layers.
        epochs: passes over the events.
        batch: events in a step.
        learning_rate: of Adam, the highest of the one-cycle schedule.
        weight_decay: of the matrices.
        best: parameters are averaged over this many epochs of lowest validation loss of the kind.
        validation: part of the events that each member holds out.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of the initial weights and the shuffles.
    """

    source = "arXiv:1505.07818"

    def __init__(
        self,
        parts: Sequence[str] = SUMMARIES,
        *,
        modes: int = 24,
        strength: float = 1.0,
        members: int = 3,
        hidden: Sequence[int] = (64, 64),
        epochs: int = 30,
        batch: int = 256,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        best: int = 3,
        validation: float = 0.1,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.parts = parts
        self.modes = modes
        self.strength = strength
        self.members = members
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.best = best
        self.validation = validation
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(
        self, simulated: Recordings, is_nr: Labels, calibration: Recordings, *, progress: Progress | None = None
    ) -> "AdaptedClassifier":
        """Train both heads.

        Args:
            simulated: events of both kinds; their electron recoils have the spectrum of the calibration source.
            is_nr: which of them are nuclear recoils.
            calibration: electron recoils of the real detector.
            progress: called after each epoch with its number and the members' losses.

        Raises:
            InputError: not one label an event, a negative strength, or missing waveforms.
            TooFewEventsError: fewer than 100 events of a kind, or of calibration data.
            DivergedError: the loss became NaN.
        """
        if not self.strength >= 0:
            raise InputError(f"strength: Got {self.strength}, but expected 0 or more.")
        if len(is_nr) != len(simulated):
            raise InputError(f"is_nr: Got {len(is_nr)} labels, but expected {len(simulated)}, one an event.")
        nuclear = np.asarray(is_nr) > 0.5
        require_events(
            FEWEST,
            nuclear_recoils=np.flatnonzero(nuclear),
            electron_recoils=np.flatnonzero(~nuclear),
            calibration=calibration,
        )
        self.representation_ = Representation(self.parts, modes=self.modes).fit(simulated)
        x = np.concatenate([self.representation_.transform(sample) for sample in (simulated, calibration)])
        kind = np.concatenate([nuclear, np.zeros(len(calibration), bool)])
        domain = np.repeat([False, True], [len(simulated), len(calibration)])
        w_kind, w_domain = _balanced(kind, ~domain), self.strength * _balanced(domain, ~kind)
        network, settings = self._build(x.shape[1]), self._training()
        rows = (x, kind.astype(float), domain.astype(float), w_kind, w_domain)
        trained = fit_network(
            self, network, adversarial_loss, rows, w=None, settings=settings, members=self.members, progress=progress
        )
        self.training_loss_, self.validation_loss_ = trained.training_loss, trained.validation_loss
        return self

    def log_odds(self, recordings: Recordings) -> PerEvent:
        """log p/(1 − p) of a nuclear recoil in a sample with as many of both kinds; higher is more like one.

        Raises:
            InputError: recordings of another shape than in the fit, or without waveforms.
        """
        return in_chunks(mean_kind_logit, self.model_, self.representation_.transform(recordings))

    def probability(self, recordings: Recordings) -> PerEvent:
        """Probability of a nuclear recoil in such a sample.

        Raises:
            InputError: as for `log_odds`.
        """
        return expit(self.log_odds(recordings))

    def save(self, path: str | Path) -> None:
        """Write settings, representation and networks as arrays and JSON, all or nothing."""
        save_represented(self, path, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "AdaptedClassifier":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        return load_represented(cls, path, KIND)

    def _build(self, inputs: int) -> AdversarialMlp:
        """Networks before training, their arrays stacked."""
        seed = np.uint32(seed_for(self.seed, KIND) % 2**32)
        return stacked_adversaries(seed, self.members, inputs, tuple(self.hidden))

    def _training(self) -> Training:
        names = ("epochs", "batch", "learning_rate", "weight_decay", "best", "validation")
        return Training(**{name: getattr(self, name) for name in names}, schedule="one_cycle", patience=0)


def _balanced(y: Bool[np.ndarray, " n"], counted: Bool[np.ndarray, " n"]) -> PerEvent:
    """Weights of the events counted, of mean 1 over all events, half of their sum on each side."""
    w = counted * np.where(y, 1 / np.sum(y & counted), 1 / np.sum(~y & counted))
    return w / w.mean()
