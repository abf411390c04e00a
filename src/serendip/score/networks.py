"""An ensemble of networks that tells two samples apart, in the place where `trees` can stand.

Networks see combinations of features that trees have to cut out in steps, but lose more to features that say nothing
(arXiv:2309.13111). Size and optimiser of the default are those of CATHODE's classifier (arXiv:2109.00546).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from sklearn.base import BaseEstimator

from serendip.errors import InputError
from serendip.nets.bins import BinnedFeatures, require_finite
from serendip.nets.chunks import in_chunks
from serendip.nets.mlp import ACTIVATIONS, Mlp, cross_entropy, mean_logit, stacked_mlps
from serendip.nets.saving import load
from serendip.nets.training import Progress, Training
from serendip.nets.trees import labels_and_weights
from serendip.score.fit_network import blank_estimator, fit_network, save_estimator
from serendip.seeds import seed_for

KIND = "network classifier"

Features = Float[np.ndarray, "n d"] | BinnedFeatures  # binned ones are refused, and told why


class Network(BaseEstimator):
    """Tells two classes apart; the score of an event is its mean logit over the members.

    The same data in the same order and the same seed give the same bits on the same machine. Weights may have either
    sign. Features are standardised first; one that is constant in the fit counts for nothing there.

    Args:
        members: independent networks; each holds out other events.
        hidden: widths of the hidden layers.
        activation: "relu", "silu", "gelu", "elu" or "tanh".
        dropout: part of the hidden units that is switched off in training.
        epochs: passes over the events, at most.
        batch: events in a step.
        learning_rate: of Adam.
        schedule: of the learning rate: "constant", "cosine" or "one_cycle".
        patience: epochs without a lower validation loss after which a member stops; 0 never stops early.
        best: parameters are averaged over this many epochs of lowest validation loss.
        validation: part of the events that each member holds out.
        weight_decay: of the matrices.
        balanced: whether the classes get the same total weight.
        checkpoint: folder in which each training keeps its last epoch, so that a killed one goes on from there.
        seed: of the initial weights, the shuffles, and what is held out.
    """

    def __init__(
        self,
        *,
        members: int = 10,
        hidden: tuple[int, ...] | list[int] = (64, 64, 64),
        activation: str = "relu",
        dropout: float = 0.0,
        epochs: int = 50,
        batch: int = 256,
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        patience: int = 10,
        best: int = 5,
        validation: float = 0.2,
        weight_decay: float = 0.0,
        balanced: bool = True,
        checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        self.members = members
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.patience = patience
        self.best = best
        self.validation = validation
        self.weight_decay = weight_decay
        self.balanced = balanced
        self.checkpoint = checkpoint
        self.seed = seed

    def prepare(self, x: Features) -> Float[np.ndarray, "n d"]:
        """The features themselves: nothing is worth computing before a fit."""
        return _unbinned(x)

    def fit(
        self,
        x: Features,
        y: Bool[np.ndarray, " n"] | Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
        sample_weight: Float[np.ndarray, " n"] | None = None,
        *,
        progress: Progress | None = None,
    ) -> "Network":
        """Train all members.

        Args:
            x: features, not binned.
            y: labels, 0 or 1.
            sample_weight: of either sign.
            progress: called after each epoch with its number and the members' losses.

        Raises:
            InputError: a setting, feature, label or weight cannot be used, or the weights of a class cancel.
            DivergedError: a loss became NaN.
        """
        names = ("epochs", "batch", "learning_rate", "schedule", "patience", "best", "validation", "weight_decay")
        settings = Training(**{name: getattr(self, name) for name in names})
        self._check_settings()
        x = _unbinned(x)
        require_finite(x)
        y, w = labels_and_weights(len(x), y, sample_weight, self.balanced)
        self.centre_, self.scale_ = x.mean(axis=0), _spread(x)
        trained = fit_network(
            self,
            self._build(x.shape[1]),
            cross_entropy,
            (self._standardised(x), y),
            w=w,
            settings=settings,
            members=self.members,
            progress=progress,
        )
        self.training_loss_, self.validation_loss_ = trained.training_loss, trained.validation_loss
        return self

    def _build(self, features: int) -> Mlp:
        """Networks before training, their arrays stacked."""
        widths = (features, *self.hidden, 1)
        seed = np.uint32(seed_for(self.seed, "network") % 2**32)
        return stacked_mlps(seed, self.members, widths, self.activation, self.dropout)

    def _standardised(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return (x - self.centre_) / self.scale_

    def score(self, x: Features) -> Float[np.ndarray, " n"]:
        """Mean logit of the members; higher is more like class 1.

        Raises:
            InputError: x has other features than in the fit, is binned, or holds NaN or infinities.
        """
        x = _unbinned(x)
        if x.ndim != 2 or x.shape[1] != len(self.centre_):
            raise InputError(
                f"Got features of shape {x.shape}, but expected (events, {len(self.centre_)}) as in the fit."
            )
        require_finite(x)
        return in_chunks(mean_logit, self.model_, self._standardised(x))

    def predict_proba(self, x: Features) -> Float[np.ndarray, "n 2"]:
        """Probabilities of class 0 and class 1, at the class weights of the fit."""
        p = expit(self.score(x))
        return np.column_stack([1 - p, p])

    def save(self, path: str | Path) -> None:
        """Write settings and networks as arrays and JSON, all or nothing."""
        save_estimator(self, path, (self.model_, self.centre_, self.scale_), {"features": len(self.centre_)}, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "Network":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        network, facts = blank_estimator(cls, path, KIND)
        empty = np.empty(facts["features"])
        tree = network._build(len(empty)), empty, empty
        network.model_, network.centre_, network.scale_ = load(path, lambda _: tree, KIND)
        return network

    def _check_settings(self) -> None:
        expected = {
            "members": (self.members >= 1, "at least 1"),
            "hidden": (len(self.hidden) > 0 and min(self.hidden) >= 1, "one or more widths of at least 1"),
            "activation": (self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"),
            "dropout": (0 <= self.dropout < 1, "a part from 0 to below 1"),
            "seed": (self.seed >= 0, "0 or more"),
        }
        for name, (fine, what) in expected.items():
            if not fine:
                raise InputError(f"{name}: Got {getattr(self, name)}, but expected {what}.")


def _unbinned(x: Features) -> Float[np.ndarray, "n d"]:
    if isinstance(x, BinnedFeatures):
        raise InputError("Got binned features, but a network expects the features themselves. Pass x as it is.")
    return x


def _spread(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Standard deviations; 1 for a feature that is constant up to rounding."""
    spread = x.std(axis=0)
    return np.where(spread > 1e-9 * np.abs(x).max(axis=0), spread, 1.0)
