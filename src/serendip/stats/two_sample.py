"""Can a classifier tell two samples apart? The classifier two-sample test, C2ST.

Source: Lopez-Paz and Oquab 2017, arXiv:1610.06545, with the AUC in place of the accuracy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from serendip.errors import InputError, require_events
from serendip.seeds import rng_for, seed_for
from serendip.stats.p_value import PValue, asymptotic_p_value, toy_p_value

BOTH_WAYS = math.sqrt(2)  # each pair of events meets twice: one trains, the other is scored, and the reverse

ClassifierFactory = Callable[[int], Any]


@dataclass(frozen=True)
class TwoSampleResult:
    """How well the samples can be told apart.

    Attributes:
        auc: mean over the folds of the AUC on events that the fold's classifier never saw; 0.5 if alike.
        error: its DeLong standard error, for folds taken as independent.
        p: one-sided p of an AUC as large if the samples are alike.
    """

    auc: float
    error: float
    p: PValue


def boosted_trees(seed: int) -> HistGradientBoostingClassifier:
    """The default classifier: small enough to train in seconds, strong enough to see a shifted feature."""
    return HistGradientBoostingClassifier(
        max_iter=50, max_leaf_nodes=15, min_samples_leaf=50, early_stopping=False, random_state=seed % 2**32
    )


def two_sample_test(
    x_a: Float[np.ndarray, "a d"],
    x_b: Float[np.ndarray, "b d"],
    w_a: Float[np.ndarray, " a"] | None = None,
    w_b: Float[np.ndarray, " b"] | None = None,
    *,
    classifier: ClassifierFactory = boosted_trees,
    folds: int = 5,
    permutations: int = 0,
    seed: int = 0,
) -> TwoSampleResult:
    """Test whether two weighted samples come from one distribution.

    Each fold is scored by a classifier trained on the others, with both samples at equal total weight. Two p-values:

    - By formula: Gaussian in (AUC − 1/2), with twice the Mann–Whitney variance (Σa² + Σb²) / 12, where a and b are
      the weights of a fold divided by their sums. Doubled, because the folds are not independent: each trains the
      classifiers of the others, so that every pair of events counts twice. Undoubled, a linear classifier has Z of
      sd 1.4 where nothing is to be found; classifiers that remember less are conservative.
    - By permutations: the features are shuffled against labels and weights, and everything is retrained. Exact
      if the weights do not depend on the features.

    Trap: copies of one event in both samples, or in two folds, are told apart by memory; give weights, not copies.

    Args:
        x_a: features of the first sample.
        x_b: features of the second.
        w_a: its event weights.
        w_b: weights of the second.
        classifier: makes an untrained classifier from a seed; it has `fit(x, y, sample_weight)`, and
            `predict_proba`, `decision_function` or `score(x)`.
        folds: number of parts; each is scored once.
        permutations: how many, each with a training per fold; 0 takes the formula.
        seed: of the folds, the classifiers and the permutations.

    Raises:
        TooFewEventsError: a sample holds fewer than ten events a fold.
        InputError: a sample's weights do not sum to a positive number, in all or in a fold.
    """
    require_events(10 * folds, first_sample=x_a, second_sample=x_b)
    w_a = _at_unit_mean("first", np.ones(len(x_a)) if w_a is None else w_a)
    w_b = _at_unit_mean("second", np.ones(len(x_b)) if w_b is None else w_b)
    w_b = w_b * (len(x_a) / len(x_b))
    x, w = np.concatenate([x_a, x_b]), np.concatenate([w_a, w_b])
    is_a = np.arange(len(x)) < len(x_a)
    fold = _folds(is_a, folds, seed)

    def measure(features: Float[np.ndarray, "n d"]) -> tuple[float, float, float]:
        return _cross_fitted_auc(features, is_a, w, fold, classifier, seed)

    with threadpool_limits(1):  # on shared cores two threads are slower than one, by far
        auc, error, null_error = measure(x)
        shuffled = (rng_for(seed, "two_sample_permutation", i).permutation(x) for i in range(permutations))
        null = [measure(features)[0] for features in shuffled]
    if permutations:
        p = toy_p_value(int(np.sum(np.array(null) >= auc - 1e-12)), permutations, "permutations")
    else:
        p = asymptotic_p_value((auc - 0.5) / (BOTH_WAYS * null_error), "Mann–Whitney, doubled variance")
    return TwoSampleResult(auc, error, p)


def weighted_auc(
    scores_a: Float[np.ndarray, " a"],
    scores_b: Float[np.ndarray, " b"],
    w_a: Float[np.ndarray, " a"],
    w_b: Float[np.ndarray, " b"],
) -> tuple[float, float, float]:
    """P(a scores higher) + P(tie) / 2, its DeLong variance, and its variance without ties where a and b are alike.

    Source: DeLong et al. 1988, doi:10.2307/2531595; Mann and Whitney 1947, doi:10.1214/aoms/1177730491, for large
    samples; both with weights of either sign.

    Raises:
        InputError: the weights of a sample do not sum to a positive number.
    """
    if not (w_a.sum() > 0 and w_b.sum() > 0):
        raise InputError(f"Got total weights {w_a.sum():g} and {w_b.sum():g} in a fold, but expected both positive.")
    share_a, share_b = w_a / w_a.sum(), w_b / w_b.sum()
    beaten_by_a, beaten_by_b = _share_below(scores_a, scores_b, share_b), _share_below(scores_b, scores_a, share_a)
    auc = float(share_a @ beaten_by_a)
    variance = np.sum((share_a * (beaten_by_a - auc)) ** 2) + np.sum((share_b * (1 - beaten_by_b - auc)) ** 2)
    return auc, float(variance), float(share_a @ share_a + share_b @ share_b) / 12


def _share_below(
    scores: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"], share: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n"]:
    """The share of the others that each score beats; ties count half."""
    order = np.argsort(others)
    cumulative = np.append(0.0, np.cumsum(share[order]))
    left, right = (np.searchsorted(others[order], scores, side=side) for side in ("left", "right"))
    return 0.5 * (cumulative[left] + cumulative[right])


def _cross_fitted_auc(
    x: Float[np.ndarray, "n d"],
    is_a: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"],
    fold: Int[np.ndarray, " n"],
    classifier: ClassifierFactory,
    seed: int,
) -> tuple[float, float, float]:
    """Mean AUC of the folds, and its errors, DeLong's and where nothing is to be found, for independent folds."""
    results = []
    for i in range(folds := int(fold.max()) + 1):
        seen, model = fold != i, classifier(seed_for(seed, "two_sample", i))
        a, b = ~seen & is_a, ~seen & ~is_a
        model.fit(x[seen], is_a[seen].astype(int), sample_weight=w[seen])
        results.append(weighted_auc(_scores(model, x[a]), _scores(model, x[b]), w[a], w[b]))
    auc, variance, null_variance = np.mean(results, axis=0)
    return float(auc), math.sqrt(variance / folds), math.sqrt(null_variance / folds)


def _scores(classifier: Any, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    for name in ("decision_function", "predict_proba", "score"):
        if hasattr(classifier, name):
            values = np.asarray(getattr(classifier, name)(x), dtype=float)
            return values if values.ndim == 1 else values[:, 1]
    raise InputError(f"Got {classifier!r}, but expected predict_proba, decision_function or score.")


def _folds(is_a: Bool[np.ndarray, " n"], folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """The fold of each event; both samples are spread evenly."""
    fold, rng = np.empty(len(is_a), dtype=int), rng_for(seed, "two_sample_folds")
    for chosen in (is_a, ~is_a):
        fold[chosen] = rng.permutation(np.arange(chosen.sum()) % folds)
    return fold


def _at_unit_mean(name: str, w: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    if not w.mean() > 0:
        raise InputError(f"Got a total weight of {w.sum():g} in the {name} sample, but expected it positive.")
    return w / w.mean()
