"""CURTAINs: carry the events of both sidebands into the window.

Sources: Raine et al. 2022, arXiv:2203.09470; Sengupta et al. 2023, arXiv:2305.04646 (maximum likelihood).
"""

from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.errors import ConfigError, require_events, unknown_name
from serendip.score.classifiers import MIN_EVENTS
from serendip.score.weak.template import (
    Features,
    Part,
    PerEvent,
    Template,
    draw_masses,
    fit_to_template,
    take_apart,
    times,
)
from serendip.score.weak.transports import TRANSPORTS


class Curtains(BaseEstimator):
    """Scores events by how much more they look like the window than like sideband events carried into it.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        transport: `likelihood` (CURTAINsF4F) or `sinkhorn` (CURTAINs), a key of `TRANSPORTS`.
        transport_settings: of the transport by `sinkhorn`.
        density: a key of `DENSITIES`, for the transport by `likelihood`.
        density_settings: of the density.
        oversample: how often each sideband event is carried, each time to another mass.
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the transport, the masses and the classifier.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:2203.09470, arXiv:2305.04646"
    summary = "a classifier of the window against sideband events that a learned map carries into it"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        transport: str = "likelihood",
        transport_settings: dict[str, Any] | None = None,
        density: str = "spline_maf",
        density_settings: dict[str, Any] | None = None,
        oversample: int = 1,
        sidebands: float | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.transport = transport
        self.transport_settings = transport_settings
        self.density = density
        self.density_settings = density_settings
        self.oversample = oversample
        self.sidebands = sidebands
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: the transport takes the features as they are."""
        return x

    def learn(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> Any:
        """The transport, which `fit` makes itself where it is not given one."""
        _, beside = self._take_apart(Part(x, m, w), window)
        return self._make_transport().fit(beside.x, beside.m, beside.w)

    def background_template(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> Template:
        """Sideband events carried to the window's masses; of its events only the masses are read."""
        inside, beside = self._take_apart(Part(x, m, w), window)
        masses, sign = draw_masses(inside, self.oversample * len(beside), self.seed)
        carried = beside[np.tile(np.arange(len(beside)), self.oversample)]
        learned = self.learn(x, m, window, w=w) if learned is None else learned
        return learned.carry(carried.x, carried.m, masses), times(sign, carried.w)

    def _make_transport(self) -> Any:
        if self.transport not in TRANSPORTS:
            raise ConfigError("transport: " + unknown_name("transport", self.transport, TRANSPORTS))
        settings = dict(self.transport_settings or {})
        if self.transport == "likelihood":
            settings |= {"density": self.density, "density_settings": self.density_settings}
        known = set(signature(TRANSPORTS[self.transport]).parameters) - {"seed"}
        for name in settings:
            if name not in known:
                raise ConfigError("transport_settings: " + unknown_name(f"setting of {self.transport}", name, known))
        return TRANSPORTS[self.transport](seed=self.seed, **settings)

    def _take_apart(self, part: Part, window: Window) -> tuple[Part, Part]:
        inside, beside = take_apart(part, window, self.sidebands)
        below = beside.m < window.low
        require_events(MIN_EVENTS, lower_sideband=beside[below], upper_sideband=beside[~below])
        return inside, beside

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, learned: Any = None
    ) -> "Curtains":
        """Fit the transport to the sidebands, then the classifier to the window.

        Args:
            x: features, smooth in `m` in the background.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its events never reach the transport.
            w: event weights, of either sign.
            learned: what `learn` returned, for these sidebands or larger ones.

        Raises:
            ConfigError: the transport is unknown.
            TooFewEventsError: the window or either sideband holds fewer than 100 events.
            InputError: their weights cancel, or a feature is NaN or infinite.
        """
        inside, _ = self._take_apart(Part(x, m, w), window)
        self.classifier_ = fit_to_template(self, inside, self.background_template(x, m, window, w=w, learned=learned))
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of data against the template."""
        return self.classifier_.score(x)
