"""From a config to the events, windows and null generator that every task of a search shares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from serendip.config import Config
from serendip.config.sections import Density
from serendip.data import Events, Truth, Window, concatenate
from serendip.errors import require_events
from serendip.features import check_features
from serendip.run.nulls import DensitySampler, MassShuffle, NullGenerator, ReferenceBootstrap
from serendip.score import METHODS
from serendip.score.classifiers import MIN_EVENTS
from serendip.score.densities import make_density
from serendip.search.load import also_in, distorted, inject, load, load_reference, load_simulation, set_aside
from serendip.seeds import rng_for, seed_for
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.order import choose_order
from serendip.stats.spectrum import Spectrum

FEWEST_BESIDE = 10  # on either side, or nothing holds the background fit there


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the tasks of a search share; the same in every worker, since it depends on the config alone.

    Attributes:
        events: the data within the mass range, under the config's feature names.
        truth: of `events`, where the config names it; for plots and `evaluate` only.
        spare: labelled signal events that were not injected; never part of a search, only of `evaluate`.
        reference: the background sample that methods train against, where the config gives one.
        null_reference: the background sample that the null generator draws from; shares no event with `reference`.
        simulation: simulated background, for methods that need it.
    """

    config: Config
    events: Events
    truth: Truth | None = None
    spare: Events | None = None
    reference: Events | None = None
    null_reference: Events | None = None
    simulation: Events | None = None

    @cached_property
    def windows(self) -> list[Window]:
        """The windows of the scan, in order of mass."""
        return self.config.scan_windows()

    @cached_property
    def edges(self) -> np.ndarray:
        """Bin edges of the spectrum, shape (bins + 1,), in the mass's unit."""
        return self.config.edges()

    @cached_property
    def m(self) -> np.ndarray:
        """The resonant variable of the data, shape (n,)."""
        assert self.events.m is not None  # the config asks for one
        return self.events.m

    @cached_property
    def uncut_fit(self) -> BackgroundFit:
        """The smooth spectrum of all data, no window left out: what `mass_shuffle` draws masses from."""
        spectrum = self.spectrum(self.m, self.events.w)
        background = self.config.background
        order = background.order
        if order == "auto":
            order = choose_order(spectrum, background.shape, None, alpha=background.alpha).order
        return fit_background(spectrum, background.shape, order, None)

    def weight_scale(self, window: Window, *, outside: bool = False) -> float:
        """Σw² / Σw of the events in (or outside) a window: what one effective event weighs, 1 for unit weights."""
        w = self.events.w[window.contains(self.m) ^ outside]
        return float(np.sum(w**2) / np.sum(w))

    @cached_property
    def scanned(self) -> np.ndarray:
        """Which windows and cuts leave enough background to be fitted, (windows, cuts); the same for data and toys."""
        expected = [self.uncut_fit.expected_in(window)[0] / self.weight_scale(window) for window in self.windows]
        return np.outer(expected, self.config.cuts) >= self.config.gate.min_expected

    @cached_property
    def null(self) -> NullGenerator:
        """Draws the toys."""
        if self.config.null.generator == "mass_shuffle":
            return MassShuffle(self.events, self.edges, self.uncut_fit.expected)
        if self.config.null.generator == "density":
            return DensitySampler(self.events, self.edges, self.uncut_fit.expected, self._null_density())
        assert self.null_reference is not None  # the config saw to it
        return ReferenceBootstrap(self.null_reference, float(len(self.events)))

    def _null_density(self) -> Any:
        density = self.config.null.density or Density()
        seed = seed_for(self.config.seed, "null density")
        learned = make_density(density.name or "spline_maf", seed, **density.settings)
        return learned.fit(self.events.x(), self.m, self.events.w)

    def features(self, sample: Events, method: Any) -> Any:
        """The features of a sample as this method takes them, computed once a process, or once a toy of new events."""
        if not any(sample is kept for kept, _ in self._features.values()):
            self._forget_toys()
        settings = {key: value for key, value in method.get_params().items() if key != "seed"}
        key = (id(sample), type(method).__name__, json.dumps(settings, sort_keys=True))
        if key not in self._features:
            self._features[key] = sample, method.prepare(sample.x())  # the sample stays alive, hence its id its own
        return self._features[key][1]

    def _forget_toys(self) -> None:
        for key, (sample, _) in list(self._features.items()):
            if sample is not self.events and sample is not self.null_reference:
                del self._features[key]

    @cached_property
    def _features(self) -> dict[tuple[int, str, str], tuple[Events, Any]]:
        return {}

    def spectrum(self, m: np.ndarray, w: np.ndarray | None = None) -> Spectrum:
        """A spectrum in the analysis's bins."""
        return Spectrum.from_masses(m, self.edges, w, mass_name=self.config.mass.name, unit=self.config.mass.unit)


