"""What a network can learn from: summaries of the waveforms and of the pattern, or these themselves.

A network that is given 1,455 raw samples has to find areas, widths and places in them first. Here they are computed,
from nothing but waveforms and pattern; what somebody reconstructed before is a part of its own, `corrected`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events, unknown_name
from serendip.score.semi.pattern_modes import PatternModes
from serendip.score.semi.pulse_summaries import build_up, log_areas, log_width, mean_log_time, signed_root
from serendip.score.semi.tube_places import TubePlaces

CHUNK = 4096  # events transformed at once
LEAST = 10  # events that a mean and a spread need
MOST = 20_000  # events that the parts learn from
MOVING = (0.005, 0.998)  # mean part of the S1's light by a sample, between which the sample tells something
NO_SAMPLES, NO_PLACES = np.empty(0, int), TubePlaces(np.empty((0, 2)))
NO_MODES = PatternModes(np.empty(0), np.empty((0, 0)))
SUMMARIES = ("areas", "s1_delay", "s2_width", "place")

Features = Float[np.ndarray, "n d"] | Float32[np.ndarray, "n d"]


class Representation(BaseEstimator):
    """Recordings as standardised features: after `fit` the same map for every event.

    Parts: `areas` (logarithms of the areas of S1, S2 and pattern), `s1_delay` (mean logarithm of the time of the S1's
    light, one number), `s1_timing` (part of that light by each sample, where that moves), `s2_width` (diffusion tells
    the depth), `place` (the middle of the pattern and its r²), `pattern` (the leading modes of its shape), `corrected`
    (columns: log cS1, log cS2, drift time, r²), `waveforms` (S1, S2 and pattern, sample by sample), `roots` (their
    square roots, whose photon noise is nearly the same everywhere).

    The fit of `place` reads the columns `x` and `y`, to learn where the tubes stand; `transform` reads none, but for
    `corrected`.

    Args:
        parts: which, in this order.
        modes: of the part `pattern`.
    """

    def __init__(self, parts: Sequence[str] = SUMMARIES, *, modes: int = 24) -> None:
        self.parts = parts
        self.modes = modes

    def fit(self, recordings: Recordings) -> "Representation":
        """Learn what the parts need, from 20,000 events at most, and the mean and spread of each feature.

        Raises:
            InputError: an unknown part, or recordings with NaN, or without what a part needs.
            TooFewEventsError: fewer than 10 events.
        """
        self.shapes_ = self._shapes(recordings)
        require_events(LEAST, recordings=recordings)
        some = recordings[:: -(-len(recordings) // MOST)]  # all along the sample, whose kinds may stand in a row
        self.samples_, self.places_, self.modes_ = NO_SAMPLES, NO_PLACES, NO_MODES
        if {"s1_delay", "s1_timing"} & set(self.parts):
            self.samples_ = _moving_samples(some)
        if "place" in self.parts:
            self.places_ = _tube_places(some)
        if "pattern" in self.parts:
            self.modes_ = PatternModes.find(some.require_pulses()[2], self.modes)
        x = _in_chunks(self._features, recordings)
        self.centre_, self.scale_ = x.mean(axis=0, dtype=float), _spread(x)
        return self

    def transform(self, recordings: Recordings) -> Float32[np.ndarray, "n d"]:
        """Features of mean 0 and spread 1 in the sample of the fit.

        Raises:
            InputError: recordings of another shape than in the fit, with NaN, or without what a part needs.
        """
        shapes = self._shapes(recordings)
        if shapes != self.shapes_:
            raise InputError(f"Got pulses of {shapes} samples and PMTs, but expected {self.shapes_} as in the fit.")
        return _in_chunks(lambda part: (self._features(part) - self.centre_) / self.scale_, recordings)

    def _shapes(self, recordings: Recordings) -> list[int]:
        """Samples of S1 and S2, and PMTs; none where only columns are used."""
        if not self.parts:
            raise InputError(f"parts: Got none, but expected some of {', '.join(PARTS)}.")
        for part in self.parts:
            if part not in PARTS:
                raise InputError("parts: " + unknown_name("part", part, PARTS))
        if set(self.parts) == {"corrected"}:
            return []
        return [pulse.shape[1] for pulse in recordings.require_pulses()]

    def _features(self, recordings: Recordings) -> Features:
        x = np.concatenate([PARTS[part](self, recordings) for part in self.parts], axis=1)
        if bad := int(np.count_nonzero(~np.isfinite(x).all(axis=1))):
            raise InputError(f"Got {bad} recordings with NaN or infinite values, but expected finite ones.")
        return x

    def learned(self) -> tuple[np.ndarray, ...]:
        """What `fit` found, as float arrays for a file; empty ones for parts that are not there."""
        numbers = np.array(self.shapes_, float), self.samples_.astype(float)
        return self.centre_, self.scale_, *numbers, self.places_.xy, self.modes_.mean, self.modes_.axes

    def restore(self, arrays: Sequence[np.ndarray]) -> "Representation":
        """Become what `learned` gave."""
        self.centre_, self.scale_, shapes, samples, places, mean, axes = arrays
        self.shapes_, self.samples_ = shapes.astype(int).tolist(), samples.astype(int)
        self.places_, self.modes_ = TubePlaces(places), PatternModes(mean, axes)
        return self


def _in_chunks(function: Callable[[Recordings], np.ndarray], recordings: Recordings) -> Float32[np.ndarray, "n d"]:
    starts = range(0, max(len(recordings), 1), CHUNK)
    return np.concatenate([function(recordings[start : start + CHUNK]).astype(np.float32) for start in starts])


def _spread(x: Float32[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Standard deviations; 1 for a feature that is constant up to rounding."""
    spread = x.std(axis=0, dtype=float)
    return np.where(spread > 1e-6 * np.abs(x).max(axis=0), spread, 1.0)


