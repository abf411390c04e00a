"""Ensembles of boosted histogram trees, made for small samples that are fitted very often.

A search trains (windows × folds × toys × members) classifiers on 10⁴–10⁵ events. So all of them share one set of
bins, each member sees a random part of the events in memory of its own, and a score is a table lookup.

Sources: Friedman 2001, doi:10.1214/aos/1013203451 (boosting, Newton leaves); Ke et al. 2017, LightGBM
(histograms, best leaf first); arXiv:2309.13111 (tree ensembles for anomaly detection).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit
from sklearn.base import BaseEstimator

from serendip.errors import InputError
from serendip.nets import _tree_kernels as kernels
from serendip.nets.bins import MAX_BINS, BinnedFeatures, apply_edges, bin_features, same_edges
from serendip.nets.saving import read, write
from serendip.seeds import rng_for

KIND = "trees classifier"
ARRAYS = ("feature_", "threshold_", "slot_", "value_")


class Trees(BaseEstimator):
    """Tells two classes apart; the score of an event is its mean logit over the members.

    The same data in the same order and the same seed give the same bits. Weights may have either sign:
    gradients and hessians are then signed sums, no leaf may have a hessian below `min_leaf` / 4, and its step is
    at most 8 (before the learning rate), so that leaves where weights nearly cancel stay harmless.

    The defaults were chosen on the LHCO sample (CWoLa, S/√B = 2.2, four features, 20 draws): half the iterations
    lose 2 % of Z and save 40 % of the time, 50 members gain 1 %.

    Args:
        members: independent boosted models.
        iterations: trees of a member.
        leaves: of a tree, at most 32.
        bins: of a feature, at most 255; without effect where the features come binned.
        learning_rate: what a tree's values are multiplied with.
        l2: added to a leaf's hessian; |weights| have mean 1, so that such an event adds at most 1/4.
        min_leaf: smallest leaf, in events of mean weight at probability 1/2.
        subsample: part of the events that each member sees.
        balanced: whether the classes get the same total weight.
        seed: which events a member sees.
    """

    def __init__(
        self,
        *,
        members: int = 10,
        iterations: int = 30,
        leaves: int = 31,
        bins: int = 63,
        learning_rate: float = 0.1,
        l2: float = 10.0,
        min_leaf: float = 50.0,
        subsample: float = 0.5,
        balanced: bool = True,
        seed: int = 0,
    ) -> None:
        self.members = members
        self.iterations = iterations
        self.leaves = leaves
        self.bins = bins
        self.learning_rate = learning_rate
        self.l2 = l2
        self.min_leaf = min_leaf
        self.subsample = subsample
        self.balanced = balanced
        self.seed = seed

    def prepare(self, x: Float[np.ndarray, "n d"] | BinnedFeatures) -> BinnedFeatures:
        """Bin features once, for all the fits and scores on their rows."""
        return x if isinstance(x, BinnedFeatures) else bin_features(x, self.bins)

    def fit(
        self,
        x: Float[np.ndarray, "n d"] | BinnedFeatures,
        y: Bool[np.ndarray, " n"] | Int[np.ndarray, " n"] | Float[np.ndarray, " n"],
        sample_weight: Float[np.ndarray, " n"] | None = None,
    ) -> "Trees":
        """Fit all members.

        Args:
            x: features, binned or not.
            y: labels, 0 or 1.
            sample_weight: of either sign.

        Raises:
            InputError: a setting, feature, label or weight cannot be used, or the weights of a class cancel.
        """
        self._check_settings()
        binned = self.prepare(x)
        y, w = labels_and_weights(len(binned), y, sample_weight, self.balanced)
        self.edges_ = binned.edges
        shape = (self.members, self.iterations, self.leaves - 1)
        self.feature_ = np.zeros(shape, np.uint16)
        self.threshold_ = np.full(shape, MAX_BINS, np.uint8)
        self.slot_ = np.zeros(shape, np.uint8)
        self.value_ = np.zeros((*shape[:2], self.leaves), np.float32)
        share = float(np.sum(w * y) / np.sum(w))
        self.start_ = float(np.log(share / (1 - share)))
        codes = np.ascontiguousarray(binned.codes)
        for member in range(self.members):
            self._fit_member(member, codes, y, w)
        return self

    def _fit_member(self, member: int, codes: np.ndarray, y: np.ndarray, w: np.ndarray) -> None:
        n, d = codes.shape
        rows = np.arange(n)
        if self.subsample < 1:
            rows = np.flatnonzero(rng_for(self.seed, "trees", member).random(n) < self.subsample)
        if len(rows) == 0:
            return
        columns, words = np.empty((d, len(rows)), np.uint8), np.empty((d // 4, len(rows)), np.uint32)
        kernels.gather(codes, rows, columns, words)
        kernels.boost(
            columns,
            words,
            y[rows],
            w[rows],
            self._width,
            np.full(len(rows), np.exp(-self.start_), np.float32),
            float(self.learning_rate),
            float(self.l2),
            self.min_leaf / 4,
            self.feature_[member],
            self.threshold_[member],
            self.slot_[member],
            self.value_[member],
        )

    @property
    def _width(self) -> int:
        """Bins of the feature that has most; at least 2, so that constant features are no special case."""
        return max(2, 1 + max(len(of_feature) for of_feature in self.edges_))

    def score(self, x: Float[np.ndarray, "n d"] | BinnedFeatures) -> Float[np.ndarray, " n"]:
        """Mean logit of the members; higher is more like class 1.

        Raises:
            InputError: x has other features or bins than in the fit, or holds NaN or infinities.
        """
        codes = np.ascontiguousarray(self._codes(x))
        members, iterations, _ = self.value_.shape
        trees, width = members * iterations, self._width
        sets = np.empty((trees, len(self.edges_) * width), np.uint32)
        values = np.zeros((trees, kernels.MAX_LEAVES), np.float32)
        flat = [getattr(self, name).reshape(trees, -1) for name in ARRAYS]
        kernels.leaf_tables(*flat, width, sets, values)
        total = np.zeros(len(codes))
        kernels.add_scores(codes, sets, values, width, total)
        return self.start_ + total / members

    def _codes(self, x: Float[np.ndarray, "n d"] | BinnedFeatures) -> np.ndarray:
        if not isinstance(x, BinnedFeatures):
            return apply_edges(x, self.edges_)
        if not same_edges(x.edges, self.edges_):
            raise InputError(
                "Got features in other bins than in the fit. Pass the features themselves, or bin them alike."
            )
        return x.codes

    def predict_proba(self, x: Float[np.ndarray, "n d"] | BinnedFeatures) -> Float[np.ndarray, "n 2"]:
        """Probabilities of class 0 and class 1, at the class weights of the fit."""
        p = expit(self.score(x))
        return np.column_stack([1 - p, p])

    def save(self, path: str | Path) -> None:
        """Write settings and trees as arrays (.npz), all or nothing."""
        arrays = [getattr(self, name) for name in ARRAYS]
        write(path, (*arrays, *self.edges_), {"settings": self.get_params(), "start": self.start_}, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "Trees":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        facts, arrays = read(path, KIND)
        trees = cls(**facts["settings"])
        for name, array in zip(ARRAYS, arrays):
            setattr(trees, name, array)
        trees.start_, trees.edges_ = facts["start"], tuple(arrays[len(ARRAYS) :])
        return trees

    def _check_settings(self) -> None:
        ranges = {
            "members": (1, np.inf),
            "iterations": (1, np.inf),
            "leaves": (2, kernels.MAX_LEAVES),
            "bins": (2, MAX_BINS),
            "l2": (0, np.inf),
            "seed": (0, np.inf),
        }
        for name, (low, high) in ranges.items():
            _require(low <= getattr(self, name) <= high, name, getattr(self, name), f"{low} to {high}")
        for name in ("learning_rate", "min_leaf", "subsample"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "a number above 0")
        _require(self.subsample <= 1, "subsample", self.subsample, "at most 1")


def _require(fine: bool, name: str, got: float, expected: str) -> None:
    if not fine:
        raise InputError(f"{name}: Got {got}, but expected {expected}.")


def labels_and_weights(
    n: int, y: np.ndarray, w: np.ndarray | None, balanced: bool
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Labels and weights in float32; |weights| have mean 1, so that adding pairs of weight ±1 keeps the others."""
    w = np.ones(n) if w is None else np.asarray(w, dtype=float)
    if np.shape(y) != (n,) or w.shape != (n,):
        raise InputError(f"Got labels of shape {np.shape(y)} and weights of shape {w.shape}, but expected ({n},).")
    if not np.isin(y, (0, 1)).all():
        raise InputError(f"Got labels {np.unique(y)[:5]}, but expected 0 and 1.")
    if not np.isfinite(w).all():
        raise InputError(f"Got {int((~np.isfinite(w)).sum())} NaN or infinite weights, but expected finite ones.")
    one = np.asarray(y, dtype=bool)
    totals = [float(w[~one].sum()), float(w[one].sum())]
    for label, total in enumerate(totals):
        if not total > 0:
            raise InputError(f"Got weights that sum to {total:g} in class {label}, but expected a sum above 0.")
    if balanced:
        w = np.where(one, w / totals[1], w / totals[0])
    return one.astype(np.float32), (w / np.abs(w).mean()).astype(np.float32)