@lru_cache(maxsize=1)
def prepared(config_json: str) -> Prepared:
    """Read and check everything, once a process.

    Raises:
        InputError: a file, a column or a value cannot be used; the message says which.
    """
    config = Config.model_validate_json(config_json)
    events, truth = load(config, config.data)
    spare = None
    if config.data.inject is not None:
        events, truth, spare = inject(config, events, truth)
    reference = null_reference = simulation = None
    if config.reference is not None:
        if config.reference.split is not None:
            events, truth, reference = set_aside(config.reference, events, truth)
        else:
            reference = load_reference(config, config.reference, events)
        reference, null_reference = _share(config, reference)
    if config.simulation is not None:
        if config.simulation.split is not None:
            events, truth, aside = set_aside(config.simulation, events, truth)
            simulation = distorted(config.simulation, aside)
        else:
            simulation, plain = load_simulation(config, config.simulation, events)
            if null_reference is not None and config.null.generator == "reference":
                simulation, null_reference = _part(config, simulation, plain, null_reference)
    check_features(events)
    _require_enough(config, events)
    return Prepared(config, events, truth, spare, reference, null_reference, simulation)


def _share(config: Config, reference: Events) -> tuple[Events, Events]:
    """The reference for methods and for toys: halves where both want one, so that no toy is scored by what it trained."""
    wanted_by_method = any("background" in METHODS[method.name].needs for method in config.method)
    if not (wanted_by_method and config.null.generator == "reference"):
        return reference, reference
    first = rng_for(config.seed, "share reference").random(len(reference)) < 0.5
    return reference[first], reference[~first]


def _part(config: Config, simulation: Events, plain: Events, null_reference: Events) -> tuple[Events, Events]:
    """Events that are in the simulation and in what toys are drawn from go to either by halves.

    Else toys hold events that methods train on under the other label: measured, a mean Z of −3 in toys alone.
    """
    shared = also_in(plain, null_reference)
    if not shared.any():
        return simulation, null_reference
    to_toys = shared & (rng_for(config.seed, "part simulation").random(len(shared)) < 0.5)
    return simulation[~to_toys], null_reference[~also_in(null_reference, plain[~to_toys])]


def _require_enough(config: Config, events: Events) -> None:
    """Refuse windows that would leave a fold, or a toy of fewer events, with too little to train on."""
    assert events.m is not None
    folds = max(method.folds for method in config.method)
    fewest = MIN_EVENTS * folds // (folds - 1)
    fewest += int(4 * fewest**0.5)  # toys fluctuate
    for window in config.scan_windows():
        inside = window.contains(events.m)
        require_events(
            fewest,
            **{
                f"window {window}": np.flatnonzero(inside),
                f"sidebands of window {window}": np.flatnonzero(~inside),
            },
        )
        require_events(
            FEWEST_BESIDE,
            **{
                f"lower sideband of window {window}": np.flatnonzero(events.m < window.low),
                f"upper sideband of window {window}": np.flatnonzero(events.m >= window.high),
            },
        )


def joined(*samples: Events | None) -> Events:
    """The samples that exist, as one."""
    return concatenate(*(sample for sample in samples if sample is not None))


def count_summary(p: Prepared) -> Mapping[str, Any]:
    """Events, effective size and, where truth is known, the injected signal: for the result and the terminal."""
    summary: dict[str, Any] = {"events": len(p.events), "effective": round(p.events.effective_size, 1)}
    if p.truth is not None:
        summary["true_signal"] = int(p.truth.is_signal.sum())
    for name, sample in (("reference", p.reference), ("simulation", p.simulation)):
        if sample is not None:
            summary[name] = len(sample)
    return summary
