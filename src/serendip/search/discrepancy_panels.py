"""The figures and tables of what drives a discrepancy."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from serendip.report import PairMaps, PairPanel, Panel, RatioPanel, TablePanel
from serendip.search.discrepancy import Binned, Deviation, binned, density_ratio, deviation, ranked_events
from serendip.stats.sample_tests.sample import Sample

TOP_EVENTS = 20
FEATURES_DRAWN, PAIRS_DRAWN = 6, 3
MOST_BINS, MAP_BINS = 40, 16
Counts = Callable[[np.ndarray, int], Binned]
IN_SAMPLE = (
    "The ratio is learned from these very data: it finds something in noise too. The p-value says whether to look."
)


def drivers(
    sample: Sample,
    reference: Sample,
    expected: float,
    log_ratio_data: Float[np.ndarray, " n"],
    log_ratio_reference: Float[np.ndarray, " m"],
    names: tuple[str, ...],
    units: tuple[str, ...],
) -> list[Panel]:
    """What drives the discrepancy: shares of features and pairs, their distributions, and the events of largest ratio.

    Args:
        sample: the data.
        reference: what they are compared with.
        expected: N(R).
        log_ratio_data: f at the data, learned from them.
        log_ratio_reference: f at the reference.
        names: of the features.
        units: of the features, "" for none.

    Raises:
        FitError: a log-ratio is not a number, or its exponential would overflow.
    """
    w = reference.w * (expected / reference.total)
    ratio = density_ratio(log_ratio_reference)
    found = deviation(reference, expected, log_ratio_reference)
    every = np.arange(len(names))

    def counts(columns: np.ndarray, bins: int) -> Binned:
        return binned(sample.x[:, columns], sample.w, reference.x[:, columns], w, ratio, bins)

    bins = int(np.clip(len(sample) ** 0.5, 8, MOST_BINS))
    order = np.argsort(-found.features, kind="stable")[:FEATURES_DRAWN]
    shown: list[Panel] = [shares_table(found, names)]
    learned = (log_ratio_data[:, None], sample.w, log_ratio_reference[:, None], w, ratio)
    shown.append(
        _ratio_panel(binned(*learned, bins), "ratio_learned", "The learned log-ratio", "ln (data / reference)")
    )
    for i in order:
        title, note = f"What drives it: {names[i]}", f"shows {_percent(found.features[i])} of the shape"
        shown.append(_ratio_panel(counts(every[[i]], bins), f"ratio_{i + 1}", title, names[i], units[i], note))
    if len(found.pairs):
        shown.append(pair_panel(found, counts, names, units))
    return [*shown, events_table(sample, log_ratio_data, names, units)]


def shares_table(found: Deviation, names: tuple[str, ...]) -> TablePanel:
    """How much of the deviation each feature and each pair of features shows, the largest first."""
    entries = [(names[i], share) for i, share in enumerate(found.features)]
    entries += [(f"{names[i]}, {names[j]}", share) for (i, j), share in zip(found.pairs, found.pair_shares)]
    ranked = sorted(entries, key=lambda entry: -entry[1])[:TOP_EVENTS]
    rows = [(name, round(float(share), 3)) for name, share in ranked]
    return TablePanel(
        "drivers",
        "What the discrepancy can be seen in",
        ("feature or pair", "share of the shape"),
        tuple(rows),
        f"If data followed the learned ratio, t would be {found.total:.3g}, of which {found.number:.3g} from the number of "
        "events and the rest from their shape. A share is the part of the shape that the distribution of this feature, or "
        f"of these two, shows by itself; correlated features share it, so that shares need not sum to one. {IN_SAMPLE}",
    )


def pair_panel(found: Deviation, counts: Counts, names: tuple[str, ...], units: tuple[str, ...]) -> PairPanel:
    """Maps of the pairs with the largest shares."""
    best = np.argsort(-found.pair_shares, kind="stable")[:PAIRS_DRAWN]
    maps = []
    for (i, j), share in zip(found.pairs[best], found.pair_shares[best]):
        cells = counts(np.array([i, j]), MAP_BINS)
        empty = (cells.data_variance == 0) & (cells.reference_variance == 0)
        seen, predicted = cells.residuals(cells.data), cells.residuals(cells.predicted)
        x, y = (names[i], units[i]), (names[j], units[j])
        x_edges, y_edges = cells.edges
        maps.append(PairMaps(x, y, x_edges, y_edges, seen, predicted, empty, f"shows {_percent(share)}"))
    return PairPanel(
        "pairs",
        "What drives it: pairs of features",
        tuple(maps),
        "Left, the data against the reference; right, the reference reweighted by the learned ratio, in the same σ of a "
        "Poisson count: what the data would look like without their noise. Cells at the rims hold what lies beyond.",
    )


def events_table(
    sample: Sample, log_ratio: Float[np.ndarray, " n"], names: tuple[str, ...], units: tuple[str, ...]
) -> TablePanel:
    """The events of largest ratio."""
    rows = ranked_events(log_ratio, TOP_EVENTS)
    ratio = density_ratio(log_ratio[rows])
    columns = tuple(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units))
    return TablePanel(
        "driving_events",
        "The events most unlike the reference",
        ("event", *columns, "weight", "data / reference"),
        tuple(
            (int(row), *(_short(v) for v in sample.x[row]), _short(sample.w[row]), _short(value))
            for row, value in zip(rows, ratio)
        ),
        f"Events by their place in the data, counted from 0. {IN_SAMPLE}",
    )


def _ratio_panel(counts: Binned, name: str, title: str, feature: str, unit: str = "", note: str = "") -> RatioPanel:
    return RatioPanel(
        name,
        title,
        feature,
        counts.edges[0],
        counts.data,
        counts.data_variance,
        counts.reference,
        counts.reference_variance,
        counts.predicted,
        counts.predicted_variance,
        unit=unit,
        note=note,
        caption="Data, the reference scaled to what it predicts, and the same with each event times the learned ratio of "
        "densities. The outermost bins hold what lies beyond them.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(value: float) -> float:
    """Four digits, as a table shows them."""
    return float(f"{value:.4g}")
