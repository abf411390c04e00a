"""The supervised classifier: a ceiling for every search, and no search itself, since it needs truth.

Source: used as the ceiling in Hallin et al. 2021, arXiv:2109.00546.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Truth, Window
from serendip.score.classifiers import Features, PerEvent, fit_two_samples, make_settled


class Supervised(BaseEstimator):
    """Scores events by how much more they look like the true signal than like the background.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        seed: of the classifier.
    """

    needs = frozenset({"mass", "window", "truth"})
    source = "arXiv:2109.00546"
    summary = "a classifier of true signal against background in the window: a ceiling, needs truth"

    def __init__(self, classifier: str = "trees", *, settings: dict[str, Any] | None = None, seed: int = 0) -> None:
        self.classifier = classifier
        self.settings = settings
        self.seed = seed

    def prepare(self, x: Features) -> Any:
        """What can be computed once for all windows and folds; its rows stand for those of x."""
        return make_settled(self).prepare(x)

    def fit(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, truth: Truth) -> "Supervised":
        """Fit the classifier; signal and background count equally.

        Args:
            x: features.
            m: resonant variable, in the units of `window`.
            window: only its events are used.
            w: event weights, of either sign.
            truth: which events are signal.

        Raises:
            TooFewEventsError: the window holds fewer than 100 signal or background events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside = window.contains(m)
        signal, background = inside & truth.is_signal, inside & ~truth.is_signal
        self.classifier_ = fit_two_samples(
            make_settled(self),
            {"true_signal": (x[signal], None if w is None else w[signal])},
            {"true_background": (x[background], None if w is None else w[background])},
        )
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of signal against background."""
        return self.classifier_.score(x)
