"""The idealised anomaly detector: data in the window against a perfect sample of its background.

Source: Hallin et al. 2021, arXiv:2109.00546, where it is the ceiling of every weakly supervised method.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.classifiers import Features, PerEvent, Sample, fit_two_samples, make_settled


class Idealised(BaseEstimator):
    """Scores events by how much more they look like data than like the background sample.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        seed: of the classifier.
    """

    needs = frozenset({"mass", "window", "background"})
    source = "arXiv:2109.00546"
    summary = "a classifier of data in the window against a background sample"

    def __init__(self, classifier: str = "trees", *, settings: dict[str, Any] | None = None, seed: int = 0) -> None:
        self.classifier = classifier
        self.settings = settings
        self.seed = seed

    def prepare(self, x: Features) -> Any:
        """What can be computed once for all windows and folds; its rows stand for those of x."""
        return make_settled(self).prepare(x)

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, background: Sample
    ) -> "Idealised":
        """Fit the classifier; both samples count equally.

        Args:
            x: features of the data, inside and outside the window.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought.
            w: event weights, of either sign.
            background: features and weights (or None) of background events of this window, none of them data.

        Raises:
            TooFewEventsError: the window or the background sample holds fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside = window.contains(m)
        self.classifier_ = fit_two_samples(
            make_settled(self),
            {"window": (x[inside], None if w is None else w[inside])},
            {"background_sample": background},
        )
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of data against the background sample."""
        return self.classifier_.score(x)
