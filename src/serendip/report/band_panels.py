"""What a report can show of a TPC's bands: where recoils of each kind lie in S1 and S2, and events beside them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked

QUANTILES = (0.1, 0.5, 0.9)
FEWEST = 50  # events of a bin that has quantiles; 10 % of fewer are a handful


@dataclass(frozen=True, eq=False)
class Band:
    """Quantiles of the S2 in bins of the S1, for one kind of recoil.

    Attributes:
        label: for the legend.
        edges: bin edges of shape (n + 1,), rising, of the corrected S1.
        low: 10 % quantile of the corrected S2 in each bin; nan where there is none. `median` and `high` (90 %) likewise.
    """

    label: str
    edges: Points
    low: Points
    median: Points
    high: Points

    def __post_init__(self) -> None:
        require_rising(self.label, self.edges)
        require_lengths(self.label, len(self.edges) - 1, self.low, self.median, self.high)

    def numbers(self) -> Numbers:
        """One row a bin."""
        return {
            "cs1_low": self.edges[:-1],
            "cs1_high": self.edges[1:],
            "cs2_10": self.low,
            "cs2_50": self.median,
            "cs2_90": self.high,
        }


def band_of(
    label: str, cs1: Float[np.ndarray, " n"], cs2: Float[np.ndarray, " n"], edges: Float[np.ndarray, " b"]
) -> Band:
    """The band of events; bins with fewer than `FEWEST` of them stay blank."""
    quantiles = np.full((3, len(edges) - 1), np.nan)
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = cs2[(cs1 >= low) & (cs1 < high)]
        if len(inside) >= FEWEST:
            quantiles[:, i] = np.quantile(inside, QUANTILES)
    return Band(label, edges, *quantiles)


@dataclass(frozen=True, eq=False)
class BandEvents:
    """Events to draw as points over the bands.

    Attributes:
        label: for the legend.
        cs1: corrected S1, (n,); `cs2` likewise.
    """

    label: str
    cs1: Points
    cs2: Points

    def __post_init__(self) -> None:
        require_lengths(self.label, len(self.cs1), self.cs2)

    def numbers(self) -> Numbers:
        """One row an event: bins as narrow as a point, and the S2 as the median."""
        blank = np.full(len(self.cs1), np.nan)
        return {"cs1_low": self.cs1, "cs1_high": self.cs1, "cs2_10": blank, "cs2_50": self.cs2, "cs2_90": blank}


@dataclass(frozen=True, eq=False)
class BandPanel:
    """Bands of one or more kinds of recoil, and events over them.

    Attributes:
        bands: drawn as a filled 10–90 % region with its median.
        events: drawn as points.
        unit: of both axes.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    bands: tuple[Band, ...]
    events: tuple[BandEvents, ...] = ()
    unit: str = "PE"
    note: str = ""
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a bin of a band, then one an event."""
        parts: tuple[Band | BandEvents, ...] = (*self.bands, *self.events)
        return stacked((part.label, part.numbers()) for part in parts)
