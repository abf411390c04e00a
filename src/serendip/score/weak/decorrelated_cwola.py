"""CWoLa with a decorrelated input: window against sidebands, in a space where the background does not know the mass.

Sources: Metodiev, Nachman, Thaler 2017, arXiv:1708.02949 (CWoLa); Hallin et al. 2022, arXiv:2210.14924 (the latent
space of a density learned in the sidebands as decorrelated input).
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.errors import InputError
from serendip.score.classifiers import fit_two_samples, make_settled
from serendip.score.weak.template import Features, Part, PerEvent, Template, draw_masses, fit_density, take_apart, times
from serendip.seeds import rng_for


class DecorrelatedCwola(BaseEstimator):
    """Scores events by how much more their latent position looks like the window than like the sidebands.

    As LaCATHODE, but compares with the sidebands' own latent positions rather than with a normal distribution: where the
    density gets the shape of a feature wrong at all masses alike, data and comparison are wrong in the same way. Where it
    is right about the mass, a cut shapes no bump. The default, quantiles that move with the mass, has so little freedom
    that it interpolates better than a flow, and leaves the dependence between features to the classifier.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        density: a key of `DENSITIES`.
        density_settings: of the density.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        halves: whether half of the sideband events make the density and the other half the comparison. For flows, which
            fit the events that they learned from a little better than new ones.
        seed: of the density, the halves and the classifier.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:1708.02949, arXiv:2210.14924"
    summary = "CWoLa in the latent space of a sideband density, where the background does not know the mass"
    scores_with_mass = True

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        density: str = "quantiles",
        density_settings: dict[str, Any] | None = None,
        sidebands: float | None = None,
        halves: bool = False,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.density = density
        self.density_settings = density_settings
        self.sidebands = sidebands
        self.halves = halves
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: the density takes the features as they are."""
        return x

    def learn(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> Any:
        """The density of the sidebands, or of half of them, which `fit` makes itself where it is not given one."""
        _, beside = take_apart(Part(x, m, w), window, self.sidebands)
        return fit_density(self, self._learned_and_compared(beside)[0])

    def background_template(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> Template:
        """The comparison's events carried through the latent space to the window's masses.

        Of the window's events only the masses are read.
        """
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        _, compared = self._learned_and_compared(beside)
        density = self.learn(x, m, window, w=w) if learned is None else learned
        masses, sign = draw_masses(inside, len(compared), self.seed)
        carried = density.from_latent(density.to_latent(compared.x, compared.m), masses)
        return carried, times(sign, compared.w)

    def _learned_and_compared(self, beside: Part) -> tuple[Part, Part]:
        if not self.halves:
            return beside, beside
        first = rng_for(self.seed, "halves of the sidebands").permutation(len(beside)) % 2 == 0
        return beside[first], beside[~first]

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> "DecorrelatedCwola":
        """Fit the density to the sidebands, then the classifier to the latent positions.

        Args:
            x: features, smooth in `m` in the background.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its events never reach the density.
            w: event weights, of either sign.
            learned: what `learn` returned, for these sidebands or larger ones.

        Raises:
            TooFewEventsError: the window, or what of the sidebands is compared, holds fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        _, compared = self._learned_and_compared(beside)
        if self.halves and learned is not None:
            raise InputError(
                "halves: Got true together with a shared density, which has seen both halves. Take one of the two."
            )
        self.density_ = self.learn(x, m, window, w=w) if learned is None else learned
        self.classifier_ = fit_two_samples(
            make_settled(self),
            {"window": (self._latent(inside), inside.w)},
            {"sidebands": (self._latent(compared), compared.w)},
        )
        return self

    def _latent(self, part: Part) -> Features:
        return self.density_.to_latent(part.x, part.m)

    def anomaly_score(self, x: Features, m: PerEvent) -> PerEvent:
        """Logit of window against sidebands, at the latent position of each event."""
        return self.classifier_.score(self.density_.to_latent(x, m))
