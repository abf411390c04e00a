"""What features that say nothing cost trees and networks, and what gives it back.

Noise is drawn for every event apart from its label: data, reference and spare signal alike.
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import ks_2samp
from sklearn.base import BaseEstimator

from benchmarks.study_records import Records, Row
from benchmarks.study_runs import cross_fitted, plain_draw
from serendip.config.load import make_config
from serendip.score.classifiers import make_classifier
from serendip.score.weak.cwola import Cwola
from serendip.score.weak.idealised import Idealised
from serendip.search.evaluate import evaluation_window, labelled
from serendip.search.prepare import prepared
from serendip.search.scan import background_sample
from serendip.seeds import rng_for, seed_for
from serendip.stats.two_sample import two_sample_test

NOISE, KEPT = 10, 4
SMALL, TREES = {"members": 5}, {"bins": 127}
QUICK = {"members": 4, "iterations": 15}
# name: method, classifier, settings, draws; `alone` and `pairs` screen
CASES: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "trees": ("idealised", "trees", TREES, 5),
    "network": ("idealised", "network", SMALL, 3),
    "network, 20 members": ("idealised", "network", {"members": 20}, 3),
    "network, weight_decay 0.1": ("idealised", "network", SMALL | {"weight_decay": 0.1}, 3),
    "network, dropout 0.2": ("idealised", "network", SMALL | {"dropout": 0.2}, 3),
    "network, hidden [16]": ("idealised", "network", SMALL | {"hidden": [16]}, 3),
    "network, 4 screened": ("alone", "network", SMALL, 3),
    "trees, 4 screened": ("alone", "trees", TREES, 5),
    "trees, 50 members": ("idealised", "trees", TREES | {"members": 50}, 3),
    "trees, 50 members of 8 leaves": ("idealised", "trees", TREES | {"members": 50, "leaves": 8}, 3),
    "trees, 4 screened in pairs": ("pairs", "trees", TREES, 3),
    "network, 4 screened in pairs": ("pairs", "network", SMALL, 3),
    "trees, cwola": ("cwola", "trees", TREES, 3),
    "trees, 50 members, cwola": ("cwola", "trees", TREES | {"members": 50}, 3),
    "network, cwola": ("cwola", "network", SMALL, 3),
}


class Screened(BaseEstimator):
    """Idealised on the features in which window and background differ most, on the events of the fit.

    Args:
        by: `alone`, the Kolmogorov–Smirnov distance of each feature, or `pairs`, the mean C2ST AUC of small trees over the
            pairs that it is part of.
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        seed: of the classifiers.
    """

    needs = Idealised.needs

    def __init__(
        self, by: str = "alone", *, classifier: str = "trees", settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.by, self.classifier, self.settings, self.seed = by, classifier, settings, seed

    def fit(self, x: np.ndarray, m: np.ndarray, window: Any, *, w: Any = None, background: Any) -> "Screened":
        """Screen, then fit."""
        inside, reference = x[window.contains(m)], background[0]
        far = (self._alone if self.by == "alone" else self._in_pairs)(inside, reference)
        self.kept_ = np.argsort(far)[::-1][:KEPT]
        method = Idealised(self.classifier, settings=self.settings, seed=self.seed)
        fewer = (np.ascontiguousarray(reference[:, self.kept_]), background[1])
        self.method_ = method.fit(x[:, self.kept_], m, window, w=w, background=fewer)
        return self

    def _alone(self, inside: np.ndarray, reference: np.ndarray) -> list[float]:
        return [ks_2samp(a, b).statistic for a, b in zip(inside.T, reference.T, strict=True)]

    def _in_pairs(self, inside: np.ndarray, reference: np.ndarray) -> np.ndarray:
        total = np.zeros(inside.shape[1])
        for pair in combinations(range(len(total)), 2):
            x, x_0 = (np.ascontiguousarray(one[:, pair]) for one in (inside, reference))
            quick = partial(make_classifier, "trees", **QUICK)  # the seed comes next
            found = two_sample_test(x, x_0, classifier=quick, folds=2, seed=self.seed)
            total[list(pair)] += found.auc
        return total

    def anomaly_score(self, x: np.ndarray) -> np.ndarray:
        """Of the features kept."""
        return self.method_.anomaly_score(x[:, self.kept_])


def noise(records: Records, draws: Sequence[int]) -> None:
    """Each case with noise; trees and the network without it, too."""
    for name, (*_, count) in CASES.items():
        for extra in (0, NOISE):
            if name not in ("trees", "network") and not extra:
                continue
            for draw in draws[:count]:
                key = {"features": f"4 + {extra} normal" if extra else "4", "classifier": name, "draw": draw}
                records.measure(key, partial(scored, draw, extra, name))


def scored(draw: int, extra: int, name: str) -> Row:
    """Every event gets so many normal features more."""
    p = prepared(make_config(plain_draw(draw) | {"method": ["idealised"]}).analysis())
    window = evaluation_window(p)
    x, (x_0, w_0) = labelled(p, window).experiment.sample.x(), background_sample(p, window)
    rng = rng_for(draw, "noise")
    x, x_0 = (np.hstack([one, rng.normal(size=(len(one), extra))]) for one in (x, x_0))
    method, classifier, settings, _ = CASES[name]
    made: Any = {"idealised": Idealised, "cwola": Cwola}.get(method, partial(Screened, method))
    estimator = made(classifier=classifier, settings=settings, seed=seed_for(draw, name))
    return cross_fitted(p, estimator, draw, x=x, background=(x_0, w_0))
