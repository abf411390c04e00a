"""What a report can show: frozen panels of plain numbers, that know no search and no method."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.report.anomaly_panels import AnomalyPanel
from serendip.report.band_panels import BandPanel
from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked
from serendip.report.latent_panels import LatentPanel, PredictivePanel
from serendip.report.outlier_panels import CoordinatePanel, LatentScanPanel
from serendip.report.pulse_panels import PulsePanel
from serendip.report.ratio_panels import PairPanel, RatioPanel
from serendip.report.score_panels import DriversPanel, RocPanel, ScorePanel, SicPanel
from serendip.report.sensitivity_panels import MixtureScanPanel, RejectionPanel


@dataclass(frozen=True, eq=False)
class SpectrumPanel:
    """A binned mass spectrum with the smooth background fitted to it.

    Attributes:
        edges: bin edges of shape (n + 1,), rising, in `unit`.
        counts: sum of weights in each bin.
        variances: sum of squared weights in each bin; equal to `counts` where the weights are one.
        expected: the background fit, in events a bin.
        expected_error: its uncertainty (one sigma), in events a bin.
        window: shaded, and left out of the fit; None for none.
        goodness_p: p of the fit's goodness outside the window.
    """

    name: str
    title: str
    edges: Points
    counts: Points
    variances: Points
    expected: Points
    expected_error: Points
    window: Window | None = None
    mass_name: str = "mass"
    unit: str = ""
    caption: str = ""
    goodness_p: float | None = None

    def __post_init__(self) -> None:
        require_rising(self.name, self.edges)
        n = len(self.edges) - 1
        require_lengths(self.name, n, self.counts, self.variances, self.expected, self.expected_error)

    @property
    def in_window(self) -> np.ndarray:
        """Which bins have their middle in the window."""
        centres = 0.5 * (self.edges[1:] + self.edges[:-1])
        return np.zeros(len(centres), bool) if self.window is None else self.window.contains(centres)

    @property
    def is_poisson(self) -> bool:
        """Whether the counts are of events with weight one."""
        return bool(np.all(self.counts >= 0) and np.allclose(self.variances, self.counts))

    @property
    def statistical_error(self) -> np.ndarray:
        """The spread of each count about the background: √expected for unit weights, else √variances."""
        return np.sqrt(np.maximum(self.expected if self.is_poisson else self.variances, 1e-12))

    @property
    def pulls(self) -> np.ndarray:
        """How far each bin is from the fit, in σ of its own statistics; the fit's uncertainty is not in it.

        For unit weights the Z of the Poisson p-value with the sign of the deviation, 0 where p > 0.5, so that
        2 events on 0.1 are not a pull of 6; for other weights (counts − expected) / √variances.
        Source: Choudalakis and Casadei 2012, arXiv:1111.2062.
        """
        if not self.is_poisson:
            return (self.counts - self.expected) / self.statistical_error
        return _poisson_z(self.counts, np.maximum(self.expected, 1e-12))

    def numbers(self) -> Numbers:
        """One row a bin."""
        return {
            "low": self.edges[:-1],
            "high": self.edges[1:],
            "counts": self.counts,
            "variance": self.variances,
            "expected": self.expected,
            "expected_error": self.expected_error,
            "pull": self.pulls,
            "in_window": self.in_window,
        }


@dataclass(frozen=True, eq=False)
class ScanSeries:
    """The local p of each window, for one cut or one method.

    Attributes:
        mass: window centres.
        p: local p-values in (0, 1]; upper limits where `is_limit` says so.
        is_limit: where p is only known to be smaller; None for nowhere.
    """

    label: str
    mass: Points
    p: Points
    is_limit: np.ndarray | None = None

    def __post_init__(self) -> None:
        require_lengths(self.label, len(self.mass), self.p, self.limits)
        if not np.all((self.p > 0) & (self.p <= 1)):
            raise InputError(
                f"{self.label}: Got p outside (0, 1], but expected p > 0; give the upper limit where it is 0."
            )

    @property
    def limits(self) -> np.ndarray:
        """`is_limit`, all False where it was not given."""
        return np.zeros(len(self.mass), bool) if self.is_limit is None else self.is_limit


@dataclass(frozen=True, eq=False)
class ScanPanel:
    """Local p against the mass.

    Attributes:
        series: one curve each.
        best: the window to shade.
        global_text: the global p as it shall be printed in the figure.
    """

    name: str
    title: str
    series: tuple[ScanSeries, ...]
    best: Window | None = None
    global_text: str = ""
    mass_name: str = "mass"
    unit: str = ""
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a window and series."""
        return stacked((s.label, {"mass": s.mass, "local_p": s.p, "is_limit": s.limits}) for s in self.series)


@dataclass(frozen=True, eq=False)
class TailCurve:
    """A fitted tail of the toys: P(statistic ≥ z), and the p of the fit's goodness."""

    z: Points
    survival: Points
    goodness_p: float | None = None
    label: str = "tail fit"


@dataclass(frozen=True, eq=False)
class ToyPanel:
    """A statistic of each background-only toy, such as its largest Z, and the observed one."""

    name: str
    title: str
    toys: Points
    observed: float
    tail: TailCurve | None = None
    caption: str = ""
    statistic: str = "largest Z"

    def numbers(self) -> Numbers:
        """One row a toy, rising; how many toys reach it. The observed value is the row `is_observed`."""
        toys = np.sort(self.toys)
        share = np.arange(len(toys), 0, -1) / max(len(toys), 1)
        at_observed = np.mean(toys >= self.observed) if len(toys) else np.nan
        return {
            "statistic": np.append(toys, self.observed),
            "share_of_toys_at_or_above": np.append(share, at_observed),
            "is_observed": np.append(np.zeros(len(toys), bool), True),
        }


@dataclass(frozen=True, eq=False)
class TablePanel:
    """A table of the report; also written as CSV."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            require_lengths(self.name, len(self.columns), row)


FigurePanel = (
    SpectrumPanel
    | ScanPanel
    | ScorePanel
    | DriversPanel
    | RocPanel
    | SicPanel
    | ToyPanel
    | CoordinatePanel
    | LatentScanPanel
    | RatioPanel
    | PairPanel
    | PulsePanel
    | MixtureScanPanel
    | RejectionPanel
    | AnomalyPanel
    | BandPanel
    | LatentPanel
    | PredictivePanel
)
Panel = FigurePanel | TablePanel


def _poisson_z(n: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The signed Z of seeing n or more (fewer) where `mean` is expected; 0 where p > 0.5."""
    excess = n > mean
    p = np.where(excess, special.gammainc(np.maximum(n, 1), mean), special.gammaincc(n + 1, mean))
    z = -special.ndtri(np.clip(p, 5e-324, 0.5))
    return np.where(excess, z, -z)
