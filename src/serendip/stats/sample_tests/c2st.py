"""The classifier two-sample test: how well a classifier, trained anew on each sample, tells it from the reference.

Source: Lopez-Paz and Oquab 2017, arXiv:1610.06545; Friedman 2003, SLAC-PUB-10325.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from serendip.errors import InputError
from serendip.features.scaling import Standardise
from serendip.nets.batches import bucket, pad
from serendip.nets.bins import BinnedFeatures, bin_features
from serendip.nets.mlp import Mlp, cross_entropy, stacked_mlps
from serendip.nets.training import Training, train
from serendip.nets.trees import Trees
from serendip.seeds import rng_for, seed_for
from serendip.stats.sample_tests.checks import check_positive, check_sample
from serendip.stats.sample_tests.kernel_distance import pool, standardise, subset
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.two_sample import weighted_auc

SMALL_NETWORK = Training(epochs=15, batch=256, learning_rate=3e-3, validation=0.0, patience=0)
HIDDEN = (32, 32)
LEAST_A_FOLD = 10  # events of each sample


@dataclass(frozen=True)
class C2st:
    """A classifier is trained on all folds but one, and scores that one; columns of mean AUC or accuracy over folds.

    Trap: copies of one event in sample and reference are told apart by memory; toys drawn from the reference with
    replacement are not valid, splits and permutations are.

    Attributes:
        statistic: "auc", or "accuracy" at equal total weight of both.
        classifier: "trees" or "network".
        folds: parts of either sample.
        reference_events: at most so many of the reference are trained on, drawn by the seed.
    """

    statistic: Literal["auc", "accuracy"] = "auc"
    classifier: Literal["trees", "network"] = "trees"
    folds: int = 5
    reference_events: int = 10_000

    source: ClassVar[str] = "Lopez-Paz and Oquab 2017, arXiv:1610.06545"
    summary: ClassVar[str] = "classifier two-sample test, retrained for each sample"
    counts: ClassVar[bool] = False
    has_ratio: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, known in (("statistic", ("auc", "accuracy")), ("classifier", ("trees", "network"))):
            if getattr(self, name) not in known:
                raise InputError(f"test.{name}: Got {getattr(self, name)!r}, but expected one of: {', '.join(known)}.")
        if self.folds < 2:
            raise InputError(f"test.folds: Got {self.folds}, but expected at least 2.")
        check_positive(reference_events=self.reference_events)

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> "PreparedC2st":
        """The reference in bins, or standardised; `expected` has no effect."""
        chosen = subset(reference, self.reference_events, seed, "c2st reference")
        return PreparedC2st(self, self._features(chosen), chosen.w, seed)

    def pooled_statistics(
        self, x: Float[np.ndarray, "n d"], is_data: Bool[np.ndarray, "toys n"], w: Float[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "toys columns"]:
        """Of many labellings of one pool, which gives bins or scaling; the classifier is trained for each."""
        together = pool(x, w)
        rows = self._features(together)
        return np.array([[_statistic(self, rows.rows, chosen, together.w, 0)] for chosen in is_data])

    def _features(self, sample: Sample) -> "TreeFeatures | NetworkFeatures":
        if self.classifier == "trees":
            return TreeFeatures(bin_features(sample.x))
        scaling = standardise(sample)
        return NetworkFeatures(scaling, scaling.transform(sample.x))


@dataclass(frozen=True, eq=False)
class TreeFeatures:
    """A sample in bins."""

    rows: BinnedFeatures

    def joined(self, x: Float[np.ndarray, "n d"]) -> BinnedFeatures:
        """Other events, then the sample's own, in the same bins."""
        return BinnedFeatures(np.concatenate([self.rows.bin(x).codes, self.rows.codes]), self.rows.edges)


