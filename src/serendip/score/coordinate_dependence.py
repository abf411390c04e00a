"""Does a ranking of events survive another choice of coordinates?

A likelihood ratio does not change under an invertible map of the features, since both densities get the same Jacobian; a
density does, and so does all that is rare under it.

Source: Le Lan and Dinh 2020, arXiv:2012.03808.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import spearmanr
from sklearn.base import clone

from serendip.errors import ConfigError, InputError, unknown_name
from serendip.score.densities import Features, PerEvent
from serendip.score.methods import fit_inputs, score_events
from serendip.seeds import seed_for

OTHER_SEED = "none, other seed"
LIMIT = 0.9  # retrained trees stay above it; densities of skewed features do not
NOISE = 0.05  # by how much maps must do more than another seed
TOP = 0.05

Column = Float[np.ndarray, " _"]
Map = Callable[[Column, Column], Column]


def _units(values: Column, reference: Column) -> Column:
    """At least 0 for all of the reference, in units of its distance from the lowest value to the median."""
    low = float(reference.min())
    return (values - low) / (float(np.median(reference)) - low or 1.0)


def _normal_scores(values: Column, reference: Column) -> Column:
    """Each value's normal quantile in the reference, straight on beyond its ends; strictly rising."""
    known, counts = np.unique(reference, return_counts=True)
    rank = (np.cumsum(counts) - 0.5 * counts) / len(reference)
    return np.interp(values, known, ndtri(rank))


MAPS: dict[str, Map] = {
    "logarithm": lambda values, reference: np.log1p(_units(values, reference)),
    "square": lambda values, reference: _units(values, reference) ** 2,
    "root": lambda values, reference: np.sqrt(_units(values, reference)),
    "normal scores": _normal_scores,
}


@dataclass(frozen=True)
class CoordinateDependence:
    """How far the ranking survives each map.

    Attributes:
        correlations: Spearman's rank correlation of the scores before and after, for each map; for `OTHER_SEED`, what
            training again alone does.
        shared: of the 5 % most anomalous events, the share that stays among them.
    """

    correlations: dict[str, float]
    shared: dict[str, float]

    @property
    def lowest(self) -> float:
        """The smallest rank correlation under a map."""
        return min(value for name, value in self.correlations.items() if name != OTHER_SEED)

    @property
    def warning(self) -> str | None:
        """What a reader must know; None where the ranking survives."""
        again = self.correlations[OTHER_SEED]
        no_worse_than_again = self.lowest >= again - NOISE
        if self.lowest >= LIMIT or (no_worse_than_again and again >= LIMIT):
            return None
        if no_worse_than_again:
            return (
                f"The ranking is not reproducible: training again with another seed leaves a rank correlation of "
                f"{again:.2f}. Whether it depends on the coordinates cannot be told from that."
            )
        worst = min(
            (name for name in self.correlations if name != OTHER_SEED), key=lambda name: self.correlations[name]
        )
        return (
            f"The score depends on the coordinates: after the map '{worst}' of each feature, its rank correlation with "
            f"itself is {self.lowest:.2f}, and {100 * self.shared[worst]:.0f} % of its {100 * TOP:g} % most anomalous "
            "events stay among them. What it calls rare is a choice of features, not a property of the events."
        )

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Columns and rows, one row a map."""
        columns = ("map of each feature", "rank correlation", f"top {100 * TOP:g} % in common")
        return columns, tuple((name, value, self.shared[name]) for name, value in self.correlations.items())


def coordinate_dependence(
    method: Any,
    x: Features,
    held_out: Float[np.ndarray, "held d"],
    *,
    held_out_m: Float[np.ndarray, " held"] | None = None,
    maps: tuple[str, ...] = tuple(MAPS),
    **offered: Any,
) -> CoordinateDependence:
    """Fit and score again under monotone maps of every feature.

    Args:
        method: one that has not been fitted; it is copied for each map, with its seed.
        x: features to learn from.
        held_out: features of the events that are ranked.
        held_out_m: their masses, for methods that score with them.
        maps: keys of `MAPS`.
        **offered: what else `fit` may need (m, window, w, background, simulation, truth); samples are mapped alike.

    Raises:
        ConfigError: an unknown map.
        InputError: the method needs something that was not offered, or gives all events one score.
    """
    for name in maps:
        if name not in MAPS:
            raise ConfigError(unknown_name("map", name, MAPS))
    inputs = fit_inputs(method, **offered)
    reference = np.concatenate([x, held_out, *(inputs[key][0] for key in SAMPLES if key in inputs)])

    def scores(one: Any, name: str | None = None) -> PerEvent:
        def mapped(features: Features) -> Features:
            return features if name is None else _mapped(MAPS[name], features, reference)

        others = {key: (mapped(inputs[key][0]), *inputs[key][1:]) for key in SAMPLES if key in inputs}
        return score_events(clone(one).fit(mapped(x), **(inputs | others)), mapped(held_out), held_out_m)

    plain = scores(method)
    if np.ptp(plain) == 0:
        raise InputError(
            "Got the same score for every event, but expected a ranking. Give the method more to learn from."
        )
    other = clone(method).set_params(seed=seed_for(method.seed, "coordinate dependence"))
    again = {OTHER_SEED: scores(other), **{name: scores(method, name) for name in maps}}
    return CoordinateDependence(
        {name: float(spearmanr(plain, score).statistic) for name, score in again.items()},
        {name: _share_kept(plain, score) for name, score in again.items()},
    )


SAMPLES = ("background", "simulation")


def _mapped(rising: Map, x: Features, reference: Float[np.ndarray, "all d"]) -> Features:
    return np.column_stack([rising(x[:, i], reference[:, i]) for i in range(x.shape[1])])


def _share_kept(first: PerEvent, second: PerEvent) -> float:
    most = max(int(TOP * len(first)), 1)
    top_first, top_second = (np.argsort(score, kind="stable")[-most:] for score in (first, second))
    return len(np.intersect1d(top_first, top_second)) / most
