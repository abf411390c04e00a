"""Where the toys of a goodness-of-fit search come from, by what the config has."""

from collections.abc import Callable
from typing import Any

import numpy as np

from serendip.config import GoodnessOfFit
from serendip.errors import InputError
from serendip.search.load import with_features
from serendip.search.simulators import background_alone
from serendip.seeds import rng_for, seed_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.nuisance_draws import NuisanceDraws
from serendip.stats.sample_tests.nuisances import Nuisance
from serendip.stats.sample_tests.toys import DisjointSplits, IndependentDraws, Permutation

SIMULATED_POOL = 50  # times the expected events


def toy_source(config: GoodnessOfFit, data: Sample, reference: Sample, expected: float) -> tuple[Sample, Any]:
    """The reference that the data meet, and the source of toys, which share no event with it.

    Raises:
        InputError: the source cannot be had, or has fewer toys than are asked for; the message begins with `null`.
    """
    try:
        reference, source = _SOURCES[config.source](config, data, reference, expected)
    except InputError as error:
        raise type(error)(f"null.source: {error}") from error
    if source.limit is not None and config.null.toys > source.limit:
        raise InputError(
            f"null.toys: Got {config.null.toys}, but expected at most {source.limit}: the reference holds no more disjoint "
            "samples. Ask for fewer, raise null.share, or take null.source: independent."
        )
    return reference, source


def _independent(config: GoodnessOfFit, data: Sample, reference: Sample, expected: float) -> tuple[Sample, Any]:
    _refuse_weights(data)
    pool: Any = simulator(config)
    if pool is None:
        kept = rng_for(config.seed, "toy pool").random(len(reference)) < config.null.share
        reference, pool = reference[~kept], reference[kept]
    redraw = len(reference) if config.null.reference == "redrawn" else 0
    return reference, IndependentDraws(pool, expected, config.counts, redraw, _seed(config))


def _splits(config: GoodnessOfFit, data: Sample, reference: Sample, expected: float) -> tuple[Sample, Any]:
    _refuse_weights(data)
    size = len(reference) - int(config.null.share * len(reference))
    source = DisjointSplits(reference, size, expected, config.counts, _seed(config))
    return source.reference, source


def _permutation(config: GoodnessOfFit, data: Sample, reference: Sample, expected: float) -> tuple[Sample, Any]:
    return reference, Permutation(data, reference, _seed(config))


_SOURCES = {"independent": _independent, "splits": _splits, "permutation": _permutation}


def nuisance_draws(
    config: GoodnessOfFit, source: IndependentDraws, nuisances: tuple[Nuisance, ...], nu: tuple[float, ...] = ()
) -> NuisanceDraws:
    """Toys of the same events with auxiliary measurements of the nuisances; a simulator fills a pool first.

    Args:
        config: the analysis.
        source: of toys without nuisances.
        nuisances: what is uncertain.
        nu: their true values, in σ; 0 where not given.
    """
    pool = source.pool
    if not isinstance(pool, Sample):
        pool = pool(rng_for(config.seed, "nuisance pool"), round(SIMULATED_POOL * source.expected))
    return NuisanceDraws(nuisances, pool, source.expected, nu, config.counts, _seed(config))


def simulator(config: GoodnessOfFit) -> Callable[[np.random.Generator, int], Sample] | None:
    """Draws background events of the reference's simulator under the config's features; None where there is none."""
    settings = config.reference.simulate
    if settings is None:
        return None

    def draw(rng: np.random.Generator, n: int) -> Sample:
        events = with_features(config, background_alone(settings, n, int(rng.integers(2**62))))
        return Sample(events.x(), events.w)

    return draw


def _seed(config: GoodnessOfFit) -> int:
    return seed_for(config.seed, "toys")


def _refuse_weights(data: Sample) -> None:
    """Toys are of events that count once; weighted data fluctuate otherwise."""
    if not np.all(data.w == 1):
        raise InputError(
            "Got weighted data, but expected unit weights: toys drawn from the reference fluctuate as unweighted data do. "
            "Take null.source: permutation with expected: data, in which weights stay with the data."
        )