@dataclass(frozen=True, eq=False)
class NetworkFeatures:
    """A sample, standardised."""

    scaling: Standardise
    rows: Float[np.ndarray, "n d"]

    def joined(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m d"]:
        """Other events, then the sample's own, on the same scale."""
        return np.concatenate([self.scaling.transform(x), self.rows])


@dataclass(frozen=True, eq=False)
class PreparedC2st:
    """The reference as the classifier sees it.

    Attributes:
        test: the settings.
        features: of the reference.
        w: its weights.
        seed: of folds and classifiers.
    """

    test: C2st
    features: TreeFeatures | NetworkFeatures
    w: Float[np.ndarray, " m"]
    seed: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The statistic."""
        return (self.test.statistic,)

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """Of each sample, by trainings of its own."""
        return np.array([[self._statistic(sample)] for sample in samples])

    def _statistic(self, sample: Sample) -> float:
        check_sample(sample, self.features.rows.shape[1])
        is_data = np.arange(len(sample) + len(self.w)) < len(sample)
        w = np.concatenate([sample.w, self.w])
        return _statistic(self.test, self.features.joined(sample.x), is_data, w, self.seed)


def _statistic(
    test: C2st,
    rows: BinnedFeatures | np.ndarray,
    is_data: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"],
    seed: int,
) -> float:
    fold = _folds(is_data, test.folds, seed)
    if isinstance(rows, BinnedFeatures):
        score = _tree_scores(rows, is_data, w, fold)
    else:
        score = _network_scores(rows, is_data, w, fold, seed)
    measure = _auc if test.statistic == "auc" else _accuracy
    parts = [fold == i for i in range(test.folds)]
    return float(np.mean([measure(score[part], is_data[part], w[part]) for part in parts]))


def _folds(is_data: Bool[np.ndarray, " n"], folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """The fold of each event; data and reference are spread evenly.

    Raises:
        InputError: a fold would hold fewer than ten events of either.
    """
    fold, rng = np.empty(len(is_data), dtype=int), rng_for(seed, "c2st folds")
    for name, chosen in (("data", is_data), ("reference", ~is_data)):
        n = int(chosen.sum())
        if n < LEAST_A_FOLD * folds:
            raise InputError(
                f"Got {n} events of {name} for {folds} folds, but expected at least {LEAST_A_FOLD} a fold."
            )
        fold[chosen] = rng.permutation(np.arange(n) % folds)
    return fold


def _auc(score: Float[np.ndarray, " n"], is_data: Bool[np.ndarray, " n"], w: Float[np.ndarray, " n"]) -> float:
    return weighted_auc(score[is_data], score[~is_data], w[is_data], w[~is_data])[0]


def _accuracy(score: Float[np.ndarray, " n"], is_data: Bool[np.ndarray, " n"], w: Float[np.ndarray, " n"]) -> float:
    """Mean of the shares that are called right."""
    right = w * ((score > 0) == is_data)
    return float(right[is_data].sum() / w[is_data].sum() + right[~is_data].sum() / w[~is_data].sum()) / 2


def _tree_scores(
    rows: BinnedFeatures,
    is_data: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"],
    fold: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    score = np.empty(len(w))
    for i in range(int(fold.max()) + 1):
        seen = fold != i
        model = Trees(members=1, leaves=8, subsample=1.0, min_leaf=20.0).fit(rows[seen], is_data[seen], w[seen])
        score[~seen] = model.score(rows[~seen])
    return score


def _network_scores(
    rows: Float[np.ndarray, "n d"],
    is_data: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"],
    fold: Int[np.ndarray, " n"],
    seed: int,
) -> Float[np.ndarray, " n"]:
    """One ensemble, whose members are the folds: what a member shall not see has weight 0."""
    balanced = w / np.where(is_data, w[is_data].sum(), w[~is_data].sum())
    folds = int(fold.max()) + 1
    seen = balanced * (fold[None] != np.arange(folds)[:, None])
    start = stacked_mlps(np.uint32(seed_for(seed, "c2st") % 2**32), folds, (rows.shape[1], *HIDDEN, 1), "relu", 0.0)
    data = (rows.astype(np.float32), is_data.astype(np.float32))
    model = train(start, cross_entropy, data, w=seen, settings=SMALL_NETWORK, seed=seed, members=folds).model
    logits = np.asarray(_logits(model, pad(data[0], bucket(len(rows)))), np.float64)[:, : len(rows)]
    return logits[fold, np.arange(len(rows))]


@eqx.filter_jit
def _logits(model: Mlp, x: Any) -> Float[Array, "members n"]:
    return eqx.filter_vmap(lambda member: member(x)[:, 0])(model)
