"""What a report can show of a TPC's events: their waveforms, and the light in each photomultiplier."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.data.recordings import Recordings
from serendip.errors import InputError
from serendip.report.columns import Numbers, Points, stacked


@dataclass(frozen=True, eq=False)
class EventPulses:
    """One event.

    Attributes:
        label: what it is, for the legend.
        s1: waveform, PE a sample; `s2` likewise.
        pattern: PE in each tube of the top array.
        place: reconstructed (x, y), cm.
    """

    label: str
    s1: Points
    s2: Points
    pattern: Points
    place: tuple[float, float]


@dataclass(frozen=True, eq=False)
class PulsePanel:
    """Example events: S1 and S2 waveforms, and the S2's light over the top array; one row an event.

    Attributes:
        events: up to about four.
        tubes: places of the photomultipliers, cm; `diameter` of each, cm.
        samples: width of a sample of S1 and S2, ns.
    """

    name: str
    title: str
    events: tuple[EventPulses, ...]
    tubes: Float[np.ndarray, "pmts 2"]
    diameter: float
    samples: tuple[float, float]
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.events:
            raise InputError(f"{self.name}: Got no events, but expected at least one.")
        for event in self.events:
            if len(event.pattern) != len(self.tubes):
                raise InputError(
                    f"{self.name}: Got a pattern of {len(event.pattern)} tubes, but expected {len(self.tubes)}."
                )

    def numbers(self) -> Numbers:
        """One row a sample or tube: of S1 and S2 the time in ns, of tubes the place in cm."""
        return stacked(
            (f"{event.label}: {what}", columns) for event in self.events for what, columns in self._columns(event)
        )

    def _columns(self, event: EventPulses) -> list[tuple[str, Numbers]]:
        nowhere = {"x": np.nan, "y": np.nan}
        waves = [
            (
                what,
                {
                    "time": width * np.arange(len(wave)),
                    **{k: np.full(len(wave), v) for k, v in nowhere.items()},
                    "pe": wave,
                },
            )
            for what, width, wave in zip(("S1", "S2"), self.samples, (event.s1, event.s2))
        ]
        x, y = self.tubes.T
        return [*waves, ("pattern", {"time": np.full(len(x), np.nan), "x": x, "y": y, "pe": event.pattern})]


def example_events(recordings: Recordings, rows: np.ndarray, labels: tuple[str, ...]) -> tuple[EventPulses, ...]:
    """Some events as panels show them.

    Raises:
        InputError: only areas were simulated.
    """
    s1, s2, pattern = (values[rows].astype(float) for values in recordings.require_pulses())
    x, y = (recordings.events.columns[name][rows] for name in "xy")
    return tuple(
        EventPulses(label, s1[i], s2[i], pattern[i], (float(x[i]), float(y[i]))) for i, label in enumerate(labels)
    )
