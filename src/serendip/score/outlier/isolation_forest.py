"""Isolation forest: events that a few random cuts set apart are rare.

Source: Liu, Ting, Zhou 2008, doi:10.1109/ICDM.2008.17.
"""

from sklearn import ensemble
from sklearn.base import BaseEstimator

from serendip.score.densities import Features, PerEvent
from serendip.score.outlier.sample import require_finite, unweighted
from serendip.seeds import seed_for


class IsolationForest(BaseEstimator):
    """Scores events by how few random cuts along single features isolate them, in the mean over trees.

    Quick, and at home in many features; blind to outliers that only a combination of features shows.

    Args:
        trees: how many; more make the score smoother.
        events_per_tree: what each tree learns from; more resolve finer structure.
        seed: of the cuts and the draws.
    """

    needs: frozenset[str] = frozenset()
    source = "doi:10.1109/ICDM.2008.17"
    summary = "how few random cuts set an event apart"

    def __init__(self, *, trees: int = 200, events_per_tree: int = 256, seed: int = 0) -> None:
        self.trees = trees
        self.events_per_tree = events_per_tree
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "IsolationForest":
        """Grow the trees.

        Args:
            x: features of all events.
            w: event weights, none negative.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: a feature is NaN or infinite, a weight is negative, or all are zero.
        """
        x = unweighted(x, w, "isolation_forest", self.seed)
        self.forest_ = ensemble.IsolationForest(
            n_estimators=self.trees,
            max_samples=min(self.events_per_tree, len(x)),
            random_state=seed_for(self.seed, "isolation forest") % 2**32,
        ).fit(x)
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Between 0 and 1; about 0.5 for a typical event.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        return -self.forest_.score_samples(x)
