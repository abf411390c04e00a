"""What a report can show of a model of recoils: its latent space in a plane, and what it draws against data."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from serendip.errors import InputError
from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked

Kinds = Bool[np.ndarray, "_"]


@dataclass(frozen=True, eq=False)
class LatentPanel:
    """Events in a plane of the latent space, coloured by energy, electron and nuclear recoils with markers of their own.

    Attributes:
        x: coordinates in the plane, of shape (n,), as `y`.
        energy: keV, of shape (n,), above 0.
        is_nr: which are nuclear recoils.
        axes: names of the coordinates.
        scale: what the energy is, for the colour bar.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    x: Points
    y: Points
    energy: Points
    is_nr: Kinds
    axes: tuple[str, str] = ("latent component 1", "latent component 2")
    scale: str = "True recoil energy"
    note: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        require_lengths(self.name, len(self.x), self.y, self.energy, self.is_nr)
        if not np.all(self.energy > 0):
            raise InputError(f"{self.name}: Got energies of 0 or less, but expected keV above 0 for a log scale.")

    def numbers(self) -> Numbers:
        """One row an event."""
        return {"x": self.x, "y": self.y, "energy": self.energy, "is_nr": self.is_nr}


@dataclass(frozen=True, eq=False)
class PredictiveFeature:
    """One quantity of events that no fit saw, and of events that the model drew in their place.

    Attributes:
        edges: bin edges of shape (n + 1,), rising, in `unit`.
        data: part of the events in each bin; `data_error` its standard error.
        drawn: part of the drawn events.
        note: how far they agree, in a few words.
    """

    feature: str
    edges: Points
    data: Points
    data_error: Points
    drawn: Points
    unit: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        require_rising(self.feature, self.edges)
        require_lengths(self.feature, len(self.edges) - 1, self.data, self.data_error, self.drawn)


@dataclass(frozen=True, eq=False)
class PredictivePanel:
    """A posterior predictive check, quantity by quantity."""

    name: str
    title: str
    features: tuple[PredictiveFeature, ...]
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a bin and quantity."""
        return stacked(
            (f.feature, {"low": f.edges[:-1], "high": f.edges[1:], "data": f.data, "data_error": f.data_error,
                         "drawn": f.drawn})
            for f in self.features
        )  # fmt: skip


def predictive_feature(
    feature: str, data: np.ndarray, drawn: np.ndarray, *, unit: str = "", note: str = "", bins: int = 30
) -> PredictiveFeature:
    """Both samples in equal bins; the outermost 0.2 % on either side of the data count into the first and last one."""
    low, high = np.quantile(data, (0.002, 0.998))
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    counts, made = (np.histogram(np.clip(values, low, edges[-1]), edges)[0] for values in (data, drawn))
    return PredictiveFeature(
        feature, edges, counts / len(data), np.sqrt(counts) / len(data), made / len(drawn), unit, note
    )
