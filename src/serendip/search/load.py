"""Read the samples that a config names: the data, the injected signal, the background reference."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serendip.config import Analysis, Config
from serendip.config.schema import Data, Reference, Simulation
from serendip.config.sections import Mass
from serendip.data import Events, Truth, Window
from serendip.data.catalogue import fetch
from serendip.data.expressions import parse
from serendip.data.readers import read_recipe
from serendip.data.recipe import Recipe
from serendip.errors import ConfigError, InputError, TooFewEventsError, unknown_name
from serendip.run.provenance import sha256_of
from serendip.search.simulators import simulated
from serendip.seeds import rng_for


def input_files(config: Analysis) -> list[dict[str, Any]]:
    """Name, hash and size in bytes of every file that the config reads."""
    paths = [*paths_of(config.data)]
    for sample in (getattr(config, "reference", None), getattr(config, "simulation", None)):
        if sample is not None and sample.path is not None:
            paths += _as_list(sample.path)
    files = [Path(path.rsplit(":", 1)[0] if not Path(path).exists() else path) for path in map(str, paths)]
    return [{"name": f.name, "sha256": sha256_of(f), "bytes": f.stat().st_size} for f in files if f.is_file()]


def _as_list(path: str | list[str]) -> list[str]:
    return [path] if isinstance(path, str) else path


def paths_of(data: Data) -> list[str]:
    """The files and patterns that a section names; none where it simulates."""
    if data.name is not None:
        return [str(fetch(data.name))]
    return [] if data.path is None else _as_list(data.path)


def load(config: Config, data: Data) -> tuple[Events, Truth | None]:
    """The sample within the mass range, and its truth where a column is named."""
    return _in_range(config, *load_all(config, data, config.mass))


def load_all(config: Analysis, data: Data, mass: Mass | None = None) -> tuple[Events, Truth | None]:
    """The sample that a section names, and its truth where a column is named or the simulator tells."""
    if data.simulate is not None:
        events, truth = simulated(data.simulate)
        return with_features(config, events), truth
    recipe = Recipe(
        config.features,
        None if mass is None else mass.expression or mass.name,
        None if mass is None else mass.name,
        data.weight,
        data.observers,
        data.truth,
        data.where,
        config.units,
        data.non_finite,
    )
    reading = read_recipe(paths_of(data), recipe)
    return reading.events, reading.truth


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


def with_features(config: Analysis, events: Events) -> Events:
    """Events of a simulator, with the config's features in place of their columns."""
    return replace(events, columns=_evaluated(config.features, events), units={**events.units, **config.units})


def _evaluated(expressions: dict[str, str], events: Events) -> dict[str, np.ndarray]:
    """Expressions of an events' columns and mass."""
    columns = {**events.columns} if events.m is None else {**events.columns, events.mass_name: events.m}
    values = {}
    for name, text in expressions.items():
        try:
            values[name] = parse(text).evaluate(columns)
        except InputError as error:
            raise type(error)(f"features.{name}: {error}") from error
    return values


def inject(config: Analysis, events: Events, truth: Truth | None) -> tuple[Events, Truth, Events]:
    """All background events and the stated number of signal events; the rest of the signal apart."""
    assert config.data.inject is not None
    assert truth is not None  # the config saw to it
    signal = np.flatnonzero(truth.is_signal)
    wanted = config.data.inject.signal
    if wanted > len(signal):
        raise ConfigError(
            f"data.inject.signal: Got {wanted}, but expected at most {len(signal)}, the signal events that were read."
        )
    drawn = rng_for(config.data.inject.seed, "inject").permutation(signal)
    keep = np.sort(np.concatenate([np.flatnonzero(~truth.is_signal), drawn[:wanted]]))
    return events[keep], truth[keep], events[np.sort(drawn[wanted:])]


def set_aside(reference: Reference, events: Events, truth: Truth | None) -> tuple[Events, Truth, Events]:
    """Part of the true background becomes a sample of its own and leaves the data."""
    name = "simulation" if isinstance(reference, Simulation) else "reference"
    if truth is None:
        raise ConfigError(f"{name}.split: Got data without truth, but expected data.truth. Give {name}.path instead.")
    assert reference.split is not None
    aside = ~truth.is_signal & (rng_for(reference.seed, name).random(len(events)) < reference.split)
    return events[~aside], truth[~aside], events[aside]


def load_reference(config: Config, reference: Reference, events: Events) -> Events:
    """The background sample of a file, selected like the data.

    Raises:
        InputError: it holds events of the data: a model trained on them would score what it saw.
    """
    sample = _background_of(config, reference)
    _refuse_shared("reference", sample, events)
    return sample


def _refuse_shared(name: str, sample: Events, events: Events) -> None:
    shared = int(also_in(sample, events).sum())
    if shared:
        raise InputError(
            f"{name}.path: Got {shared} events that are in the data too, but expected none. "
            f"Give events of their own, or {name}.split for labelled data."
        )


def also_in(sample: Events, other: Events) -> np.ndarray:
    """Which events of a sample stand in another one too, features and mass alike, (n,)."""
    known = {*map(bytes, _rows(other))}
    return np.array([bytes(row) in known for row in _rows(sample)], dtype=bool)


def load_simulation(config: Config, simulation: Simulation, events: Events) -> tuple[Events, Events]:
    """The simulated background of a file: its features computed as the config says, and as those of the data.

    The second shows whether its events stand in another sample too.

    Raises:
        InputError: it lacks a column that a feature needs, holds a value that cannot be used, or events of the data.
    """
    unknown = set(simulation.features) - set(config.features)
    if unknown:
        raise ConfigError("simulation.features: " + unknown_name("feature", min(unknown), config.features))
    overridden = config.model_copy(update={"features": config.features | simulation.features})
    try:
        sample = _background_of(overridden, simulation)
    except InputError as error:
        raise InputError(f"simulation: {error}") from error
    plain = sample
    if simulation.features:
        try:
            plain = _background_of(config, simulation)
        except InputError:  # it has not the columns of the data, hence is another sample
            return sample, sample
    _refuse_shared("simulation", plain, events)
    return sample, plain if len(plain) == len(sample) else sample


def distorted(simulation: Simulation, events: Events) -> Events:
    """Events set aside from the data, some features replaced by expressions of the others."""
    unknown = set(simulation.features) - set(events.columns)
    if unknown:
        raise ConfigError("simulation.features: " + unknown_name("feature", min(unknown), events.columns))
    return replace(events, columns={**events.columns, **_evaluated(simulation.features, events)})


def _background_of(config: Config, sample: Reference) -> Events:
    events, truth = load(config, source_of(config, sample))
    return events if truth is None else events[~truth.is_signal]


def source_of(config: Analysis, sample: Reference) -> Data:
    """A background sample as a section of data, selected like the data where it says nothing else."""
    return Data(
        path=sample.path,
        truth=sample.truth,
        where=sample.where or config.data.where,
        weight=sample.weight,
        non_finite=config.data.non_finite,
    )


def _rows(events: Events) -> np.ndarray:
    return np.ascontiguousarray(np.column_stack([events.x(), *([] if events.m is None else [events.m])]))
