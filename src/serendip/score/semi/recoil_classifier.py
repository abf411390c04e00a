"""Tells nuclear from electron recoils by corrected areas and S1 timing, trained on calibration events of known kind.

The place it has in the search is that of the classifier of arXiv:2410.00755; what it sees differs (see
`representation`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.nets.chunks import in_chunks
from serendip.nets.mlp import Mlp, cross_entropy, mean_logit, stacked_mlps
from serendip.nets.training import Progress, Training
from serendip.nets.trees import labels_and_weights
from serendip.score.fit_network import fit_network
from serendip.score.semi.representation import Representation
from serendip.score.semi.represented import load_represented, save_represented
from serendip.seeds import seed_for

KIND = "recoil classifier"
PARTS = ("corrected", "s1_delay")
LEAST = 50  # events of each kind: with fewer, a network remembers them

Labels = Bool[np.ndarray, " n"] | Int[np.ndarray, " n"] | Float[np.ndarray, " n"]


class RecoilClassifier(BaseEstimator):
    """An ensemble of networks on a `Representation`; scores are mean logits over its members.

    Both kinds count equally in the fit, whatever their numbers: log-odds are those of a sample with as many nuclear as
    electron recoils, and `prior` moves them to another.

    Args:
        parts: of the representation. These five numbers tell more than the samples do; `SUMMARIES` there reads no
            reconstructed column.
        modes: of the part `pattern` there.
        members: independent networks; each holds out other events.
        hidden: widths of the hidden layers.
        dropout: part of the hidden units that is switched off in training.
        epochs: passes over the events, at most.
        batch: events in a step.
        learning_rate: of Adam, the highest of the one-cycle schedule.
        weight_decay: of the matrices.
        patience: epochs without a lower validation loss after which a member stops; 0 never stops early.
        best: parameters are averaged over this many epochs of lowest validation loss.
        validation: part of the events that each member holds out.
        prior: part of nuclear recoils in the sample that is scored.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of the initial weights, the shuffles, and what is held out.
    """

    def __init__(
        self,
        parts: Sequence[str] = PARTS,
        *,
        modes: int = 24,
        members: int = 8,
        hidden: Sequence[int] = (64, 64),
        dropout: float = 0.1,
        epochs: int = 20,
        batch: int = 256,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.1,
        patience: int = 0,
        best: int = 3,
        validation: float = 0.1,
        prior: float = 0.5,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.parts = parts
        self.modes = modes
        self.members = members
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.best = best
        self.validation = validation
        self.prior = prior
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(
        self,
        recordings: Recordings,
        is_nr: Labels,
        *,
        w: Float[np.ndarray, " n"] | None = None,
        progress: Progress | None = None,
    ) -> "RecoilClassifier":
        """Fit the representation, then all members.

        Args:
            recordings: calibration events of both kinds.
            is_nr: which of them are nuclear recoils.
            w: event weights, of either sign.
            progress: called after each epoch with its number and the members' losses.

        Raises:
            InputError: a setting or a label cannot be used, one kind is missing, weights cancel, or waveforms are
                missing.
            TooFewEventsError: fewer than 50 events of a kind.
            DivergedError: a loss became NaN.
        """
        settings = self._training()
        y, w = labels_and_weights(len(recordings), is_nr, w, True)
        require_events(LEAST, nuclear_recoils=np.flatnonzero(y > 0.5), electron_recoils=np.flatnonzero(y < 0.5))
        self.representation_ = Representation(self.parts, modes=self.modes).fit(recordings)
        x = self.representation_.transform(recordings)
        network, members = self._build(x.shape[1]), self.members
        trained = fit_network(
            self, network, cross_entropy, (x, y), w=w, settings=settings, members=members, progress=progress
        )
        self.training_loss_, self.validation_loss_ = trained.training_loss, trained.validation_loss
        return self

    def log_odds(self, recordings: Recordings) -> Float[np.ndarray, " n"]:
        """log p/(1 − p) of a nuclear recoil, at the `prior`; higher is more like one.

        Raises:
            InputError: recordings of another shape than in the fit, or without waveforms.
        """
        x = self.representation_.transform(recordings)
        return in_chunks(mean_logit, self.model_, x) + logit(self.prior)

    def probability(self, recordings: Recordings) -> Float[np.ndarray, " n"]:
        """Probability of a nuclear recoil, at the `prior`.

        Raises:
            InputError: as for `log_odds`.
        """
        return expit(self.log_odds(recordings))

    def save(self, path: str | Path) -> None:
        """Write settings, representation and networks as arrays and JSON, all or nothing."""
        save_represented(self, path, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "RecoilClassifier":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        return load_represented(cls, path, KIND)

    def _build(self, features: int) -> Mlp:
        """Networks before training, their arrays stacked."""
        seed = np.uint32(seed_for(self.seed, "recoil classifier") % 2**32)
        return stacked_mlps(seed, self.members, (features, *self.hidden, 1), "silu", self.dropout)

    def _training(self) -> Training:
        expected = {
            "members": (self.members >= 1, "at least 1"),
            "hidden": (len(self.hidden) > 0 and min(self.hidden) >= 1, "one or more widths of at least 1"),
            "dropout": (0 <= self.dropout < 1, "a part from 0 to below 1"),
            "prior": (0 < self.prior < 1, "a part between 0 and 1"),
            "seed": (self.seed >= 0, "0 or more"),
        }
        for name, (fine, what) in expected.items():
            if not fine:
                raise InputError(f"{name}: Got {getattr(self, name)}, but expected {what}.")
        names = ("epochs", "batch", "learning_rate", "weight_decay", "patience", "best", "validation")
        return Training(**{name: getattr(self, name) for name in names}, schedule="one_cycle")
