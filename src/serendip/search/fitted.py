"""A reference with tests fitted to it, and the healthy batches that a monitor ranks every batch among."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.config import GoodnessOfFit
from serendip.errors import ConfigError, InputError, TooFewEventsError
from serendip.features import check_features
from serendip.run.task import Stage
from serendip.search.fit_prepare import as_sample, read_reference
from serendip.search.fit_tasks import batches, of_batch
from serendip.search.fit_toys import toy_source
from serendip.seeds import seed_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.null_statistics import null_statistics


@dataclass(frozen=True, eq=False)
class Fitted:
    """Tests prepared with a reference; the same in every worker, since it depends on the config alone.

    Attributes:
        features: names of the columns.
        reference: what batches are compared with.
        healthy: draws batches like the reference, of events that are not in it.
        tests: title, settings and prepared test of each.
    """

    config: GoodnessOfFit
    features: tuple[str, ...]
    reference: Sample
    healthy: Any
    tests: tuple[tuple[str, Any, Any], ...]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Test and label of each statistic."""
        return [(title, label) for title, _, prepared in self.tests for label in prepared.labels]

    def statistics(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " columns"]:
        """Those of one batch, by all tests."""
        return np.concatenate([prepared.statistics([Sample(x)])[0] for _, _, prepared in self.tests])

    def healthy_statistics(self, indices: Sequence[int]) -> Float[np.ndarray, "toys columns"]:
        """Those of healthy batches."""
        parts = [null_statistics(test, prepared, self.healthy, indices) for _, test, prepared in self.tests]
        return np.concatenate(parts, axis=1)

    @property
    def fingerprint(self) -> str:
        """A hash of the reference: a batch can be ranked only among toys that met the very same one."""
        digest = hashlib.sha256(np.ascontiguousarray(self.reference.x).tobytes())
        digest.update(np.ascontiguousarray(self.reference.w).tobytes())
        return digest.hexdigest()


@lru_cache(maxsize=1)
def fitted(config_json: str) -> Fitted:
    """Read the reference and prepare the tests, once a process.

    Raises:
        InputError: the reference cannot be used, or is too small for the batches.
    """
    config = GoodnessOfFit.model_validate_json(config_json)
    events = read_reference(config)
    check_features(replace(events, m=None))
    reference, healthy = _healthy_source(config, as_sample(events))
    _require_pool(config, healthy)
    tests = tuple((one.title, one.make()) for one in config.test)
    seeds = [seed_for(config.seed, "test", number) for number in range(len(tests))]
    batch = float(config.monitor.batch)
    prepared = [test.prepare(reference, batch, seed=seed) for (_, test), seed in zip(tests, seeds, strict=True)]
    return Fitted(
        config,
        tuple(events.columns),
        reference,
        healthy,
        tuple((*test, one) for test, one in zip(tests, prepared, strict=True)),
    )


def healthy_stage(config: GoodnessOfFit) -> Stage[str]:
    """The tasks that test the healthy batches, `null.batch` in each."""
    return Stage("healthy", healthy_task, batches(config.monitor.toys, config.null.batch))


def healthy_task(config_json: str, index: int) -> dict[str, object]:
    """The statistics of some healthy batches; each depends on its own number alone."""
    f = fitted(config_json)
    toys = of_batch(index, f.config.monitor.toys, f.config.null.batch)
    return {"statistics": f.healthy_statistics(toys)}


def require_monitorable(config: GoodnessOfFit) -> None:
    """Refuse what makes no sense for batches that are cut by number from an endless stream.

    Raises:
        ConfigError: a key asks for it.
    """
    null, split = config.null, config.reference.split
    refused = {
        "expected": (
            config.expected != "data",
            config.expected,
            "data: batches are cut by number, so that shapes alone tell",
        ),
        "null.source": (null.source == "permutation", "permutation", "independent or splits: toys are thrown once"),
        "null.reference": (null.reference == "redrawn", "redrawn", "shared: the reference is fitted once"),
        "reference.split": (split is not None, split, "reference.path or reference.simulate"),
        "data.weight": (config.data.weight is not None, config.data.weight, "events that count once"),
        "data.inject": (config.data.inject is not None, "a signal to inject", "data as they come"),
    }
    for key, (wrong, got, expected) in refused.items():
        if wrong:
            raise ConfigError(f"{key}: Got {got}, but to monitor expected {expected}.")


def _healthy_source(config: GoodnessOfFit, reference: Sample) -> tuple[Sample, Any]:
    """The reference, and the source of healthy batches, by the rules of a search but with its own number of toys."""
    null = config.null.model_copy(update={"source": config.null.source or "independent", "toys": 0, "counts": "fixed"})
    rule = config.model_copy(update={"null": null})
    reference, healthy = toy_source(rule, reference[:0], reference, float(config.monitor.batch))
    if healthy.limit is not None and healthy.limit < config.monitor.toys:
        raise InputError(
            f"monitor.toys: Got {config.monitor.toys}, but expected at most {healthy.limit}, the batches that fit into the "
            "events kept for them (null.share). Give more reference events, or take null.source: independent."
        )
    return reference, healthy


def _require_pool(config: GoodnessOfFit, healthy: Any) -> None:
    """A pool not much larger than a batch gives toys that are alike, and a rate of alarms far from the stated one."""
    overlap, limit = getattr(healthy, "overlap", 0.0), config.gate.max_toy_overlap
    if overlap > limit:
        raise TooFewEventsError(
            f"monitor.batch: Got {config.monitor.batch}, but expected at most {limit:g} (gate.max_toy_overlap) of the "
            f"reference events that healthy batches are drawn from, not {overlap:.2g} of them. Give more reference events, "
            "keep more of them for it (null.share), or judge smaller batches."
        )
