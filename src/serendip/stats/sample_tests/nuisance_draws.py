"""Toys of an imperfect reference: thrown at chosen values of the nuisances, each with its own auxiliary measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests.draws import (
    Counts,
    draw_count,
    draw_unweighted,
    require_count,
    require_positive_weights,
)
from serendip.stats.sample_tests.nuisances import Nuisance
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.toys import Toy


def at(nuisances: Sequence[Nuisance], sample: Sample, nu: Float[np.ndarray, " k"]) -> Sample:
    """The sample as it is at ν: events moved, or their weights changed, and with them the expected number of events.

    Raises:
        InputError: not one value of ν for each nuisance.
    """
    if np.shape(nu) != (len(nuisances),):
        raise InputError(f"Got {np.size(nu)} values of nuisances, but expected {len(nuisances)}, one for each.")
    x, log_ratio = sample.x, np.zeros(len(sample))
    for nuisance, value in zip(nuisances, nu):
        x, change = nuisance.thrown(x, float(value))
        log_ratio = log_ratio + change
    return Sample(x, sample.w * np.exp(log_ratio))


@dataclass(frozen=True, eq=False)
class NuisanceDraws:
    """Toys without end from a pool, at true values of the nuisances.

    Attributes:
        nuisances: what is uncertain.
        pool: events of the reference's kind at ν = 0, which are not in the reference.
        expected: N(R), events expected in a toy at ν = 0.
        nu: the true values, in σ; 0 where not given.
        counts: "poisson" or "fixed".
        seed: of the toys.

    Raises:
        InputError: not one value of ν for each nuisance, or a negative weight.
    """

    summary: ClassVar[str] = "samples from a pool at chosen values of the nuisances, with an auxiliary measurement each"
    redraws: ClassVar[bool] = False

    nuisances: tuple[Nuisance, ...]
    pool: Sample
    expected: float
    nu: tuple[float, ...] = ()
    counts: Counts = "poisson"
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_weights(self.pool)
        require_count(self.expected, self.counts)
        if self.nu and len(self.nu) != len(self.nuisances):
            raise InputError(f"Got nu={self.nu}, but expected {len(self.nuisances)} values, one for each nuisance.")

    @property
    def limit(self) -> None:
        """As many as you like."""

    def toy(self, index: int) -> Toy:
        """One toy: its sample has A ~ N(ν, 1)."""
        rng = rng_for(self.seed, "nuisance_toy", index)
        mean = self.expected * self._moved.total / self.pool.total
        drawn = draw_unweighted(self._moved, draw_count(mean, self.counts, rng), rng)
        return Toy(Sample(drawn.x, auxiliary=rng.normal(self._true, 1.0)))

    @cached_property
    def _true(self) -> Float[np.ndarray, " k"]:
        return np.array(self.nu or np.zeros(len(self.nuisances)), float)

    @cached_property
    def _moved(self) -> Sample:
        return at(self.nuisances, self.pool, self._true)
