"""ANODE: two densities in the window, one learned from its events and one interpolated from the sidebands.

Source: Nachman, Shih 2020, arXiv:2001.04990.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.weak.template import Features, Part, PerEvent, Template, draw_masses, fit_density, take_apart
from serendip.seeds import seed_for


class Anode(BaseEstimator):
    """Scores events by log p(x | m) learned in the window over log p(x | m) learned in the sidebands.

    No classifier: where the signal is rare, the ratio of two learned densities is noisier than a learned ratio.

    The paper scores no events outside the window, but a cut needs their scores to mean the same. Such an event is moved
    into the window first, by a whole number of window widths, and its features are carried to that mass through the
    latent space of the outer density: background is then scored alike at every mass, where that density is right.

    Args:
        density: a key of `DENSITIES`.
        density_settings: of the density.
        oversample: template events for each event in the window; the score does not depend on it.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the densities and the template.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:2001.04990"
    summary = "the ratio of two densities: learned in the window, and interpolated from its sidebands"
    scores_with_mass = True

    def __init__(
        self,
        density: str = "spline_maf",
        *,
        density_settings: dict[str, Any] | None = None,
        oversample: int = 4,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.density = density
        self.density_settings = density_settings
        self.oversample = oversample
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: densities take the features as they are."""
        return x

    def background_template(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> Template:
        """Events of the outer density at the window's masses; of the window's events only the masses are read."""
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        masses, sign = draw_masses(inside, self.oversample * len(inside), self.seed)
        return fit_density(self, beside).sample(masses, seed=seed_for(self.seed, "template")), sign

    def fit(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> "Anode":
        """Fit both densities.

        Args:
            x: features.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its events never reach the outer density.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        self.window_ = window
        self.inner_ = fit_density(self, inside, seed_for(self.seed, "inner density"))
        self.outer_ = fit_density(self, beside)
        return self

    def anomaly_score(self, x: Features, m: PerEvent) -> PerEvent:
        """The logarithm of the ratio of the densities; of an event outside the window, after it was moved into it."""
        x, m = self._moved(x, m)
        return self.inner_.log_prob(x, m) - self.outer_.log_prob(x, m)

    def _moved(self, x: Features, m: PerEvent) -> tuple[Features, PerEvent]:
        outside, window = ~self.window_.contains(m), self.window_
        x, m = x.copy(), m.copy()
        if outside.any():
            z = self.outer_.to_latent(x[outside], m[outside])
            m[outside] = window.low + (m[outside] - window.low) % window.width
            x[outside] = self.outer_.from_latent(z, m[outside])
        return x, m
