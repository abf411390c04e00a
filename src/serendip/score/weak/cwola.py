"""CWoLa: tell a window from its sidebands; what can be told apart is the signal.

Sources: Metodiev, Nachman, Thaler 2017, arXiv:1708.02949; Collins, Howe, Nachman 2019, arXiv:1902.02634.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.classifiers import Features, PerEvent, fit_two_samples, make_settled


class Cwola(BaseEstimator):
    """Scores events by how much more they look like the window than like its sidebands.

    Trap: features that depend on the mass tell window from sidebands without any signal, and the fit of the
    spectrum does not notice. Check them first.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the classifier.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:1708.02949, arXiv:1902.02634"
    summary = "a classifier of the window against its sidebands"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Any:
        """What can be computed once for all windows and folds; its rows stand for those of x."""
        return make_settled(self).prepare(x)

    def fit(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> "Cwola":
        """Fit the classifier; window and sidebands count equally.

        Args:
            x: features, nearly independent of `m` in the background.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside = window.contains(m)
        beside = ~inside & self._near(m, window)
        self.classifier_ = fit_two_samples(
            make_settled(self),
            {"window": (x[inside], None if w is None else w[inside])},
            {"sidebands": (x[beside], None if w is None else w[beside])},
        )
        return self

    def _near(self, m: PerEvent, window: Window) -> Bool[np.ndarray, " n"]:
        if self.sidebands is None:
            return np.ones(len(m), dtype=bool)
        return (m >= window.low - self.sidebands) & (m < window.high + self.sidebands)

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of window against sidebands."""
        return self.classifier_.score(x)