def _moving_samples(recordings: Recordings) -> Int[np.ndarray, " k"]:
    mean = build_up(recordings.require_pulses()[0]).mean(axis=0)
    return np.flatnonzero((mean > MOVING[0]) & (mean < MOVING[1]))


def _tube_places(recordings: Recordings) -> TubePlaces:
    return TubePlaces.learn(recordings.require_pulses()[2], recordings.events.x(["x", "y"]))


def _areas(fitted: Representation, recordings: Recordings) -> Features:
    return log_areas(*recordings.require_pulses())


def _s1_timing(fitted: Representation, recordings: Recordings) -> Features:
    return build_up(recordings.require_pulses()[0])[:, fitted.samples_]


def _s1_delay(fitted: Representation, recordings: Recordings) -> Features:
    return mean_log_time(recordings.require_pulses()[0], int(fitted.samples_[0]))


def _s2_width(fitted: Representation, recordings: Recordings) -> Features:
    return log_width(recordings.require_pulses()[1])


def _place(fitted: Representation, recordings: Recordings) -> Features:
    xy = fitted.places_.centroid(recordings.require_pulses()[2])
    return np.column_stack([xy, (xy**2).sum(axis=1)])


def _pattern(fitted: Representation, recordings: Recordings) -> Features:
    return fitted.modes_.project(recordings.require_pulses()[2])


def _corrected(fitted: Representation, recordings: Recordings) -> Features:
    cs1, cs2, drift_time, x, y = recordings.events.x(["cs1", "cs2", "drift_time", "x", "y"]).T
    logs = np.log1p(np.maximum([cs1, cs2], 0.0))
    return np.column_stack([*logs, drift_time, x**2 + y**2])


def _waveforms(fitted: Representation, recordings: Recordings) -> Features:
    return np.concatenate(recordings.require_pulses(), axis=1)


def _roots(fitted: Representation, recordings: Recordings) -> Features:
    return signed_root(_waveforms(fitted, recordings))


PARTS: dict[str, Callable[[Representation, Recordings], Features]] = {
    "areas": _areas,
    "s1_delay": _s1_delay,
    "s1_timing": _s1_timing,
    "s2_width": _s2_width,
    "place": _place,
    "pattern": _pattern,
    "corrected": _corrected,
    "waveforms": _waveforms,
    "roots": _roots,
}
