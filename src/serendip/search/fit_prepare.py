"""From a config to the samples, tests and toys that every task of a goodness-of-fit search shares."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from serendip.config import GoodnessOfFit
from serendip.config.goodness_of_fit import FitReference
from serendip.config.schema import Data
from serendip.data import Events, Truth
from serendip.errors import InputError, TooFewEventsError
from serendip.features import check_features
from serendip.search.fit_toys import nuisance_draws, toy_source
from serendip.search.load import also_in, inject, load_all, set_aside, source_of
from serendip.seeds import seed_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.nuisance_settings import nuisances_from
from serendip.stats.sample_tests.nuisances import Nuisance
from serendip.stats.sample_tests.tau_delta import with_nuisances

FEWEST = 10  # events of data or reference that anything can be said of
MOST_COPIES = 0.1  # share of the reference's events that others are equal to, where no event of the data is


@dataclass(frozen=True, eq=False)
class FitPrepared:
    """What the tasks share; the same in every worker, since it depends on the config alone.

    Attributes:
        events: the data, under the config's feature names.
        truth: of `events`, where it is known; for the result's summary only.
        data: the same as tests see them.
        reference: what they are compared with; shares no event with what toys are drawn from.
        source: of the toys.
        expected: N(R), how many events the reference predicts in the data.
        nuisances: what the reference is not sure of.
    """

    config: GoodnessOfFit
    events: Events
    truth: Truth | None
    data: Sample
    reference: Sample
    source: Any
    expected: float
    nuisances: tuple[Nuisance, ...] = ()

    @cached_property
    def tests(self) -> list[Any]:
        """The tests of the config, unprepared."""
        made = [test.make() for test in self.config.test]
        return [with_nuisances(test, self.nuisances) for test in made] if self.nuisances else made

    def prepared(self, test: int) -> Any:
        """A test of the config with the reference, made once a process."""
        if test not in self._prepared:
            self._prepared[test] = prepare_test(self, test, self.tests[test])
        return self._prepared[test]

    @cached_property
    def _prepared(self) -> dict[int, Any]:
        return {}

    def seed_of(self, test: int) -> int:
        """Of the centres, projections and folds of a test; the same for data and toys."""
        return seed_for(self.config.seed, "test", test)


def prepare_test(p: FitPrepared, number: int, test: Any) -> Any:
    """A test with the reference.

    Raises:
        InputError: it cannot be; the message begins with the test's place in the config.
    """
    try:
        return test.prepare(p.reference, p.expected, seed=p.seed_of(number))
    except InputError as error:
        raise type(error)(f"test.{number}: {error}") from error


@lru_cache(maxsize=1)
def fit_prepared(config_json: str) -> FitPrepared:
    """Read and check everything, once a process.

    Raises:
        InputError: a file, a column or a value cannot be used; the message says which.
    """
    config = GoodnessOfFit.model_validate_json(config_json)
    events, truth = _read("data", config, config.data)
    if config.data.inject is not None:
        events, truth, _ = inject(config, events, truth)
    if config.reference.split is not None:
        events, truth, background = set_aside(config.reference, events, truth)
    else:
        background = read_reference(config)
        _refuse_shared(config, background, events)
    _refuse_copies(background, events)
    for name, sample in (("data", events), ("reference", background)):
        _require(name, sample)
    data, reference = as_sample(events), as_sample(background)
    expected = expected_events(config, data, reference)
    _require_count(config, data, expected)
    whole = reference.total
    reference, source = toy_source(config, data, reference, expected)
    if not config.nuisances:
        return FitPrepared(config, events, truth, data, reference, source, expected)
    nuisances = read_nuisances(config, reference, reference.total / whole)
    source = nuisance_draws(config, source, nuisances)
    data = Sample(data.x, data.w, np.zeros(len(nuisances)))
    return FitPrepared(config, events, truth, data, reference, source, expected, nuisances)


def as_sample(events: Events) -> Sample:
    """The features side by side, and the weights."""
    return Sample(events.x(), events.w)


def read_reference(config: GoodnessOfFit) -> Events:
    """The events that the reference section names, background alone where their truth is known.

    Raises:
        InputError: they cannot be read; the message begins with `reference`.
    """
    reference = config.reference
    source = source_of(config, reference) if reference.simulate is None else Data(simulate=reference.simulate)
    events, truth = _read("reference", config, source)
    return events if truth is None else events[~truth.is_signal]


def _read(name: str, config: GoodnessOfFit, source: Data) -> tuple[Events, Truth | None]:
    """What a section names; a message that says nothing of a key begins with the section."""
    try:
        return load_all(config, source)
    except InputError as error:
        raise type(error)(_under(name, str(error))) from error


def _under(name: str, message: str) -> str:
    """A message below the section's name; features stand beside the data."""
    key = message.partition(":")[0].partition(".")[0]
    if key == "features" and name == "data":
        return message
    return f"{name}.{message}" if key in Data.model_fields else f"{name}: {message}"


