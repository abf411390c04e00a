"""A recoil in a few numbers that scatter nearly normally, by name: what its variational autoencoder models.

Every number adds ½ nat² to the variance of −ELBO, whether it tells anything or not: hundreds of samples and PMTs drown
what a nuclear recoil, or a pair of unrelated signals, changes in two or three. docs/xenon_anomaly.md has the figures.
"""

import numpy as np
from jaxtyping import Float, Float32
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.score.semi.pattern_modes import PatternModes, light_parts
from serendip.score.semi.pulse_summaries import log_areas, time_quantiles

CHUNK = 4096  # events transformed at once
LEAST = 10  # events that a mean and a spread need
FAR = (
    12.0  # spreads from the mean at which a summary is cut off: further says no more, and squares of it would overflow
)

AREAS = ("log S1", "log S2", "log top share")
SPANS = ("log S1 rise", "log S1 fall", "log S2 rise", "log S2 fall")

Summaries = Float32[np.ndarray, "n d"]


class RecoilSummaries(BaseEstimator):
    """Areas, time spans, drift time and the pattern's modes of each recording, standardised.

    Args:
        modes: of the pattern, the largest first; what they leave over counts as one number more.
        drift: whether the time between S1 and S2 counts (column `drift_time`): it must fit the S2's width.
    """

    def __init__(self, modes: int = 6, *, drift: bool = True) -> None:
        self.modes = modes
        self.drift = drift

    @property
    def names(self) -> tuple[str, ...]:
        """Of the summaries, in their order."""
        drift = ["√drift time"] if self.drift else []
        modes = [f"pattern mode {i + 1}" for i in range(self.modes)]
        return (*AREAS, *SPANS, *drift, *modes, "log pattern residual")

    def fit(self, recordings: Recordings) -> "RecoilSummaries":
        """Find the modes, and the mean and spread of each summary.

        Raises:
            TooFewEventsError: fewer than 10 events.
            InputError: areas without waveforms, NaN among them, or more modes than PMTs.
        """
        require_events(LEAST, recordings=recordings)
        self.modes_ = PatternModes.find(recordings.require_pulses()[2], self.modes)
        x = self.values(recordings)
        self.centre_, spread = x.mean(axis=0), x.std(axis=0)
        self.scale_ = np.where(spread > 1e-6, spread, 1.0)
        return self

    def transform(self, recordings: Recordings) -> Summaries:
        """Summaries of mean 0 and spread 1 in the sample of the fit, cut off at ±12.

        Raises:
            InputError: areas without waveforms, NaN among them, or another number of PMTs than in the fit.
        """
        return np.clip((self.values(recordings) - self.centre_) / self.scale_, -FAR, FAR).astype(np.float32)

    def values(self, recordings: Recordings) -> Float[np.ndarray, "n d"]:
        """The summaries as they are: logarithms of PE and of samples, √µs, and coordinates of the pattern's shape."""
        starts = range(0, max(len(recordings), 1), CHUNK)
        x = np.concatenate([self._values(recordings[start : start + CHUNK]) for start in starts])
        bad = int(np.count_nonzero(~np.isfinite(x).all(axis=1)))
        if bad:
            raise InputError(f"Got {bad} recordings with NaN or infinite values, but expected finite ones.")
        return x

    def _values(self, recordings: Recordings) -> Float[np.ndarray, "n d"]:
        s1, s2, pattern = recordings.require_pulses()
        areas = log_areas(s1, s2, pattern)
        areas[:, 2] -= areas[:, 1]
        drift = [np.sqrt(np.maximum(recordings.events.x(["drift_time"]), 0.0))] if self.drift else []
        modes = self.modes_.project(pattern)
        rest = ((light_parts(pattern) - self.modes_.mean) ** 2).sum(axis=1) - (modes**2).sum(axis=1)
        # In units of photon noise, which √PE has everywhere alike.
        residual = np.log1p(np.maximum(rest, 0.0) * np.maximum(pattern.sum(axis=1, dtype=float), 0.0))
        return np.column_stack([areas, _spans(s1), _spans(s2), *drift, modes, residual])

    def learned(self) -> tuple[np.ndarray, ...]:
        """What `fit` found, as arrays for a file."""
        return self.centre_, self.scale_, self.modes_.mean, self.modes_.axes

    def restore(self, arrays: tuple[np.ndarray, ...]) -> "RecoilSummaries":
        """Become what `learned` gave."""
        self.centre_, self.scale_, mean, axes = arrays
        self.modes_ = PatternModes(mean, axes)
        return self


def _spans(pulse: Float32[np.ndarray, "n _"]) -> Float[np.ndarray, "n 2"]:
    """Logarithms of the samples from 10 % of the light to half of it, and from there to 90 %."""
    return np.log(np.diff(time_quantiles(pulse, (0.1, 0.5, 0.9)), axis=1) + 0.1)
