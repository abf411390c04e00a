"""Background-only events for toys: what the data would look like if there were nothing to find.

A generator names rows of a sample and gives each a mass; where it can, of the observed sample, so that a toy shares the
features' bins with the data. Rows that stand twice are copies of one event: `Draw.rows` are the groups by which they must
be kept in one fold, else a classifier is scored on events that it saw (measured: a mean null Z of 5).
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from serendip.data import Events
from serendip.errors import InputError


@dataclass(frozen=True)
class Draw:
    """A toy: rows of a sample, with the mass and the weight that each has in it.

    Attributes:
        sample: where the features stand.
        rows: indices into the sample, shape (n,); equal ones are copies of one event.
        m: resonant variable, shape (n,).
        w: weights, shape (n,).
    """

    sample: Events
    rows: Int[np.ndarray, " n"]
    m: Float[np.ndarray, " n"]
    w: Float[np.ndarray, " n"]


@runtime_checkable
class NullGenerator(Protocol):
    """Draws background-only experiments."""

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
        return Draw(self.sample, rows, _masses(self.edges, self.expected, n, rng), self.sample.w[rows])


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
        # Rows were drawn by their weights, so that each counts once.
        return Draw(self.sample, rows, self.sample.m[rows], np.ones(n))


@dataclass(frozen=True, eq=False)
class DensitySampler:
    """New events: masses from the fitted spectrum, features from a density p(x | m) learned from the data.

    Keeps the dependence of the features on the mass as far as the density has learned it, and repeats no event. A signal in
    the data is part of what the density learns, the more so the finer it resolves the mass; closure is measured by the gate.

    Source: the use of a learned p(x | m) as background follows arXiv:2001.04990 and arXiv:2109.00546.

    Attributes:
        like: the observed events, whose feature names, units and weights toys take.
        edges: bin edges of the spectrum, shape (bins + 1,).
        expected: the smooth background's expectation a bin, shape (bins,).
        density: fitted; has `sample(m, seed)`.
    """

    like: Events
    edges: np.ndarray
    expected: np.ndarray
    density: Any

    def draw(self, rng: np.random.Generator) -> Draw:
        """Every event is new; each weighs what an effective event of the data weighs."""
        weight = float(np.sum(self.like.w**2) / np.sum(self.like.w))
        n = max(1, rng.poisson(float(np.sum(self.like.w)) / weight))
        m = _masses(self.edges, self.expected, n, rng)
        sample = self.events(m, int(rng.integers(2**32)), weight)
        return Draw(sample, np.arange(n), m, sample.w)

    def events(self, m: Float[np.ndarray, " n"], seed: int, weight: float = 1.0) -> Events:
        """One event of the density at each mass."""
        x = self.density.sample(m, seed)
        columns = {name: x[:, i] for i, name in enumerate(self.like.columns)}
        return replace(self.like, columns=columns, m=m, w=np.full(len(m), weight), observers={})


def _masses(edges: np.ndarray, expected: np.ndarray, n: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """Masses of the smooth spectrum, uniform within a bin."""
    bins = rng.choice(len(expected), size=n, p=expected / expected.sum())
    return edges[bins] + rng.random(n) * np.diff(edges)[bins]


NULLS: dict[str, type[MassShuffle] | type[ReferenceBootstrap] | type[DensitySampler]] = {
    "mass_shuffle": MassShuffle,
    "reference": ReferenceBootstrap,
    "density": DensitySampler,
}
