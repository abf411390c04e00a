"""The tasks of a goodness-of-fit search: the statistics of the data, of toys, and of both under other settings."""

from dataclasses import replace
from typing import Any

import numpy as np

from serendip.search.fit_prepare import FitPrepared, fit_prepared, prepare_test
from serendip.search.fit_stability import Variant, variants
from serendip.stats.sample_tests.null_statistics import null_statistics, observed_statistics

FEWEST_TOYS = 10  # that anything can be compared by


def observed_task(config_json: str, index: int) -> dict[str, object]:
    """The statistics of the data by one test, (columns,), and what its columns are called."""
    p = fit_prepared(config_json)
    prepared = p.prepared(index)
    values = observed_statistics(p.tests[index], prepared, p.source, p.data, seed=p.seed_of(index))
    return {"statistics": values, "labels": list(prepared.labels)}


def batches(toys: int, batch: int) -> int:
    """How many tasks the toys make."""
    return -(-toys // batch)


def of_batch(index: int, toys: int, batch: int) -> range:
    """The toys of one task."""
    return range(index * batch, min((index + 1) * batch, toys))


def null_task(config_json: str, index: int) -> dict[str, object]:
    """The statistics of one batch of toys by every test, each (toys, columns).

    A toy depends on its own number alone, and not on the batch that it is in.
    """
    p = fit_prepared(config_json)
    toys = of_batch(index, p.config.null.toys, p.config.null.batch)
    return {str(number): _of_toys(p, number, test, p.prepared(number), toys) for number, test in enumerate(p.tests)}


def stability_task(config_json: str, index: int) -> dict[str, object]:
    """The statistics of the data, (columns,), and of the first toys, (toys, columns), under another setting."""
    p = fit_prepared(config_json)
    variant = all_variants(p)[index]
    toys = range(min(p.config.gate.stability_toys, p.config.null.toys))
    observed, thrown = [], []
    for test in variant.tests:
        prepared = prepare_test(p, variant.number, test)
        observed.append(observed_statistics(test, prepared, p.source, p.data, seed=p.seed_of(variant.number)))
        thrown.append(_of_toys(p, variant.number, test, prepared, toys))
    return {"observed": np.concatenate(observed), "toys": np.concatenate(thrown, axis=1)}


def nuisance_task(config_json: str, index: int) -> dict[str, object]:
    """The statistics of the first toys by every test, were one nuisance truly at −1 σ (even index) or +1 σ (odd)."""
    p = fit_prepared(config_json)
    nu = np.zeros(len(p.nuisances))
    nu[index // 2] = 2 * (index % 2) - 1
    shifted = replace(p.source, nu=tuple(nu))
    toys = list(range(min(p.config.gate.stability_toys, p.config.null.toys)))
    return {
        str(number): null_statistics(test, p.prepared(number), shifted, toys, seed=p.seed_of(number))
        for number, test in enumerate(p.tests)
    }


def all_variants(p: FitPrepared) -> list[Variant]:
    """Every kernel test of the config under every other setting; none without toys to judge them by."""
    if p.config.null.toys < FEWEST_TOYS:
        return []
    return [
        variant
        for number, test in enumerate(p.tests)
        for variant in variants(number, test, p.prepared(number), p.reference, p.expected)
    ]


def _of_toys(p: FitPrepared, number: int, test: Any, prepared: Any, toys: range) -> np.ndarray:
    return null_statistics(test, prepared, p.source, list(toys), seed=p.seed_of(number))
