"""Waveforms in a few numbers: areas, and when the light came."""

import numpy as np
from jaxtyping import Float, Float32

QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MIDDLE = QUANTILES.index(0.5)

Pulse = Float32[np.ndarray, "n samples"]


def log_areas(*pulses: Float32[np.ndarray, "n _"]) -> Float[np.ndarray, "n k"]:
    """log(1 + area) of each; the area in PE, negative ones as 0."""
    areas = [pulse.sum(axis=1, dtype=float) for pulse in pulses]
    return np.log1p(np.maximum(np.column_stack(areas), 0.0))


def build_up(pulse: Pulse) -> Float[np.ndarray, "n samples"]:
    """Part of the light that had come by the end of each sample; negative samples count as 0."""
    total = np.cumsum(np.maximum(pulse, 0.0), axis=1, dtype=float)
    return total / np.maximum(total[:, -1:], 1e-9)


def time_quantiles(pulse: Pulse, quantiles: tuple[float, ...] = QUANTILES) -> Float[np.ndarray, "n quantiles"]:
    """When each part of the light had come, in samples from the start of the waveform, interpolated within a sample."""
    done = np.pad(build_up(pulse), ((0, 0), (1, 0)))
    rows = np.arange(len(pulse))
    times = []
    for quantile in quantiles:
        after = np.clip((done < quantile).sum(axis=1), 1, pulse.shape[1])
        low, high = done[rows, after - 1], done[rows, after]
        times.append(after - 1 + (quantile - low) / np.maximum(high - low, 1e-9))
    return np.clip(np.column_stack(times), 0.0, pulse.shape[1])


def mean_log_time(pulse: Pulse, start: int) -> Float[np.ndarray, "n 1"]:
    """Mean of log(1 + samples since `start`) over the light; light before counts as 0 samples, negative samples not.

    In xenon the logarithm of the ratio of electron to nuclear recoils' light rises nearly as log(time): so this one
    number holds nearly all that the waveform tells of their times, with no weight to learn for each sample.
    """
    light, since = np.maximum(pulse, 0.0).astype(float), np.maximum(np.arange(pulse.shape[1]) - start, 0)
    return (light @ np.log1p(since) / np.maximum(light.sum(axis=1), 1e-9))[:, None]


def spans(pulse: Pulse) -> Float[np.ndarray, "n k"]:
    """The logarithms of how long before or after its median the rest of the light came, in samples."""
    times = time_quantiles(pulse)
    after = np.delete(np.abs(times - times[:, [MIDDLE]]), MIDDLE, axis=1)
    return np.log(after + 0.1)


def log_width(pulse: Pulse) -> Float[np.ndarray, "n 1"]:
    """log(1 + standard deviation) of the light's time, in samples; negative samples count as 0."""
    light, time = np.maximum(pulse, 0.0).astype(float), np.arange(pulse.shape[1])
    total = np.maximum(light.sum(axis=1), 1e-9)
    variance = light @ time**2 / total - (light @ time / total) ** 2
    return np.log1p(np.sqrt(np.maximum(variance, 0.0)))[:, None]


def signed_root(pulse: Float32[np.ndarray, "n _"]) -> Float[np.ndarray, "n _"]:
    """√|PE| with the sign: counts get nearly the same noise everywhere."""
    return np.sign(pulse) * np.sqrt(np.abs(pulse))
