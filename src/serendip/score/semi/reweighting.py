"""Weights that make simulated events look like calibration data, where detector and simulation differ a little.

The odds of a classifier of calibration data against simulation of the same source estimate the ratio of their
densities (Cranmer, Pavez, Louppe 2015, arXiv:1506.02169); a simulated event gets them as its weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.score.classifiers import fit_two_samples, make_classifier
from serendip.score.semi.representation import Representation
from serendip.seeds import rng_for

PerEvent = Float[np.ndarray, " n"]

FEWEST = 500  # events of each sample
SMALL: dict[str, Any] = {"members": 3, "hidden": [32, 32], "activation": "silu", "epochs": 20, "weight_decay": 1e-3}


@dataclass(frozen=True)
class WeightCheck:
    """What the weights did, on events that did not make them.

    Attributes:
        auc_before: of another classifier of calibration data against simulation; 0.5 where they are alike.
        auc_after: the same against weighted simulation.
        auc_error: of an AUC of 0.5 between samples of these sizes.
        effective_size: (Σw)² / Σw² of the simulated events held out, as a part of their number.
        clipped: part of them whose weight was cut.
    """

    auc_before: float
    auc_after: float
    auc_error: float
    effective_size: float
    clipped: float

    @property
    def passed(self) -> bool:
        """Whether weighted simulation cannot be told from calibration data within two standard deviations."""
        return self.auc_after < 0.5 + 2 * self.auc_error

    def __str__(self) -> str:
        return (
            f"AUC {self.auc_before:.3f} before, {self.auc_after:.3f} ± {self.auc_error:.3f} after; effective size "
            f"{self.effective_size:.0%}; {self.clipped:.1%} of the weights cut"
        )


class CalibrationWeights(BaseEstimator):
    """Weights of simulated events, from calibration data and simulation of the same calibration source.

    Traps: weights move events only within what was simulated: where data lie and simulation does not, nothing helps.
    They are learned in the features of `parts` alone; a score that reads more than these may stay wrong. And they hold
    for the calibration source; on another spectrum they are right as far as a feature vector tells the energy.

    Args:
        parts: of `Representation`, in which the samples are compared.
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier; None for three small networks.
        largest: weight that an event may get.
        seed: of the classifiers and of what is held out.
    """

    def __init__(
        self,
        parts: Sequence[str] = ("corrected",),
        *,
        classifier: str = "network",
        settings: dict[str, Any] | None = None,
        largest: float = 20.0,
        seed: int = 0,
    ) -> None:
        self.parts = parts
        self.classifier = classifier
        self.settings = settings
        self.largest = largest
        self.seed = seed

    def fit(self, simulated: Recordings, calibration: Recordings) -> "CalibrationWeights":
        """Learn the weights on two thirds of the events, and check them on the rest, in `check_`.

        Args:
            simulated: of the calibration source, with the detector as it is thought to be.
            calibration: data of that source.

        Raises:
            TooFewEventsError: fewer than 500 events in a sample.
            InputError: `largest` is not above 1.
        """
        require_events(FEWEST, simulated_sample=simulated, calibration_sample=calibration)
        if not self.largest > 1:
            raise InputError(f"largest: Got {self.largest}, but expected a number above 1.")
        self.representation_ = Representation(self.parts).fit(simulated)
        (x_sim, x_sim_held), (x_cal, x_cal_held) = (self._split(sample) for sample in (simulated, calibration))
        self.classifier_ = self._tell_apart(x_cal, x_sim, None, self.seed)
        self.check_ = self._checked(x_sim_held, x_cal_held)
        return self

    def weights(self, simulated: Recordings) -> PerEvent:
        """One for each event, of mean 1."""
        return self._of(self._features(simulated))[0]

    def _features(self, recordings: Recordings) -> Float[np.ndarray, "n d"]:
        return self.representation_.transform(recordings).astype(float)

    def _split(self, recordings: Recordings) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
        """Features of two thirds of the events, and of the rest."""
        x = self._features(recordings)
        order = rng_for(self.seed, "calibration weights", len(x)).permutation(len(x))
        return x[order[len(x) // 3 :]], x[order[: len(x) // 3]]

    def _tell_apart(self, x_cal: Any, x_sim: Any, w_sim: PerEvent | None, seed: int) -> Any:
        classifier = make_classifier(self.classifier, seed, **self._settings())
        return fit_two_samples(classifier, {"calibration": (x_cal, None)}, {"simulated": (x_sim, w_sim)})

    def _settings(self) -> dict[str, Any]:
        default = SMALL if self.classifier == "network" else {}
        return default if self.settings is None else self.settings

    def _of(self, x: Float[np.ndarray, "n d"]) -> tuple[PerEvent, float]:
        """Weights, and the part that was cut."""
        log_odds, most = self.classifier_.score(x), np.log(self.largest)
        w = np.exp(np.minimum(log_odds, most))
        return w / w.mean(), float(np.mean(log_odds > most))

    def _checked(self, x_sim: Float[np.ndarray, "n d"], x_cal: Float[np.ndarray, "m d"]) -> WeightCheck:
        """Train another classifier on one half of what was held out, and ask it about the other half."""
        w, clipped = self._of(x_sim)
        learn, ask = slice(None, None, 2), slice(1, None, 2)
        labels = np.repeat([1, 0], [len(x_cal[ask]), len(x_sim[ask])])

        def auc(w_sim: PerEvent) -> float:
            judge = self._tell_apart(x_cal[learn], x_sim[learn], w_sim[learn], self.seed + 1)
            score = np.concatenate([judge.score(x_cal[ask]), judge.score(x_sim[ask])])
            return float(
                roc_auc_score(labels, score, sample_weight=np.concatenate([np.ones(len(x_cal[ask])), w_sim[ask]]))
            )

        size = float(w.sum() ** 2 / (w**2).sum())
        smaller = 1 / len(x_cal[ask]) + 1 / (size / 2)
        return WeightCheck(auc(np.ones(len(w))), auc(w), float(np.sqrt(smaller / 12)), size / len(w), clipped)
