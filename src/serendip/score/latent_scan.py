"""How many latent numbers an autoencoder needs: the elbow of its loss.

Too few, and it learns nothing; as many as the data have dimensions, and it copies whatever comes, a signal included.

Source: Finke et al. 2021, arXiv:2104.09051, for how the size of the passage decides what is found.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from serendip.data import Truth
from serendip.errors import ConfigError, InputError
from serendip.score.densities import Features, PerEvent

LEAST_BEND = 0.2
HeldOut = Float[np.ndarray, "held d"]


@dataclass(frozen=True)
class LatentScan:
    """The loss against the latent size.

    Attributes:
        sizes: latent numbers, rising.
        loss: mean score of held-out background: the reconstruction error, or −ELBO.
        error: its standard error over the events.
        auc: of the labelled events, where there are any.
        seconds: of each training.
    """

    sizes: Int[np.ndarray, " k"]
    loss: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]
    auc: Float[np.ndarray, " k"] | None
    seconds: Float[np.ndarray, " k"]

    @property
    def is_logarithmic(self) -> bool:
        """Whether the loss is to be seen on a logarithmic axis: positive, and over more than a factor of ten."""
        return bool(self.loss.min() > 0 and self.loss.max() > 10 * self.loss.min())

    @property
    def elbow(self) -> int | None:
        """The size that lies farthest below the straight line from the first loss to the last, as the figure shows them.

        None where that is less than a fifth of the whole drop: the loss then falls steadily, and no size stands out.
        """
        loss = np.log(self.loss) if self.is_logarithmic else self.loss
        drop = loss[0] - loss[-1]
        share = (self.sizes - self.sizes[0]) / max(int(self.sizes[-1] - self.sizes[0]), 1)
        below = loss[0] - share * drop - loss
        best = int(np.argmax(below))
        return int(self.sizes[best]) if below[best] > LEAST_BEND * drop > 0 else None

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Columns and rows, one row a size."""
        columns = ("latent size", "held-out loss", "its error", "AUC", "training [s]")
        auc = [None] * len(self.sizes) if self.auc is None else self.auc.tolist()
        return columns, tuple(
            zip(self.sizes.tolist(), self.loss.tolist(), self.error.tolist(), auc, self.seconds.tolist())
        )


def latent_scan(
    method: Any,
    x: Features,
    held_out: HeldOut,
    sizes: Sequence[int],
    *,
    w: PerEvent | None = None,
    truth: Truth | None = None,
) -> LatentScan:
    """Train once for each latent size.

    Args:
        method: an autoencoder that has not been fitted, with a setting `latent`; it is copied.
        x: features to learn from.
        held_out: features of the events that the loss is measured on.
        sizes: latent sizes, rising.
        w: weights of x, of either sign.
        truth: which held-out events are signal; they leave the loss, and give the AUC. No fit sees it.

    Raises:
        ConfigError: the method has no latent size.
        InputError: sizes that do not rise, or no signal or background among the labelled events.
    """
    if "latent" not in method.get_params():
        raise ConfigError(f"method: Got {type(method).__name__}, which has no latent size. Take an autoencoder.")
    if len(sizes) == 0 or sizes[0] < 1 or np.any(np.diff(sizes) <= 0):
        raise InputError(f"Got latent sizes {list(sizes)}, but expected rising ones from 1 on.")
    if truth is not None and truth.is_signal.all() | ~truth.is_signal.any():
        raise InputError("Got labelled events of one kind, but expected signal and background. Pass truth=None.")
    rows = [_one_size(clone(method).set_params(latent=int(size)), x, w, held_out, truth) for size in sizes]
    loss, error, auc, seconds = np.array(rows, dtype=float).T
    return LatentScan(np.asarray(sizes, dtype=int), loss, error, None if truth is None else auc, seconds)


def _one_size(
    method: Any, x: Features, w: PerEvent | None, held_out: HeldOut, truth: Truth | None
) -> tuple[float, float, float, float]:
    start = time.perf_counter()
    method.fit(x, w=w)
    seconds = time.perf_counter() - start
    score = method.anomaly_score(held_out)
    background = score if truth is None else score[~truth.is_signal]
    auc = np.nan if truth is None else float(roc_auc_score(truth.is_signal, score))
    return float(background.mean()), float(background.std() / np.sqrt(len(background))), auc, seconds
