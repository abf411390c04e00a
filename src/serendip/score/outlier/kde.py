"""Kernel density estimate: a normal kernel on every event, rare where few events are near.

Source: Parzen 1962, doi:10.1214/aoms/1177704472; bandwidths: Scott 2015, doi:10.1002/9781118575574.
"""

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from serendip.errors import ConfigError, InputError, unknown_name
from serendip.score.densities import LOG_2PI, Features, PerEvent
from serendip.score.outlier.sample import require_finite, require_sample
from serendip.seeds import rng_for

White = Float[np.ndarray, "n k"]
Centres = Float[np.ndarray, "centres k"]

RULES = ("scott", "silverman", "held_out")
GRID = np.geomspace(
    0.25, 1.25, 8
)  # of Scott's factor, which is right for a normal distribution and too wide for others
BLOCK = 1024  # events scored at a time, so that memory does not grow with them
FARTHEST = 1e6  # in standard deviations: beyond it float32 would overflow
LEAST = 1e-3  # share of the positive kernels' density that is left where negative weights outweigh


class Kde(BaseEstimator):
    """Scores events by −log p(x), p being a sum of normal kernels with the covariance of the sample.

    For few features, up to about six: in more, every event is far from every other, and the estimate is smooth beyond use.
    With signed weights p is the difference of two sums, kept above a thousandth of the positive one.

    Args:
        bandwidth: of the kernels in units of the sample's spread, or the rule that chooses it: `scott`, `silverman`, or
            `held_out`, the best of eight for the likelihood of a fifth of the sample, which suits shapes far from normal.
        centres: how many events carry a kernel, drawn at random where there are more; time is proportional to it.
        seed: of the draw.
    """

    needs: frozenset[str] = frozenset()
    source = "doi:10.1214/aoms/1177704472"
    summary = "rarity under a kernel density estimate of all events"

    def __init__(self, *, bandwidth: float | str = "scott", centres: int = 5000, seed: int = 0) -> None:
        self.bandwidth = bandwidth
        self.centres = centres
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """The features as they are."""
        return x

    def fit(self, x: Features, *, w: PerEvent | None = None) -> "Kde":
        """Place the kernels and choose their width.

        Args:
            x: features of all events.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: a feature is NaN or infinite, none varies, or the weights are zero or cancel.
            ConfigError: a setting cannot be used.
        """
        self._check_settings()
        w = require_sample(x, w)
        self.mean_, self.to_white_ = _whitening(x, w)
        order = rng_for(self.seed, "kde").permutation(len(x))
        z = self._whiten(x)
        if self.bandwidth == "held_out":
            self.bandwidth_ = self._best_on_held_out(z[order], w[order])
        chosen = order[: self.centres]
        self.centres_, self.weights_ = z[chosen], w[chosen]
        if self.bandwidth != "held_out":
            self.bandwidth_ = _by_rule(self.bandwidth, self.weights_, z.shape[1])
        return self

    def _check_settings(self) -> None:
        if isinstance(self.bandwidth, str) and self.bandwidth not in RULES:
            raise ConfigError("method.bandwidth: " + unknown_name("rule", self.bandwidth, RULES))
        if not isinstance(self.bandwidth, str) and not self.bandwidth > 0:
            raise ConfigError(f"method.bandwidth: Got {self.bandwidth}, but expected a number above 0.")
        if self.centres < 2:
            raise ConfigError(f"method.centres: Got {self.centres}, but expected at least 2.")

    def _whiten(self, x: Features) -> White:
        return np.clip((x - self.mean_) @ self.to_white_, -FARTHEST, FARTHEST).astype(np.float32)

    def _best_on_held_out(self, z: White, w: PerEvent) -> float:
        """The width on the grid under which events that carry no kernel are likeliest."""
        held = slice(0, max(len(z) // 5, 1))
        rest = slice(held.stop, held.stop + self.centres)
        scott = _by_rule("scott", w[rest], z.shape[1])
        few = slice(0, min(held.stop, 2000))
        likelihood = [w[few] @ _log_density(z[few], z[rest], w[rest], scott * factor) for factor in GRID]
        return float(scott * GRID[int(np.argmax(likelihood))])

    def anomaly_score(self, x: Features) -> PerEvent:
        """−log p(x), finite for every finite x.

        Raises:
            InputError: a feature is NaN or infinite.
        """
        require_finite(x)
        log_p = _log_density(self._whiten(x), self.centres_, self.weights_, self.bandwidth_)
        return -(log_p + np.linalg.slogdet(self.to_white_.T @ self.to_white_)[1] / 2)


def _whitening(x: Features, w: PerEvent) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d k"]]:
    """The mean, and the matrix to uncorrelated coordinates of unit variance; directions without variance are left out.

    Under |w|, as the covariance under signed weights need not be one: the kernels' shape only needs to be about right.
    """
    share = np.abs(w) / np.abs(w).sum()
    mean = share @ x
    scale = np.sqrt(np.maximum(share @ (x - mean) ** 2, 0))
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-12 * np.maximum(np.abs(mean), 1e-300))
    z = (x - mean) * inverse
    variance, axes = np.linalg.eigh((z * share[:, None]).T @ z)
    kept = variance > 1e-9
    if not kept.any():
        raise InputError("Got the same features for every event, but a kernel density expects some that vary.")
    return mean, (inverse[:, None] * axes[:, kept]) / np.sqrt(variance[kept])


def _by_rule(bandwidth: float | str, w: PerEvent, d: int) -> float:
    if not isinstance(bandwidth, str):
        return float(bandwidth)
    effective = max(float(w.sum() ** 2 / np.sum(w**2)), 1.0)
    return float((effective * ((d + 2) / 4 if bandwidth == "silverman" else 1.0)) ** (-1 / (d + 4)))


def _log_density(z: White, centres: Centres, w: Float[np.ndarray, " centres"], bandwidth: float) -> PerEvent:
    """log p in white coordinates; the two signs are summed apart, so that neither underflows beside the other."""
    z, centres = z / np.float32(bandwidth), centres / np.float32(bandwidth)
    positive, negative = w > 0, w < 0
    log_p = _log_sum(z, centres[positive], w[positive])
    if negative.any():
        log_n = _log_sum(z, centres[negative], -w[negative])
        log_p += np.log(np.maximum(1 - np.exp(np.minimum(log_n - log_p, 0)), LEAST))
    d = z.shape[1]
    return log_p - np.log(max(float(w.sum()), LEAST * w[positive].sum())) - d * (0.5 * LOG_2PI + np.log(bandwidth))


def _log_sum(z: White, centres: Centres, w: Float[np.ndarray, " centres"]) -> PerEvent:
    """log Σ w exp(−|z − c|² / 2), block by block in float32."""
    w, half = w.astype(np.float32), 0.5 * np.sum(centres**2, axis=1)
    total = np.empty(len(z))
    with threadpool_limits(1):  # on shared cores two threads are slower than one, by far
        for start in range(0, len(z), BLOCK):
            block = z[start : start + BLOCK]
            exponent = block @ centres.T
            exponent -= half
            largest = exponent.max(axis=1)
            exponent -= largest[:, None]
            np.exp(exponent, out=exponent)
            total[start : start + BLOCK] = np.log(exponent @ w) + largest - 0.5 * np.sum(block**2, axis=1)
    return total
