"""FETA: carry simulated events over to data by a map that is learned in the sidebands.

Source: Golling et al. 2022, arXiv:2212.11285.
"""

from typing import Any

from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.score.weak.template import (
    Features,
    Part,
    PerEvent,
    Simulation,
    Template,
    check_simulation,
    draw_masses,
    fit_density,
    fit_to_template,
    near,
    take_apart,
    times,
)
from serendip.seeds import rng_for, seed_for


class Feta(BaseEstimator):
    """Scores events by how much more they look like the window than like simulation carried over to data.

    A base density learns the simulation at all masses, so that its latent positions are standard normal for simulated
    events. A second density learns where the sideband data lie in that latent space, given the mass: it is the flow
    between the two samples, fitted by maximum likelihood as in the paper, and nearly the identity where the simulation is
    nearly right. Draws from the base density go backwards through it, at the masses of the window's events; or the
    simulated events themselves, whatever their mass was, since the latent space does not know it.

    Args:
        classifier: a key of `CLASSIFIERS`.
        settings: of the classifier.
        density: a key of `DENSITIES`, for the simulation and for the map.
        density_settings: of both densities.
        oversample: draws for each event in the window; None carries the simulated events instead, which keeps what the
            base density got wrong of the simulation (LHCO, 16,000 simulated events: C2ST 0.52 against 0.505).
        sidebands: how far they reach beside the window, in its units; None takes all events outside.
        seed: of the densities, the masses and the classifier.
    """

    needs = frozenset({"mass", "window", "simulation"})
    source = "arXiv:2212.11285"
    summary = "a classifier of the window against simulation carried over to data by a map learned in the sidebands"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        density: str = "spline_maf",
        density_settings: dict[str, Any] | None = None,
        oversample: int | None = 4,
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
        """x itself: the densities take the features as they are."""
        return x

    def background_template(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, simulation: Simulation
    ) -> Template:
        """Simulated events carried over to data in the window, of which only the masses are read.

        Returns:
            features, and weights, None where all are one.
        """
        inside, beside = take_apart(Part(x, m, w), window, self.sidebands)
        simulated = check_simulation(simulation, x.shape[1])
        simulated = simulated[near(simulated.m, window, self.sidebands)]
        take_apart(simulated, window, of="simulated_")
        base = fit_density(self, simulated)
        latent = Part(base.to_latent(beside.x, beside.m), beside.m, beside.w)
        shift = fit_density(self, latent, seed_for(self.seed, "simulation to data"))
        number = len(simulated) if self.oversample is None else self.oversample * len(inside)
        masses, sign = draw_masses(inside, number, self.seed)
        if self.oversample is None:
            z, w_z = base.to_latent(simulated.x, simulated.m), simulated.w
        else:
            z, w_z = rng_for(self.seed, "simulated template").normal(size=(number, x.shape[1])), None
        return base.from_latent(shift.from_latent(z, masses), masses), times(sign, w_z)

    def fit(
        self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None, simulation: Simulation
    ) -> "Feta":
        """Fit both densities, then the classifier to the window.

        Args:
            x: features of the data, smooth in `m` in the background.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought; its data never reach a density.
            w: event weights, of either sign.
            simulation: features, masses and weights (or None) of simulated background, in and beside the window.

        Raises:
            TooFewEventsError: the window or the sidebands hold fewer than 100 events, of data or of simulation.
            InputError: weights cancel, a feature is NaN or infinite, or the simulation has other features.
        """
        inside, _ = take_apart(Part(x, m, w), window, self.sidebands)
        template = self.background_template(x, m, window, w=w, simulation=simulation)
        self.classifier_ = fit_to_template(self, inside, template)
        return self

    def anomaly_score(self, x: Features) -> PerEvent:
        """Logit of data against the template."""
        return self.classifier_.score(x)
