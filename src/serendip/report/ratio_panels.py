"""What a report can show of a learned density ratio: data, reference, and the reference reweighted to the data."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Num

from serendip.errors import InputError
from serendip.report.columns import Numbers, Points, require_lengths, require_rising, stacked

Map = Num[np.ndarray, "_ _"]  # shapes are compared when a panel is made


@dataclass(frozen=True, eq=False)
class RatioPanel:
    """One feature of data, reference, and the reference reweighted by the learned ratio.

    Attributes:
        edges: bin edges of shape (n + 1,), rising, in `unit`.
        data: sum of weights in each bin, (n,); `data_variance` of squares.
        reference: sum of weights in each bin, scaled to what is expected; `reference_variance` of squares.
        predicted: the same, each event times the ratio; `predicted_variance` likewise.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    feature: str
    edges: Points
    data: Points
    data_variance: Points
    reference: Points
    reference_variance: Points
    predicted: Points
    predicted_variance: Points
    unit: str = ""
    note: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        require_rising(self.name, self.edges)
        columns = (self.data, self.data_variance, self.reference, self.reference_variance)
        require_lengths(self.name, len(self.edges) - 1, *columns, self.predicted, self.predicted_variance)

    @property
    def is_poisson(self) -> bool:
        """Whether the data are events of weight one."""
        return bool(np.all(self.data >= 0) and np.allclose(self.data, self.data_variance))

    def numbers(self) -> Numbers:
        """One row a bin."""
        return {
            "low": self.edges[:-1],
            "high": self.edges[1:],
            "data": self.data,
            "data_variance": self.data_variance,
            "reference": self.reference,
            "reference_variance": self.reference_variance,
            "predicted": self.predicted,
            "predicted_variance": self.predicted_variance,
        }


@dataclass(frozen=True, eq=False)
class PairMaps:
    """Two features: how far data are from the reference in each cell, and how far the learned ratio puts them.

    Attributes:
        first: the feature along x, (name, unit); `second` along y.
        x_edges: bin edges, rising, of shape (n + 1,); `y_edges` of shape (m + 1,).
        data: signed residual of the data in σ, (n, m).
        predicted: signed residual of the reweighted reference in the same σ, (n, m).
        empty: cells to leave blank, (n, m): neither data nor reference.
        note: a few words for the title.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    x_edges: Points
    y_edges: Points
    data: Map
    predicted: Map
    empty: Bool[np.ndarray, "_ _"]
    note: str = ""

    def __post_init__(self) -> None:
        require_rising(self.first[0], self.x_edges)
        require_rising(self.second[0], self.y_edges)
        shape = (len(self.x_edges) - 1, len(self.y_edges) - 1)
        for values in (self.data, self.predicted, self.empty):
            if values.shape != shape:
                raise InputError(f"{self.first[0]}, {self.second[0]}: Got cells {values.shape}, but expected {shape}.")

    def numbers(self) -> Numbers:
        """One row a cell."""
        n, m = self.data.shape
        return {
            "x_low": np.repeat(self.x_edges[:-1], m),
            "x_high": np.repeat(self.x_edges[1:], m),
            "y_low": np.tile(self.y_edges[:-1], n),
            "y_high": np.tile(self.y_edges[1:], n),
            "data_residual": self.data.ravel(),
            "predicted_residual": self.predicted.ravel(),
            "empty": self.empty.ravel(),
        }


@dataclass(frozen=True, eq=False)
class PairPanel:
    """Small maps of pairs of features, data on the left and what the learned ratio makes of the reference on the right."""

    name: str
    title: str
    pairs: tuple[PairMaps, ...]
    caption: str = ""

    def numbers(self) -> Numbers:
        """One row a cell and pair."""
        return stacked((f"{pair.first[0]}, {pair.second[0]}", pair.numbers()) for pair in self.pairs)
