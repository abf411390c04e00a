"""LaCATHODE: CATHODE in the latent space of its flow, in which the background looks the same at every mass.

Source: Hallin et al. 2022, arXiv:2210.14924.
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
from serendip.seeds import rng_for


class LaCathode(BaseEstimator):
    """Scores events by how much more their latent position looks like the window than like a standard normal.

    The sidebands define a map to a space where the background is standard normal at every mass. The window's events
    are told from standard normal draws there, and any event is scored at its latent position: the score knows the mass
    only through the map, so that a cut does not shape the spectrum of the background where the map is right.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        density: a key of `DENSITIES`.
        density_settings: of the density.
        oversample: normal draws for each event in the window.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the density, the draws and the classifier.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:2210.14924"
    summary = "CATHODE in the latent space of its density, where the background does not know the mass"
    scores_with_mass = True

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
        """The latent template mapped back at the window's masses; of its events only the masses are read."""
        inside, _ = take_apart(Part(x, m, w), window, self.sidebands)
        learned = self.learn(x, m, window, w=w) if learned is None else learned
        z, masses, sign = self._prior(inside)
        return learned.from_latent(z, masses), sign

    def _prior(self, inside: Part) -> tuple[Features, PerEvent, PerEvent | None]:
        number = self.oversample * len(inside)
        masses, sign = draw_masses(inside, number, self.seed)
        return rng_for(self.seed, "latent template").normal(size=(number, inside.x.shape[1])), masses, sign

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> "LaCathode":
        """Fit the density to the sidebands, then the classifier to the window's latent positions.

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
        self.density_ = self.learn(x, m, window, w=w) if learned is None else learned
        latent = Part(self.density_.to_latent(inside.x, inside.m), inside.m, inside.w)
        z, _, sign = self._prior(inside)
        self.classifier_ = fit_to_template(self, latent, (z, sign))
        return self

    def anomaly_score(self, x: Features, m: PerEvent) -> PerEvent:
        """Logit of data against the normal draws, at the latent position of each event."""
        return self.classifier_.score(self.density_.to_latent(x, m))
