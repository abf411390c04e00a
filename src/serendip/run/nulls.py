"""Background-only events for toys: what the data would look like if there were nothing to find.

A generator names rows of a sample and gives each a mass, so that a toy shares the features' bins with the data. Rows that
stand twice are copies of one event: `Draw.rows` are the groups by which they must be kept in one fold, else a classifier
is scored on events that it saw (measured: a mean null Z of 5).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from serendip.data import Events
from serendip.errors import InputError


@dataclass(frozen=True)
class Draw:
    """A toy: rows of the generator's sample, with the mass that each has in it.

    Attributes:
        rows: indices into the sample, shape (n,); equal ones are copies of one event.
        m: resonant variable, shape (n,).
    """

    rows: Int[np.ndarray, " n"]
    m: Float[np.ndarray, " n"]


@runtime_checkable
class NullGenerator(Protocol):
    """Draws background-only experiments from a sample of events."""

    @property
    def sample(self) -> Events:
        """The events that rows are drawn from."""
        ...

    def draw(self, rng: np.random.Generator) -> Draw:
        """One experiment, its size Poisson."""
        ...


@dataclass(frozen=True)
class MassShuffle:
    """Masses from the fitted spectrum, features from the data, independent of each other.

    True where the features of the background do not depend on the mass, which the validity gate tests. A signal in the
    data stays among the features, spread over all masses.

    Attributes:
        sample: the observed events.
        edges: bin edges of the spectrum, shape (bins + 1,).
        expected: the smooth background's expectation a bin, shape (bins,).
    """

    sample: Events
    edges: np.ndarray
    expected: np.ndarray

    def draw(self, rng: np.random.Generator) -> Draw:
        """Every event is used once before any is used again, so that copies are few."""
        n = max(1, rng.poisson(len(self.sample)))
        rows = np.concatenate([rng.permutation(len(self.sample)) for _ in range(-(-n // len(self.sample)))])[:n]
        bins = rng.choice(len(self.expected), size=n, p=self.expected / self.expected.sum())
        return Draw(rows, self.edges[bins] + rng.random(n) * np.diff(self.edges)[bins])


@dataclass(frozen=True)
class ReferenceBootstrap:
    """Whole events drawn with replacement from a background sample, mass and features together.

    Keeps every dependence that the sample has, and every fluctuation too: that of a sample not much larger than the data
    appears in all toys alike.

    Attributes:
        sample: the background events.
        expected_events: the mean size of a toy.
    """

    sample: Events
    expected_events: float

    def draw(self, rng: np.random.Generator) -> Draw:
        """Rows in proportion to their weights, which must not be negative."""
        if (self.sample.w < 0).any():
            raise InputError(
                f"null.generator: Got {(self.sample.w < 0).sum()} negative weights in the reference, but a bootstrap "
                "needs weights of at least 0. Use mass_shuffle, or a reference without negative weights."
            )
        n = max(1, rng.poisson(self.expected_events))
        rows = rng.choice(len(self.sample), size=n, p=self.sample.w / self.sample.w.sum())
        assert self.sample.m is not None  # a resonance search has a mass
        return Draw(rows, self.sample.m[rows])


NULLS: dict[str, type[MassShuffle] | type[ReferenceBootstrap]] = {
    "mass_shuffle": MassShuffle,
    "reference": ReferenceBootstrap,
}
