"""Does a score rank events by how complicated they are?

An autoencoder compresses simple events well, whether it has seen their like or not, and a density is high where few
directions are free. Both then miss a signal that is simpler than the background.

Sources: Finke et al. 2021, arXiv:2104.09051, for the bias; the dimension: Levina and Bickel 2004 (NeurIPS 17), with the
inverses averaged, as MacKay and Ghahramani 2005 showed to be the maximum of the likelihood.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from serendip.errors import InputError, require_events
from serendip.score.densities import Features, PerEvent
from serendip.seeds import rng_for

GROUPS = 5
FEWEST = 500  # events, 100 a group: an error of about 4 % on the dimension of each
LIMIT = (
    1.3  # the ratio is 0.88 to 1.2 for normal, uniform and Laplace-distributed events in 2 to 10 features under −log p
)


@dataclass(frozen=True)
class ComplexityBias:
    """The score against the intrinsic dimension.

    Attributes:
        dimensions: of the fifths of the sample, from the least to the most anomalous.
        correlation: Spearman's, of score and local dimension; weaker than the truth, as one event's dimension is known to
            a third only.
    """

    dimensions: tuple[float, ...]
    correlation: float

    @property
    def ratio(self) -> float:
        """Dimension of the most anomalous fifth over that of the least anomalous."""
        return self.dimensions[-1] / self.dimensions[0]

    @property
    def warning(self) -> str | None:
        """What a reader must know; None for a ratio between 1/1.3 and 1.3."""
        if 1 / LIMIT <= self.ratio <= LIMIT:
            return None
        kind, missed = ("complicated", "simpler") if self.ratio > 1 else ("simple", "more complicated")
        return (
            f"The score prefers {kind} events: the intrinsic dimension is {self.dimensions[0]:.1f} for the least "
            f"anomalous fifth and {self.dimensions[-1]:.1f} for the most anomalous. A signal {missed} than the "
            "background may score low."
        )

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Columns and rows, one row a fifth of the sample."""
        names = [f"{100 * i // GROUPS}–{100 * (i + 1) // GROUPS} %" for i in range(GROUPS)]
        return ("events in the order of their score", "intrinsic dimension"), tuple(zip(names, self.dimensions))


def complexity_bias(
    score: PerEvent, x: Features, *, neighbours: int = 10, most: int = 5000, seed: int = 0
) -> ComplexityBias:
    """Compare the intrinsic dimension of events that score high and low.

    Args:
        score: of background events that the method was not fitted to.
        x: their features; they are standardised here.
        neighbours: over how many the dimension of an event is measured; many blur it, and lean at the edges of the sample.
        most: events used, drawn at random where there are more. The fewer, the coarser the scale at which the dimension
            is seen: noise finer than the distance of neighbours does not count.
        seed: of the draw.

    Raises:
        TooFewEventsError: fewer than 500 events.
        InputError: fewer than 3 neighbours.
    """
    require_events(FEWEST, complexity_sample=x)
    if neighbours < 3:
        raise InputError(f"Got neighbours={neighbours}, but expected at least 3.")
    chosen = np.sort(rng_for(seed, "complexity bias").permutation(len(x))[:most])
    inverse = inverse_dimension(x[chosen], neighbours)
    groups = np.array_split(np.argsort(score[chosen], kind="stable"), GROUPS)
    return ComplexityBias(
        tuple(float(1 / inverse[group].mean()) for group in groups),
        float(spearmanr(score[chosen], -inverse).statistic),
    )


def inverse_dimension(x: Features, neighbours: int = 10) -> Float[np.ndarray, " n"]:
    """One over the local dimension of each event, of which means may be taken.

    The mean of ln(T_k / T_j) over the nearer neighbours j < k, T being distances; its expectation is 1/d at uniform density.
    """
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    distances = NearestNeighbors(n_neighbors=neighbours + 1).fit(z).kneighbors(z)[0][:, 1:]
    distances = np.maximum(distances, 1e-12)  # copies of one event lie at 0
    return np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)
