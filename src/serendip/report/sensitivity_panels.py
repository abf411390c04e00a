"""What a report can show of a test's power: p against a setting of the score, and rejection against strength."""

from dataclasses import dataclass

import numpy as np

from serendip.errors import InputError
from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked


@dataclass(frozen=True, eq=False)
class MedianBand:
    """A median over pseudo-experiments, and the middle 68 % of them, along x.

    Attributes:
        label: for the legend.
        x: rising.
        low: 16 % quantile.
        middle: median.
        high: 84 % quantile.
    """

    label: str
    x: Points
    low: Points
    middle: Points
    high: Points

    def __post_init__(self) -> None:
        require_rising(self.label, self.x)
        require_lengths(self.label, len(self.x), self.low, self.middle, self.high)
        if np.any(self.low > self.middle) or np.any(self.middle > self.high):
            raise InputError(f"{self.label}: Got a median outside its band, but expected low <= middle <= high.")

    def numbers(self) -> Numbers:
        """One row a point."""
        return {"x": self.x, "low": self.low, "median": self.middle, "high": self.high}


@dataclass(frozen=True, eq=False)
class MixtureScanPanel:
    """The p of "no signal" against the weight of one term in the score, for several signals.

    Attributes:
        bands: p for each signal, above 0; x is the weight, 0 allowed.
        chosen: the weight that the search takes.
        symbol: of the weight.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    bands: tuple[MedianBand, ...]
    chosen: float
    symbol: str = "R"
    note: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        for band in self.bands:
            if not (band.low.min() > 0 and band.high.max() <= 1 and band.x.min() >= 0):
                raise InputError(f"{band.label}: Got p outside (0, 1] or a weight below 0, but expected neither.")

    def numbers(self) -> Numbers:
        """One row a signal and weight."""
        return stacked((band.label, band.numbers()) for band in self.bands)


@dataclass(frozen=True, eq=False)
class RejectionPanel:
    """The Z at which tests reject "no signal", against the strength of a signal.

    Attributes:
        bands: Z for each test; x is the strength, above 0.
        crossings: for each test the strength at which its median reaches `level`; None where it does not.
        marked: strengths to mark, with their labels.
        strength: name and unit of the strength.
        level: of Z.
        reach: the largest Z that the calibration can give; None if it is not in sight.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    bands: tuple[MedianBand, ...]
    crossings: tuple[float | None, ...]
    marked: tuple[tuple[str, float], ...] = ()
    strength: tuple[str, str] = (r"$\sigma_{SI}$", "cm²")
    level: float = 3.0
    reach: float | None = None
    note: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        require_lengths(self.name, len(self.bands), self.crossings)
        for band in self.bands:
            if not band.x.min() > 0:
                raise InputError(f"{band.label}: Got a strength of {band.x.min():g}, but expected numbers above 0.")

    def numbers(self) -> Numbers:
        """One row a test and strength, with the test's crossing."""
        return stacked(
            (band.label, {**band.numbers(), "crossing": np.full(len(band.x), np.nan if at is None else at)})
            for band, at in zip(self.bands, self.crossings)
        )
