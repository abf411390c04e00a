"""Ways to carry events to another mass, learned from events of many masses.

Each has `fit(x, m, w)` and `carry(x, m, to)`.

Sources: Raine et al. 2022, arXiv:2203.09470 (`sinkhorn`); Sengupta et al. 2023, arXiv:2305.04646 (`likelihood`).
"""

from typing import Any

import jax
import numpy as np
from sklearn.base import BaseEstimator

from serendip.errors import InputError
from serendip.nets.chunks import in_chunks
from serendip.nets.training import Training, train
from serendip.nets.transport import Transport, transport, transport_loss
from serendip.score.densities import make_settled_density
from serendip.score.weak.template import Features, PerEvent
from serendip.seeds import rng_for, seed_for


class LikelihoodTransport(BaseEstimator):
    """Through the latent space of a density p(x | m): there at the old mass, back at the new one.

    The paper fits a second flow for the map, by the likelihood of carried events under the first. This map has the
    largest likelihood that it can reach wherever the density is right, and costs no second fit. Where the density gets
    the shape of a feature wrong at all masses alike, the carried events keep the shape that they have in data.

    Args:
        density: a key of `DENSITIES`.
        density_settings: of the density.
        seed: of the density.
    """

    def __init__(
        self, density: str = "spline_maf", *, density_settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.density = density
        self.density_settings = density_settings
        self.seed = seed

    def fit(self, x: Features, m: PerEvent, w: PerEvent | None = None) -> "LikelihoodTransport":
        """Learn p(x | m)."""
        self.density_ = make_settled_density(self).fit(x, m, w)
        return self

    def carry(self, x: Features, m: PerEvent, to: PerEvent) -> Features:
        """Events as they would be at other masses."""
        return self.density_.from_latent(self.density_.to_latent(x, m), to)


class SinkhornTransport(BaseEstimator):
    """An invertible map trained on pairs of events, so that carried events are distributed as those already there.

    The loss compares features and mass together, where the paper compares features alone: so the map learns the
    dependence on the mass within a batch, too. Pairs come from all sidebands, not only one from either side, so that the
    map sees steps as short as those into the window.

    Args:
        blocks: couplings of the map.
        hidden: units of a hidden layer of a coupling.
        pairs: of events in an epoch.
        epochs: of the training.
        batch: pairs whose distributions are compared.
        learning_rate: the highest of a one-cycle schedule.
        seed: of pairs and training.
    """

    def __init__(
        self,
        *,
        blocks: int = 4,
        hidden: int = 64,
        pairs: int = 32_768,
        epochs: int = 10,
        batch: int = 256,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.blocks = blocks
        self.hidden = hidden
        self.pairs = pairs
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.seed = seed

    def fit(self, x: Features, m: PerEvent, w: PerEvent | None = None) -> "SinkhornTransport":
        """Train the map.

        Raises:
            InputError: a weight is negative.
        """
        if w is not None and np.any(w < 0):
            raise InputError(
                f"Got {int(np.sum(w < 0))} negative weights, but a sinkhorn transport expects none, since no mass can be "
                "carried that is not there. Take transport: likelihood."
            )
        self.shift_, self.scale_ = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
        self.m_shift_, self.m_scale_ = float(m.mean()), float(m.std()) or 1.0
        settings = Training(
            epochs=self.epochs, batch=self.batch, learning_rate=self.learning_rate, schedule="one_cycle", patience=0
        )
        key = jax.random.key(seed_for(self.seed, "transport") % 2**32)
        model = transport(x.shape[1], blocks=self.blocks, hidden=self.hidden, key=key)
        self.map_ = train(model, transport_loss, self._pairs(x, m, w), settings=settings, seed=self.seed).model
        return self

    def _pairs(self, x: Features, m: PerEvent, w: PerEvent | None) -> tuple[np.ndarray, ...]:
        """Features and masses of the lower and of the higher event."""
        share = None if w is None else w / w.sum()
        rows = rng_for(self.seed, "pairs").choice(len(x), size=(self.pairs, 2), p=share)
        low, high = np.take_along_axis(rows, np.argsort(m[rows], axis=1), axis=1).T
        z, mass = self._standard(x), self._standard_mass(m)
        return z[low], mass[low], z[high], mass[high]

    def _standard(self, x: Features) -> Features:
        return (x - self.shift_) / self.scale_

    def _standard_mass(self, m: PerEvent) -> PerEvent:
        return (m - self.m_shift_) / self.m_scale_

    def carry(self, x: Features, m: PerEvent, to: PerEvent) -> Features:
        """Events as they would be at other masses."""
        z = in_chunks(_carry, self.map_, self._standard(x), self._standard_mass(m), self._standard_mass(to))
        return z * self.scale_ + self.shift_


def _carry(model: Transport, x: Any, m: Any, to: Any) -> Any:
    return jax.numpy.where((to > m)[:, None], model.up(x, m, to), model.down(x, m, to))


TRANSPORTS: dict[str, type] = {"likelihood": LikelihoodTransport, "sinkhorn": SinkhornTransport}
