"""The tables and figures of `serendip evaluate`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from serendip.report import Panel, RocPanel, SicPanel, TablePanel
from serendip.search.outlier_checks import latent_panels, outlier_tables
from serendip.search.prepare import Prepared
from serendip.search.resonance_panels import drawn_roc, percent
from serendip.search.template_panels import known_templates
from serendip.stats.roc import roc_curve


def evaluate_panels(
    p: Prepared, tasks: Sequence[Mapping[str, Any]], is_signal: np.ndarray, w: np.ndarray, metrics: Mapping[str, Any]
) -> list[Panel]:
    """Table and curves of every method.

    Args:
        p: the analysis.
        tasks: one a method, with `score`.
        is_signal: of the events scored, (n,).
        w: their weights, (n,).
        metrics: as written to metrics.json.
    """
    curves = tuple(
        drawn_roc(method.title, roc_curve(task["score"], is_signal, w))
        for method, task in zip(p.config.method, tasks, strict=True)
    )
    signal = int(is_signal.sum())
    caption = f"{signal} signal and {len(w) - signal} background events in the window."
    columns, rows = _rows(metrics)
    return [
        TablePanel("metrics", "Methods compared", columns, rows, "Errors by a bootstrap of the events."),
        *known_templates(metrics),
        *outlier_tables(metrics),
        *latent_panels(metrics),
        SicPanel("sic", "Significance improvement", curves, tuple(p.config.cuts), caption=caption),
        RocPanel("roc", "Background rejection", curves, caption),
    ]


def _rows(metrics: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    fprs = list(next(iter(metrics["methods"].values()))["sic_at"])
    columns = (
        "method",
        "AUC",
        "max SIC",
        "at ε_B",
        "background",
        "signal",
        *(f"SIC at {percent(float(f))}" for f in fprs),
        "seconds",
    )
    rows = []
    for name, one in metrics["methods"].items():
        at = one["max_sic"]["at"]
        rows.append(
            (
                name,
                _estimate(one["auc"], 4),
                _estimate(one["max_sic"], 2),
                f"{at['eps_b']:.2g}",
                f"{at['n_background']:.0f}",
                f"{at['n_signal']:.0f}",
                *(_estimate(one["sic_at"][f], 2) for f in fprs),
                f"{one['seconds']:.1f}",
            )
        )
    return columns, tuple(rows)


def _estimate(value: Mapping[str, float], digits: int) -> str:
    return f"{value['value']:.{digits}f} ± {value['error']:.{digits}f}"


def metrics_table(metrics: Mapping[str, Any]) -> Table:
    """The comparison for a terminal."""
    columns, rows = _rows(metrics)
    low, high = metrics["window"]
    table = Table(*columns, title=f"Labelled events in {low:g}–{high:g}")
    for row in rows:
        table.add_row(*row)
    return table
