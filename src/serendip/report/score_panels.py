"""What a report can show of scores: their distribution, what they select, and how well they do."""

from dataclasses import dataclass

import numpy as np

from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked


@dataclass(frozen=True, eq=False)
class ScorePanel:
    """The score in the window and in the sidebands, each normalised to one.

    Attributes:
        window: scores in the window, of shape (n,); `window_weights` belong to them, None for ones.
        sidebands: scores in the sidebands, of shape (n,); `sideband_weights` likewise.
        cuts: (label, threshold) of each cut.
    """

    name: str
    title: str
    window: Points
    sidebands: Points
    cuts: tuple[tuple[str, float], ...] = ()
    window_weights: Points | None = None
    sideband_weights: Points | None = None
    bins: int = 50
    score_name: str = "anomaly score"
    caption: str = ""

    @property
    def edges(self) -> np.ndarray:
        """Equal bins from the lowest score to the highest."""
        both = np.concatenate([self.window, self.sidebands])
        low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
        return np.linspace(low, high if high > low else low + 1.0, self.bins + 1)

    def numbers(self) -> Numbers:
        """One row a bin: the share of the weight in it, and its error."""
        edges = self.edges
        inside, inside_error = _shares(self.window, self.window_weights, edges)
        outside, outside_error = _shares(self.sidebands, self.sideband_weights, edges)
        return {
            "low": edges[:-1],
            "high": edges[1:],
            "window": inside,
            "window_error": inside_error,
            "sidebands": outside,
            "sidebands_error": outside_error,
        }


@dataclass(frozen=True, eq=False)
class DriverFeature:
    """One feature of the selected events, and of what they are compared with.

    Attributes:
        edges: bin edges of shape (n + 1,), rising, in `unit`.
        selected: density of the events that pass the cut in the window.
        reference: density of all sideband events.
    """

    feature: str
    edges: Points
    selected: Points
    selected_error: Points
    reference: Points
    reference_error: Points
    unit: str = ""

    def __post_init__(self) -> None:
        require_rising(self.feature, self.edges)
        n = len(self.edges) - 1
        require_lengths(self.feature, n, self.selected, self.selected_error, self.reference, self.reference_error)

    @property
    def chi2(self) -> tuple[float, int]:
        """Pearson's χ² of the selected events against the reference, and its bins.

        Bins where the reference expects less than one event are taken together, or one event would decide it.
        """
        widths = np.diff(self.edges)
        noise = float(np.sum((self.selected_error * widths) ** 2))
        size = abs(float(np.sum(self.selected * widths))) / noise if noise > 0 else 0.0
        seen, expected, error = (
            size * widths * density for density in (self.selected, self.reference, self.reference_error)
        )
        rare = expected < 1
        seen, expected = (np.append(v[~rare], v[rare].sum()) for v in (seen, expected))
        variance = expected + np.append(error[~rare] ** 2, np.sum(error[rare] ** 2))
        used = variance > 0
        return float(np.sum((seen - expected)[used] ** 2 / variance[used])), int(used.sum())


@dataclass(frozen=True, eq=False)
class DriversPanel:
    """Which features the selected events differ in, one small histogram each."""

    name: str
    title: str
    features: tuple[DriverFeature, ...]
    caption: str = ""

    def ranked(self) -> list[DriverFeature]:
        """The features, the one that differs most first."""
        return sorted(self.features, key=lambda f: -f.chi2[0] / max(f.chi2[1], 1))

    def numbers(self) -> Numbers:
        """One row a bin and feature."""
        return stacked(
            (
                f.feature,
                {
                    "low": f.edges[:-1],
                    "high": f.edges[1:],
                    "selected": f.selected,
                    "selected_error": f.selected_error,
                    "reference": f.reference,
                    "reference_error": f.reference_error,
                },
            )
            for f in self.features
        )


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Efficiencies of one method on labelled events.

    Attributes:
        fpr: background efficiency, rising.
        tpr: signal efficiency at the same cuts.
        n_background: labelled background events that `fpr` stands on.
        n_signal: labelled signal events that `tpr` stands on.
    """

    label: str
    fpr: Points
    tpr: Points
    n_background: float
    n_signal: float
    auc: float | None = None

    @property
    def sic(self) -> np.ndarray:
        """Significance improvement ε_S / √ε_B; 0 where nothing passes."""
        return np.divide(self.tpr, np.sqrt(self.fpr), out=np.zeros_like(self.tpr), where=self.fpr > 0)


def _roc_numbers(curves: tuple[RocCurve, ...]) -> Numbers:
    return stacked(
        (
            c.label,
            {
                "background_efficiency": c.fpr,
                "signal_efficiency": c.tpr,
                "background_events": c.fpr * c.n_background,
                "signal_events": c.tpr * c.n_signal,
                "sic": c.sic,
            },
        )
        for c in curves
    )


@dataclass(frozen=True, eq=False)
class RocPanel:
    """Background rejection against signal efficiency."""

    name: str
    title: str
    curves: tuple[RocCurve, ...]
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a cut and curve."""
        return _roc_numbers(self.curves)


@dataclass(frozen=True, eq=False)
class SicPanel:
    """Significance improvement against background efficiency, with the events that each cut keeps.

    Attributes:
        cuts: background efficiencies to mark.
        fewest: below this many background events (25 give 20 % error) a curve is drawn as not to be trusted.
    """

    name: str
    title: str
    curves: tuple[RocCurve, ...]
    cuts: tuple[float, ...] = ()
    fewest: int = 25
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a cut and curve."""
        return _roc_numbers(self.curves)


def _shares(values: np.ndarray, w: np.ndarray | None, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of the total weight in each bin, and its statistical error."""
    w = np.ones(len(values)) if w is None else w
    total = float(np.sum(w)) or 1.0
    inside, _ = np.histogram(values, edges, weights=w)
    squares, _ = np.histogram(values, edges, weights=w**2)
    return inside / total, np.sqrt(squares) / abs(total)
