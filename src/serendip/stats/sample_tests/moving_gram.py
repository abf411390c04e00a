"""The curvature of a kernel machine's loss on a reference that moves with its nuisances, without a pass over it for each ν.

G(ν) = Σ_R w r(x; ν) φ φᵀ. As functions of x the ratios r(·; ν) of all ν span few dimensions; with u_j a basis of them,
r(x; ν) = Σ_j c_j(ν) u_j(x) and G(ν) = Σ_j c_j(ν) G_j, where the G_j are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.nets.kernel_logistic import weighted_gram
from serendip.seeds import rng_for
from serendip.stats.sample_tests.kernel_machines import Machine
from serendip.stats.sample_tests.nuisance_fit import NuisanceModel

TOLERANCE = 1e-7  # of r, relative; only the step's metric depends on it
REACH = 4.0  # in σ; beyond, the basis extrapolates
NODES = 60  # values of ν that the basis is made of, and of each nuisance more
EVENTS = 4000  # at which it is made
ROWS = 20_000


@dataclass(frozen=True, eq=False)
class MovingGram:
    """G(ν) for one width.

    Attributes:
        events: the nuisances' effect at some events.
        projection: r at those events → c.
        grams: G_j.
    """

    events: NuisanceModel
    projection: Float[np.ndarray, "j m"]
    grams: Float[np.ndarray, "j q q"]

    def at(self, nu: Float[np.ndarray, " k"]) -> Float[np.ndarray, "q q"]:
        """G at ν."""
        return np.tensordot(self.projection @ self.events.weights(nu), self.grams, axes=1)


def moving_grams(machines: Sequence[Machine], model: NuisanceModel, seed: int) -> tuple[MovingGram, ...]:
    """G(ν) for each width; ν = 0 alone where there are no nuisances."""
    events, nodes = _some_events(model, seed), _nodes(model.first.shape[1], seed)
    ratios = np.column_stack([events.weights(nu) for nu in nodes])
    left, values, right = np.linalg.svd(ratios / np.linalg.norm(ratios, axis=0), full_matrices=False)
    kept = values > TOLERANCE * values[0]
    # u = ratios at the nodes times this; at `events` its columns are orthonormal, so that c is a projection.
    combine = (right[kept].T / values[kept]) / np.linalg.norm(ratios, axis=0)[:, None]
    projection = left[:, kept].T
    return tuple(MovingGram(events, projection, _grams(machine, model, nodes, combine)) for machine in machines)


def _grams(
    machine: Machine, model: NuisanceModel, nodes: Float[np.ndarray, "s k"], combine: Float[np.ndarray, "s j"]
) -> Float[np.ndarray, "j q q"]:
    features = machine.reference.features
    total = np.zeros((combine.shape[1], features.shape[1], features.shape[1]))
    for start in range(0, len(features), ROWS):
        rows = slice(start, start + ROWS)
        part, phi = NuisanceModel(model.first[rows], model.second[rows], model.w[rows]), features[rows].astype(float)
        modes = np.column_stack([part.weights(nu) for nu in nodes]) @ combine
        for gram, mode in zip(total, modes.T):
            gram += weighted_gram(phi, mode)
    return total


def _some_events(model: NuisanceModel, seed: int) -> NuisanceModel:
    n = len(model.w)
    rows = rng_for(seed, "moving gram events").choice(n, min(EVENTS, n), replace=False)
    return NuisanceModel(model.first[rows], model.second[rows], np.ones(len(rows)))


def _nodes(k: int, seed: int) -> Float[np.ndarray, "s k"]:
    drawn = rng_for(seed, "moving gram nodes").uniform(-REACH, REACH, (NODES * (1 + k), k))
    return np.vstack([np.zeros((1, k)), drawn]) if k else np.zeros((1, 0))
