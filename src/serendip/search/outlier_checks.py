"""What an outlier score cannot do, measured on the data before anyone reads its ranking.

Half of the events train, the other half, the window left out, is held against the score: does it follow the complexity of
events, does it notice events unlike all that it learned from, does its ranking survive other coordinates?
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from serendip.config.schema import Method
from serendip.data import Window
from serendip.errors import TooFewEventsError
from serendip.report import LatentScanPanel, TablePanel
from serendip.score import METHODS, fit_inputs, score_events
from serendip.score.below_chance import below_chance_warning
from serendip.score.complexity_bias import complexity_bias
from serendip.score.coordinate_dependence import OTHER_SEED, coordinate_dependence
from serendip.score.generalisation import generalisation
from serendip.score.latent_scan import latent_scan
from serendip.search.prepare import Prepared
from serendip.seeds import rng_for, seed_for


def finds_rare_events(method: Method) -> bool:
    """Whether the method learns what is common, and compares no window with anything."""
    return not {"window", "truth"} & METHODS[method.name].needs


def outlier_checks(p: Prepared, method: Method, window: Window) -> dict[str, Any] | None:
    """The numbers and warnings of one outlier score, as plain values; None where events are too few to judge by."""
    try:
        return _outlier_checks(p, method, window)
    except TooFewEventsError:
        return None


def _outlier_checks(p: Prepared, method: Method, window: Window) -> dict[str, Any]:
    seed = seed_for(p.config.seed, f"outlier checks/{method.title}")
    half = rng_for(seed, "halves").random(len(p.events)) < 0.5
    held = ~half & ~window.contains(p.m)
    x, held_x, held_m = p.events.x()[half], p.events.x()[held], p.m[held]
    estimator = method.make(seed, list(p.config.features))
    offered: dict[str, Any] = {"m": p.m[half], "w": p.events.w[half]}
    fitted = clone(estimator).fit(x, **fit_inputs(estimator, **offered))
    complexity = complexity_bias(score_events(fitted, held_x, held_m), held_x, seed=seed)
    made_up = generalisation(fitted, held_x, m=held_m, seed=seed)
    found: dict[str, Any] = {
        "dimension_ratio": complexity.ratio,
        "made_up_auc": dict(made_up.score),
        "classifier_auc": dict(made_up.classifier),
        "coordinates": None,
    }
    warnings = [complexity.warning, made_up.warning]
    if p.config.evaluate.coordinates:
        maps = coordinate_dependence(estimator, x, held_x, held_out_m=held_m, **offered)
        found["coordinates"] = dict(maps.correlations)
        warnings.append(maps.warning)
    found["latent"] = _latent(p, estimator, half, window)
    return found | {"warnings": [warning for warning in warnings if warning]}


def _latent(p: Prepared, estimator: Any, half: np.ndarray, window: Window) -> dict[str, list[Any]] | None:
    """Loss and AUC against the latent size, judged on labelled events in the window; None where it was not asked for."""
    sizes = [size for size in p.config.evaluate.latent_sizes if size < len(p.config.features)]
    if not (sizes and "latent" in estimator.get_params()):
        return None
    assert p.truth is not None  # evaluate has asked for it
    judged = ~half & window.contains(p.m)
    x, truth = p.events.x(), p.truth[judged]
    signal = truth.is_signal
    labelled = truth if signal.any() and not signal.all() else None
    scan = latent_scan(estimator, x[half], x[judged], sizes, w=p.events.w[half], truth=labelled)
    columns = {name: getattr(scan, name).tolist() for name in ("sizes", "loss", "error")}
    auc = None if scan.auc is None else scan.auc.tolist()
    return columns | {"auc": auc, "elbow": [] if scan.elbow is None else [scan.elbow]}


def latent_panels(metrics: Mapping[str, Any]) -> list[LatentScanPanel]:
    """The scans that were asked for, one a method."""
    scanned = {name: one["outlier"]["latent"] for name, one in metrics["methods"].items() if one["outlier"]}
    return [
        LatentScanPanel(
            f"latent_{i}",
            f"Latent size of {name}",
            np.array(scan["sizes"], dtype=float),
            np.array(scan["loss"]),
            np.array(scan["error"]),
            elbow=next(iter(scan["elbow"]), None),
            auc=None if scan["auc"] is None else np.array(scan["auc"]),
            caption="Trained on half of the events; loss of the background, and AUC, on the others in the window. Beyond "
            "the elbow, more latent numbers save little loss, and let the network reconstruct what it never saw.",
        )
        for i, (name, scan) in enumerate(scanned.items())
        if scan is not None
    ]


def with_auc(checks: Mapping[str, Any] | None, name: str, auc: float, error: float) -> dict[str, Any] | None:
    """The checks, and a warning where the labelled events show a score below chance; None where none were made."""
    warning = below_chance_warning(name, auc, error)
    if checks is None:
        return None
    return {**checks, "warnings": [*checks["warnings"], *([warning] if warning else [])]}


def _lowest(correlations: Mapping[str, float]) -> float:
    return min(value for name, value in correlations.items() if name != OTHER_SEED)


def outlier_tables(metrics: Mapping[str, Any]) -> list[TablePanel]:
    """Numbers and warnings of every outlier score of an evaluation; empty where there is none."""
    checked = {name: one["outlier"] for name, one in metrics["methods"].items() if one["outlier"] is not None}
    if not checked:
        return []
    rows = [
        (
            name,
            f"{one['dimension_ratio']:.2f}",
            *(f"{one['made_up_auc'][kind]:.2f} ({one['classifier_auc'][kind]:.2f})" for kind in one["made_up_auc"]),
            "–" if one["coordinates"] is None else f"{_lowest(one['coordinates']):.2f}",
        )
        for name, one in checked.items()
    ]
    kinds = list(next(iter(checked.values()))["made_up_auc"])
    columns = ("method", "dimension, top over bottom fifth", *kinds, "lowest rank correlation under maps")
    caption = (
        "Dimension: intrinsic, of the most over the least anomalous fifth; far from 1, the score follows the complexity of "
        "events. Made-up events of each kind: AUC of the score, and in brackets of a classifier trained to see them. Maps: "
        "the score's rank correlation with itself after monotone maps of the features (evaluate.coordinates)."
    )
    warned = tuple((name, warning) for name, one in checked.items() for warning in one["warnings"])
    tables = [TablePanel("outlier_checks", "What the outlier scores see", columns, tuple(rows), caption)]
    if warned:
        tables.append(TablePanel("outlier_warnings", "Warnings", ("method", "warning"), warned))
    return tables
