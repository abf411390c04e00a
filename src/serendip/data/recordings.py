"""Recordings: events of a dual-phase TPC with what its photomultipliers saw, and what was reconstructed from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32

from serendip.data.events import Events, concatenate
from serendip.errors import InputError

PULSES = ("s1", "s2", "pattern")


@dataclass(frozen=True, eq=False)
class Recordings:
    """Triggered events of a TPC; every array has one row an event.

    Attributes:
        events: what is reconstructed, as columns: `s1`, `s2` (areas, PE), `cs1`, `cs2` (corrected for position, PE),
            `x`, `y`, `z` (cm; z from 0 at the liquid's surface down to −height), `drift_time` (µs), `energy` (combined
            scale, keV of an electron recoil), `channels` (PMTs within the coincidence), `veto` (1 where the neutron
            veto saw something). Observer `row` tells which deposit an event came from.
        s1: total waveform of the S1, PE a sample; None where only areas were simulated, as the next two.
        s2: total waveform of the S2, PE a sample.
        pattern: PE of the S2 in each PMT of the top array.
        truth: what was simulated, for labels of calibration samples, evaluation and plots; empty for real data:
            `recoil_energy` (keV), `is_nr` (1 for nuclear recoils), `true_x`, `true_y`, `true_z` (cm), `photons`,
            `electrons` (quanta at the site), `source` (number of the source in a mixture).
    """

    events: Events
    s1: Float32[np.ndarray, "n samples1"] | None = None
    s2: Float32[np.ndarray, "n samples2"] | None = None
    pattern: Float32[np.ndarray, "n pmts"] | None = None
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in PULSES} | dict(self.truth)
        for name, values in given.items():
            if values is not None and len(values) != len(self):
                raise InputError(f"{name}: Got {len(values)} rows, but expected {len(self)}, one an event.")
        if len({getattr(self, name) is None for name in PULSES}) > 1:
            raise InputError("Got some of s1, s2 and pattern, but expected all three, or none for areas alone.")

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, rows: np.ndarray | slice) -> "Recordings":
        """The events of a mask, an index array or a slice."""
        pulses = {name: None if (values := getattr(self, name)) is None else values[rows] for name in PULSES}
        truth = {name: values[rows] for name, values in self.truth.items()}
        return replace(self, events=self.events[rows], truth=truth, **pulses)

    @property
    def has_pulses(self) -> bool:
        """Whether waveforms and pattern are there."""
        return self.s1 is not None

    def require_pulses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """S1 waveforms, S2 waveforms and patterns.

        Raises:
            InputError: only areas were simulated.
        """
        if self.s1 is None or self.s2 is None or self.pattern is None:
            raise InputError("Got areas alone, but expected waveforms and patterns. Simulate in full mode.")
        return self.s1, self.s2, self.pattern


def concatenate_recordings(*samples: Recordings) -> Recordings:
    """One sample of several of the same kind.

    Raises:
        InputError: some have waveforms and some not, or their columns or truths differ.
    """
    first = samples[0]
    for other in samples[1:]:
        if other.has_pulses != first.has_pulses or other.truth.keys() != first.truth.keys():
            raise InputError("Got recordings with different contents, but expected the same arrays and truth in all.")
    pulses = {name: np.concatenate([getattr(s, name) for s in samples]) for name in PULSES if first.has_pulses}
    truth = {name: np.concatenate([s.truth[name] for s in samples]) for name in first.truth}
    return replace(first, events=concatenate(*(s.events for s in samples)), truth=truth, **pulses)
