"""CATHODE: learn the background's density in the sidebands, sample it in the window, then tell data apart from that.

Source: Hallin et al. 2021, arXiv:2109.00546.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.weak.template import (
    Features,
    Part,
    PerEvent,
    Template,
    draw_masses,
    fit_density,
    fit_to_template,
    take_apart,
)
from serendip.seeds import seed_for


class Cathode(BaseEstimator):
    """Scores events by how much more they look like the window than like the background that its sidebands predict.

    The template's masses are those of the window's events, where the paper draws from a kernel estimate of them.

    Trap: however good the template, the score is a function of the features alone. Where they move with the mass, a cut
    on it passes another part of the background at every mass, and the spectrum that remains is no longer smooth in the
    way of the uncut one. LaCathode and DecorrelatedCwola are made against that.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        density: a key of `DENSITIES`.
        density_settings: of the density.
        oversample: template events for each event in the window.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the density, the template and the classifier.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:2109.00546"
    summary = "a classifier of the window against samples of a density learned in its sidebands"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        density: str = "spline_maf",
        density_settings: dict[str, Any] | None = None,
        oversample: int = 4,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.density = density
        self.density_settings = density_settings
        self.oversample = oversample
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: the density takes the features as they are."""
        return x

    def learn(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> Any:
        """The density of the sidebands, which `fit` makes itself where it is not given one."""
        return fit_density(self, take_apart(Part(x, m, w), window, self.sidebands)[1])

    def background_template(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> Template:
        """Events of the sideband density at the window's masses; of the window's events only the masses are read.

        Returns:
            features, and weights ±1 where the data have negative weights, else None.
        """
        inside, _ = take_apart(Part(x, m, w), window, self.sidebands)
        learned = self.learn(x, m, window, w=w) if learned is None else learned
        masses, sign = draw_masses(inside, self.oversample * len(inside), self.seed)
        return learned.sample(masses, seed=seed_for(self.seed, "template")), sign

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> "Cathode":
        """Fit the density to the sidebands, then the classifier to the window.

        Args:
            x: features, smooth in `m` in the background.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its events never reach the density.
            w: event weights, of either sign.
            learned: what `learn` returned, for these sidebands or larger ones.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside, _ = take_apart(Part(x, m, w), window, self.sidebands)
        self.classifier_ = fit_to_template(self, inside, self.background_template(x, m, window, w=w, learned=learned))
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of data against the template."""
        return self.classifier_.score(x)
