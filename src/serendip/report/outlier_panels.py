"""What a report can show of outlier scores: what they depend on, and how large their latent space should be."""

from dataclasses import dataclass

import numpy as np

from serendip.errors import InputError
from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked


@dataclass(frozen=True, eq=False)
class CoordinateSeries:
    """One method's rank correlation with itself after each map of the features.

    Attributes:
        maps: their names.
        correlations: Spearman's, of shape (maps,).
        shared: of the most anomalous events, the share that stays among them, of shape (maps,).
    """

    label: str
    maps: tuple[str, ...]
    correlations: Points
    shared: Points

    def __post_init__(self) -> None:
        require_lengths(self.label, len(self.maps), self.correlations, self.shared)


@dataclass(frozen=True, eq=False)
class CoordinatePanel:
    """How far the ranking of events survives other coordinates, method by method.

    Attributes:
        series: one a method; all have the same maps.
        top: the share of events that `shared` counts as the most anomalous.
    """

    name: str
    title: str
    series: tuple[CoordinateSeries, ...]
    top: float = 0.05
    caption: str = ""

    def __post_init__(self) -> None:
        if len({one.maps for one in self.series}) != 1:
            raise InputError(
                f"{self.name}: Got series of {len(self.series)} methods, but expected the same maps for all."
            )

    def numbers(self) -> Numbers:
        """One row a map and method."""
        return stacked(
            (s.label, {"map": np.array(s.maps, dtype=object), "rank_correlation": s.correlations, "shared": s.shared})
            for s in self.series
        )


@dataclass(frozen=True, eq=False)
class LatentScanPanel:
    """The held-out loss of an autoencoder against its latent size, and the AUC where events are labelled.

    Attributes:
        sizes: latent numbers, rising.
        loss: mean over held-out background; `error` is its standard error.
        elbow: the size to mark.
        auc: of labelled events; None without.
    """

    name: str
    title: str
    sizes: Points
    loss: Points
    error: Points
    elbow: int | None = None
    auc: Points | None = None
    loss_name: str = "Held-out loss"
    caption: str = ""

    def __post_init__(self) -> None:
        if len(self.sizes) > 1:
            require_rising(self.name, self.sizes)
        require_lengths(self.name, len(self.sizes), self.loss, self.error, *([] if self.auc is None else [self.auc]))

    def numbers(self) -> Numbers:
        """One row a size."""
        rows = {"latent_size": self.sizes, "loss": self.loss, "loss_error": self.error}
        return rows if self.auc is None else rows | {"auc": self.auc}