def read_nuisances(config: GoodnessOfFit, reference: Sample, kept: float) -> tuple[Nuisance, ...]:
    """The nuisances of the config; `kept` is the share of the reference that is not kept for toys."""

    def read(path: str | list[str]) -> Sample:
        source = source_of(config, config.reference.model_copy(update={"path": path}))
        sample = as_sample(load_all(config, source)[0])
        return Sample(sample.x, sample.w * kept)

    settings = [one.model_dump() for one in config.nuisances]
    return nuisances_from(settings, list(config.features), reference, read, seed=seed_for(config.seed, "nuisances"))


def expected_events(config: GoodnessOfFit, data: Sample, reference: Sample) -> float:
    """N(R), as the config says."""
    if config.expected == "data":
        return data.total
    return reference.total if config.expected == "weights" else float(config.expected)


def _require_count(config: GoodnessOfFit, data: Sample, expected: float) -> None:
    """Toys of one size say nothing about data of another: their number alone would be a discrepancy."""
    if config.counts == "fixed" and config.expected != "data" and round(expected) != len(data):
        raise InputError(
            f"null.counts: Got fixed, with {expected:g} events expected and {len(data)} in the data, but expected as many. "
            "Take poisson where the number is tested, or expected: data where it is not."
        )


def _refuse_shared(config: GoodnessOfFit, reference: Events, events: Events) -> None:
    """Events that stand in both samples pull them together and make the p-value too large."""
    if _same_file(config.reference, config.data):
        shared = int(np.isin(reference.observers["row"], events.observers["row"]).sum())
    else:
        shared = int(also_in(reference, events).sum())
        shared = shared if shared > _alike_by_chance(reference, events) else 0
    if shared:
        raise InputError(
            f"reference.{'where' if _same_file(config.reference, config.data) else 'path'}: Got {shared} events that are in "
            "the data too, but expected none. Select others, or give reference.split for labelled data."
        )


def _refuse_copies(reference: Events, events: Events) -> None:
    """A reference of copies knows less than its number of events says, and shares them with the toys drawn from it.

    Where features take few values, events of the data have twins in the reference as often as its own have; copies have not.
    """
    _, counts = np.unique(reference.x(), axis=0, return_counts=True)
    copied = float(counts[counts > 1].sum()) / len(reference)
    if min(copied, float(np.mean(counts > 1))) > MOST_COPIES and also_in(events, reference).mean() < copied / 2:
        raise InputError(
            f"reference: Got {len(reference)} events of which {len(counts)} differ, but expected no copies: toys would "
            "fluctuate less than data. Give each event once, with a weight if it must count more."
        )


def _same_file(reference: FitReference, data: Data) -> bool:
    return reference.path is not None and reference.path == data.path


def _alike_by_chance(reference: Events, events: Events) -> float:
    """How many of the reference's events may have a twin in the data: twice as many as have one in the reference itself."""
    _, counts = np.unique(reference.x(), axis=0, return_counts=True)
    return 2 * float(counts[counts > 1].sum()) * max(1.0, len(events) / len(reference))


def _require(name: str, events: Events) -> None:
    if len(events) < FEWEST:
        raise TooFewEventsError(
            f"{name}: Got {len(events)} events, but expected at least {FEWEST}. Loosen {name}.where."
        )
    if events.w.sum() <= 0:
        raise InputError(
            f"{name}.weight: Got weights that sum to {events.w.sum():g}, but expected more than 0: they cancel."
        )
    try:
        check_features(replace(events, m=None, mass_name=""))  # no feature is the mass of a search without one
    except InputError as error:
        raise type(error)(_under(name, str(error))) from error


def sample_summary(p: FitPrepared) -> Mapping[str, Any]:
    """Events, effective sizes and, where truth is known, the injected signal."""
    summary: dict[str, Any] = {
        "events": len(p.events),
        "effective": round(p.events.effective_size, 1),
        "expected": p.expected,
        "reference": len(p.reference),
    }
    if p.truth is not None:
        summary["true_signal"] = int(p.truth.is_signal.sum())
    return summary
