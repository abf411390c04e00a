"""Does a score notice events that are unlike all that it learned from?

A network may reconstruct far more than it was trained on, and then calls nothing anomalous. Events made up from the
background show it without naming a signal.

Source: Yoon, Noh, Park 2021, arXiv:2105.05735, for the reconstruction of outliers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from serendip.errors import require_events
from serendip.score.classifiers import make_classifier
from serendip.score.densities import Features, PerEvent
from serendip.score.methods import score_events
from serendip.seeds import rng_for

FEWEST = 500
VISIBLE = 0.7  # AUC of the classifier from which on a score has no excuse
NOTICED = 0.6
REACH = 3.0  # of far events, in distances from the mean


def _permuted(x: Features, rng: np.random.Generator) -> Features:
    """Each feature as it is, their dependence lost."""
    return np.column_stack([rng.permutation(column) for column in x.T])


def _uniform(x: Features, rng: np.random.Generator) -> Features:
    """Uniform in the box that holds 99 % of each feature."""
    low, high = np.quantile(x, [0.005, 0.995], axis=0)
    return rng.uniform(low, high, x.shape)


def _between(x: Features, rng: np.random.Generator) -> Features:
    """Halfway between two events: inside the range, and perhaps where none is."""
    return 0.5 * (x + x[rng.permutation(len(x))])


def _far(x: Features, rng: np.random.Generator) -> Features:
    """Events moved away from the mean to three times their distance."""
    return x.mean(axis=0) + REACH * (x - x.mean(axis=0))


FAKES = {"permuted": _permuted, "uniform": _uniform, "far": _far, "between": _between}
# Events between others may rightly count as common; of the other kinds, each has more entropy than the background, so that
# even the true density calls them rarer on average.
JUDGED = ("permuted", "uniform", "far")


@dataclass(frozen=True)
class Generalisation:
    """How well made-up events are told from held-out background.

    Attributes:
        score: AUC of the score for each kind of made-up event, 0.5 where it does not notice.
        classifier: AUC of trees that were trained to tell them apart: how well it could be done.
    """

    score: dict[str, float]
    classifier: dict[str, float]

    @property
    def missed(self) -> list[str]:
        """Kinds that a classifier tells from background with an AUC of 0.7 or more, and the score with less than 0.6.

        Not `between`: halfway between two common events there may be nothing rare.
        """
        return [kind for kind in JUDGED if self.classifier[kind] >= VISIBLE and self.score[kind] < NOTICED]

    @property
    def warning(self) -> str | None:
        """What a reader must know; None where nothing visible was missed."""
        if not self.missed:
            return None
        kinds = ", ".join(f"{kind} (AUC {self.score[kind]:.2f}, {self.classifier[kind]:.2f})" for kind in self.missed)
        return (
            "The score does not notice events unlike all that it learned from; the AUC of the score and of a classifier for "
            f"made-up events: {kinds}. A signal of this kind would be missed. Try a smaller latent space, or a density."
        )

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Columns and rows, one row a kind."""
        columns = ("made-up events", "AUC of the score", "AUC of a classifier")
        return columns, tuple((kind, self.score[kind], self.classifier[kind]) for kind in self.score)


def generalisation(method: Any, held_out: Features, *, m: PerEvent | None = None, seed: int = 0) -> Generalisation:
    """Score events made up from background that the method never saw, against that background.

    Args:
        method: fitted.
        held_out: background events that it was not fitted to.
        m: their masses, for methods that score with them; made-up events take them over.
        seed: of the made-up events and the classifier.

    Raises:
        TooFewEventsError: fewer than 500 events.
        InputError: the method scores with the mass, and there is none.
    """
    require_events(FEWEST, held_out_sample=held_out)
    real = score_events(method, held_out, m)
    score, classifier = {}, {}
    for i, (kind, make) in enumerate(FAKES.items()):
        fake = make(held_out, rng_for(seed, "made-up events", i))
        score[kind] = _auc(score_events(method, fake, m), real)
        classifier[kind] = _classifier_auc(fake, held_out, seed)
    return Generalisation(score, classifier)


def _classifier_auc(fake: Features, real: Features, seed: int) -> float:
    """Of trees trained on one half, on the other; a made-up event and the one that it was made from share a half."""
    half = rng_for(seed, "made-up halves").permutation(len(real)) < len(real) // 2
    y = np.repeat([True, False], half.sum())
    trees = make_classifier("trees", seed, members=2).fit(np.concatenate([fake[half], real[half]]), y)
    return _auc(trees.score(fake[~half]), trees.score(real[~half]))


def _auc(high: PerEvent, low: PerEvent) -> float:
    return float(roc_auc_score(np.repeat([1, 0], [len(high), len(low)]), np.concatenate([high, low])))
