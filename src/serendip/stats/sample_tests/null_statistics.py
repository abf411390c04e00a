"""The statistics of null toys and of the data, computed in the same way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError
from serendip.seeds import seed_for
from serendip.stats.sample_tests.registry import PreparedTest
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.toys import Permutation

BATCH = 100  # toys whose statistics are computed at once


def null_statistics(
    test: Any,
    prepared: PreparedTest | None,
    source: Any,
    indices: Sequence[int],
    *,
    seed: int = 0,
    batch: int = BATCH,
) -> Float[np.ndarray, "toys columns"]:
    """The statistics of toys.

    Toys that share the reference are computed together. A toy with a reference of its own prepares the test anew, with a
    seed of its own. Permutations take the test's `pooled_statistics` where it has it and weights allow.

    Args:
        test: the settings, from `make_test`.
        prepared: the test prepared with the reference that toys share; may be None where they bring their own.
        source: of the toys.
        indices: which of them.
        seed: of centres, folds and the like where a test is prepared anew.
        batch: the most toys held in memory at once; results depend on it by rounding alone.

    Raises:
        InputError: there is no index, a statistic is not finite, or the source has no such toy.
    """
    if len(indices) == 0:
        raise InputError("Got no toys to compute, but expected at least one index.")
    parts = [indices[start : start + batch] for start in range(0, len(indices), batch)]
    rows = [_statistics(test, prepared, source, part, seed) for part in parts]
    values = np.concatenate(rows)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        index = indices[int(bad[0])]
        events = len(source.toy(index).sample)
        raise InputError(
            f"Got statistics that are NaN or infinite in {len(bad)} toys (toy {index} has {events} events), but expected "
            "finite ones. Expect more events in a toy, or smooth the test: fewer bins, a larger λ."
        )
    return values


def observed_statistics(
    test: Any, prepared: PreparedTest | None, source: Any, data: Sample, *, seed: int = 0
) -> Float[np.ndarray, " columns"]:
    """The statistics of the data, in the same way as those of the toys; for permutations `data` must be the source's."""
    if not isinstance(source, Permutation):
        return _shared(prepared).statistics([data])[0]
    if data is not source.data:
        raise InputError("Got data that differ from those the permutations are made of, but expected the same.")
    if _is_pooled(test, source):
        return test.pooled_statistics(source.x, (np.arange(len(source.x)) < len(data))[None], None)[0]
    return test.prepare(source.reference, source.expected, seed=seed).statistics([data])[0]


def _statistics(
    test: Any, prepared: PreparedTest | None, source: Any, indices: Sequence[int], seed: int
) -> Float[np.ndarray, "toys columns"]:
    if _is_pooled(test, source):
        return test.pooled_statistics(source.x, source.labels(indices), None)
    if not source.redraws:
        return _shared(prepared).statistics([source.toy(index).sample for index in indices])
    rows = []
    for index in indices:
        toy = source.toy(index)
        anew = test.prepare(toy.reference, source.expected, seed=seed_for(seed, "toy_preparation", index))
        rows.append(anew.statistics([toy.sample])[0])
    return np.stack(rows)


def _is_pooled(test: Any, source: Any) -> bool:
    return isinstance(source, Permutation) and source.weightless and hasattr(test, "pooled_statistics")


def _shared(prepared: PreparedTest | None) -> PreparedTest:
    if prepared is None:
        raise InputError(
            "Got no prepared test, but expected one, as the toys share a reference. Call its `prepare` first."
        )
    return prepared
