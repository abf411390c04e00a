"""What a report can show of an anomaly score: data over the background that is expected, and signals beside it."""

from dataclasses import dataclass

import numpy as np

from serendip.report.columns import Numbers, Points, require_lengths, require_rising


@dataclass(frozen=True, eq=False)
class AnomalyPanel:
    """The score of data, of the expected background, and of signals.

    Attributes:
        edges: bin edges of shape (n + 1,), rising.
        background: expected events in each bin; `background_error` one sigma of their rate.
        signals: (label, expected events in each bin) of each.
        data: events in each bin; None where there are none to show.
        cut: below it no event enters the test; None for no cut.
        note: a few words for the corner of the figure.
    """

    name: str
    title: str
    edges: Points
    background: Points
    background_error: Points
    signals: tuple[tuple[str, Points], ...] = ()
    data: Points | None = None
    cut: float | None = None
    score_name: str = "anomaly score TS"
    note: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        require_rising(self.name, self.edges)
        shown = [values for _, values in self.signals] + ([] if self.data is None else [self.data])
        require_lengths(self.name, len(self.edges) - 1, self.background, self.background_error, *shown)

    def numbers(self) -> Numbers:
        """One row a bin."""
        columns = {"background": self.background, "background_error": self.background_error, **dict(self.signals)}
        seen = {} if self.data is None else {"data": self.data}
        return {"low": self.edges[:-1], "high": self.edges[1:], **columns, **seen}


def filled(values: np.ndarray, edges: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts in bins, what lies beyond either end in the outermost."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    return np.histogram(inside, edges, weights=weights)[0].astype(float)
