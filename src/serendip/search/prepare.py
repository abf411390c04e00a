"""From a config to the events, windows and null generator that every task of a search shares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from serendip.config import Config
from serendip.config.schema import Data, Reference
from serendip.data import Events, Truth, Window, concatenate
from serendip.data.catalogue import fetch
from serendip.data.expressions import parse
from serendip.data.readers import read_recipe
from serendip.data.recipe import Recipe
from serendip.errors import ConfigError, TooFewEventsError, require_events
from serendip.features import check_features
from serendip.run.nulls import MassShuffle, NullGenerator, ReferenceBootstrap
from serendip.run.provenance import sha256_of
from serendip.score import METHODS
from serendip.seeds import rng_for
from serendip.simulate.dijet import simulate_dijet
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.order import choose_order
from serendip.stats.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the tasks of a search share; the same in every worker, since it depends on the config alone.

    Attributes:
        events: the data within the mass range, under the config's feature names.
        truth: of `events`, where the config names it; for plots and `evaluate` only.
        spare: labelled signal events that were not injected; never part of a search, only of `evaluate`.
        reference: the background sample that methods train against, where the config gives one.
        null_reference: the background sample that the null generator draws from; shares no event with `reference`.
    """

    config: Config
    events: Events
    truth: Truth | None = None
    spare: Events | None = None
    reference: Events | None = None
    null_reference: Events | None = None

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

    @cached_property
    def null(self) -> NullGenerator:
        """Draws the toys."""
        if self.config.null.generator == "mass_shuffle":
            return MassShuffle(self.events, self.edges, self.uncut_fit.expected)
        assert self.null_reference is not None  # the config saw to it
        return ReferenceBootstrap(self.null_reference, float(len(self.events)))

    def features(self, sample: Events, method: Any) -> Any:
        """The features of a sample as this method's classifier takes them, computed once a process."""
        key = (id(sample), method.classifier, json.dumps(method.settings, sort_keys=True))
        if key not in self._features:
            self._features[key] = method.prepare(sample.x())
        return self._features[key]

    @cached_property
    def _features(self) -> dict[tuple[int, str, str], Any]:
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
    events, truth = _load(config, config.data)
    spare = None
    if config.data.inject is not None:
        events, truth, spare = _inject(config, events, truth)
    reference = null_reference = None
    if config.reference is not None:
        if config.reference.split is not None:
            events, truth, reference = _set_aside(config.reference, events, truth)
        else:
            reference = _load_reference(config, config.reference)
        reference, null_reference = _share(config, reference)
    check_features(events)
    _require_enough(config, events)
    return Prepared(config, events, truth, spare, reference, null_reference)


def input_files(config: Config) -> list[dict[str, Any]]:
    """Name, hash and size in bytes of every file that the config reads."""
    paths = [*_paths(config.data)]
    if config.reference is not None and config.reference.path is not None:
        paths += _as_list(config.reference.path)
    files = [Path(path.rsplit(":", 1)[0] if not Path(path).exists() else path) for path in map(str, paths)]
    return [{"name": f.name, "sha256": sha256_of(f), "bytes": f.stat().st_size} for f in files if f.is_file()]


def _as_list(path: str | list[str]) -> list[str]:
    return [path] if isinstance(path, str) else path


def _paths(data: Data) -> list[str]:
    if data.name is not None:
        return [str(fetch(data.name))]
    return [] if data.path is None else _as_list(data.path)


def _load(config: Config, data: Data) -> tuple[Events, Truth | None]:
    """The sample within the mass range, and its truth where a column is named."""
    if data.simulate is not None:
        events, truth = _simulated(config, data)
        return _in_range(config, events, truth)
    recipe = Recipe(
        config.features,
        config.mass.expression or config.mass.name,
        config.mass.name,
        data.weight,
        data.observers,
        data.truth,
        data.where,
        config.units,
        data.non_finite,
    )
    reading = read_recipe(_paths(data), recipe)
    return _in_range(config, reading.events, reading.truth)


def _in_range(config: Config, events: Events, truth: Truth | None) -> tuple[Events, Truth | None]:
    low, high = config.mass.range
    assert events.m is not None  # asked for above
    inside = Window(low, high).contains(events.m)
    if not inside.any():
        raise TooFewEventsError(
            f"mass.range: Got no event of {len(events)} within [{low:g}, {high:g}] {config.mass.unit}; "
            f"{config.mass.name} goes from {events.m.min():g} to {events.m.max():g}. Check the range and the unit."
        )
    return events[inside], None if truth is None else truth[inside]


def _simulated(config: Config, data: Data) -> tuple[Events, Truth]:
    """Events of the built-in simulator, their features computed by the config's expressions."""
    assert data.simulate is not None
    s = data.simulate
    events, truth = simulate_dijet(
        s.background,
        s.signal,
        signal_mass=s.signal_mass,
        signal_width=s.signal_width,
        mass_correlation=s.mass_correlation,
        seed=s.seed,
    )
    assert events.m is not None  # the simulator gives a mass
    columns = {**events.columns, events.mass_name: events.m}
    features = {name: parse(text).evaluate(columns) for name, text in config.features.items()}
    return replace(events, columns=features, units={**events.units, **config.units}), truth


def _inject(config: Config, events: Events, truth: Truth | None) -> tuple[Events, Truth, Events]:
    """All background events and the stated number of signal events; the rest of the signal apart."""
    assert config.data.inject is not None
    assert truth is not None  # the config saw to it
    signal = np.flatnonzero(truth.is_signal)
    wanted = config.data.inject.signal
    if wanted > len(signal):
        raise ConfigError(
            f"data.inject.signal: Got {wanted}, but expected at most {len(signal)}, the signal events within mass.range."
        )
    drawn = rng_for(config.data.inject.seed, "inject").permutation(signal)
    keep = np.sort(np.concatenate([np.flatnonzero(~truth.is_signal), drawn[:wanted]]))
    return events[keep], truth[keep], events[np.sort(drawn[wanted:])]


def _set_aside(reference: Reference, events: Events, truth: Truth | None) -> tuple[Events, Truth, Events]:
    """Part of the true background becomes the reference sample and leaves the data."""
    if truth is None:
        raise ConfigError(
            "reference.split: Got data without truth, but expected data.truth. Give reference.path instead."
        )
    assert reference.split is not None
    aside = ~truth.is_signal & (rng_for(reference.seed, "reference").random(len(events)) < reference.split)
    return events[~aside], truth[~aside], events[aside]


def _load_reference(config: Config, reference: Reference) -> Events:
    source = Data(path=reference.path, truth=reference.truth, non_finite=config.data.non_finite)
    events, truth = _load(config, source)
    return events if truth is None else events[~truth.is_signal]


def _share(config: Config, reference: Events) -> tuple[Events, Events]:
    """The reference for methods and for toys: halves where both want one, so that no toy is scored by what it trained."""
    wanted_by_method = any("background" in METHODS[method.name].needs for method in config.method)
    if not (wanted_by_method and config.null.generator == "reference"):
        return reference, reference
    first = rng_for(config.seed, "share reference").random(len(reference)) < 0.5
    return reference[first], reference[~first]


def _require_enough(config: Config, events: Events) -> None:
    assert events.m is not None
    for window in config.scan_windows():
        inside = window.contains(events.m)
        require_events(
            config.gate.min_window_events // 10 or 1,
            **{f"window {window}": np.flatnonzero(inside)},
        )
        require_events(
            config.gate.min_sideband_events // 10 or 1,
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
    if p.reference is not None:
        summary["reference"] = len(p.reference)
    return summary
