"""Compare methods on labelled events: the truth that no fit may read, held against the scores.

The methods see the data as in the search, the injected signal included. The labelled signal events that were not injected
are scored too, by models that never saw them, so that the signal efficiency is known better than the data allow.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serendip.config import Config
from serendip.data import Truth, Window
from serendip.errors import ConfigError
from serendip.report import write_report
from serendip.run.engine import run_stage
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.run.provenance import Stopwatch, peak_memory_mb, versions
from serendip.run.task import Stage
from serendip.search.engine_settings import settings_of
from serendip.search.evaluate_panels import evaluate_panels
from serendip.search.load import input_files
from serendip.search.outlier_checks import finds_rare_events, outlier_checks, with_auc
from serendip.search.prepare import Prepared, count_summary, joined, prepared
from serendip.search.scan import Experiment, anomalies
from serendip.search.template_quality import (
    TemplateQuality,
    control_quality,
    largest_pull,
    makes_template,
    true_quality,
)
from serendip.seeds import seed_for
from serendip.stats.roc import Performance, performance


@dataclass(frozen=True)
class Labelled:
    """The events of the evaluation.

    Attributes:
        experiment: the data, and behind them the spare signal events, which are scored but not trained on.
        is_signal: of the events in the window.
        w: their weights.
    """

    experiment: Experiment
    is_signal: np.ndarray
    w: np.ndarray


def evaluate(config: Config, output: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Score with each method of the config in one window, and write metrics.json and a report.

    Args:
        config: an analysis of labelled data (`data.truth`, or simulated events).
        output: the run folder.
        progress: who is told.

    Raises:
        ConfigError: the data have no truth.
    """
    watch = Stopwatch()
    p = prepared(config.analysis())
    window = evaluation_window(p)
    folder = RunFolder.open(output, config.recorded())
    stage = Stage("evaluate", evaluate_task, len(config.method))
    with watch.stage("evaluate"):
        tasks = run_stage(
            folder, stage, config.analysis(), settings=settings_of(config.engine), progress=progress or Silent()
        )
    events = labelled(p, window)
    found = {
        method.title: _performance(config, task["score"], events)
        for method, task in zip(config.method, tasks, strict=True)
    }
    metrics = _metrics(p, window, found, tasks, watch)
    folder.write_json("metrics.json", metrics)
    write_report(
        folder.path, metrics, evaluate_panels(p, tasks, events.is_signal, events.w, metrics), config=folder.config
    )
    return metrics


def evaluate_task(config_json: str, index: int) -> dict[str, object]:
    """Scores of one method for the labelled events in the window, higher is more anomalous."""
    p = prepared(config_json)
    window = evaluation_window(p)
    events = labelled(p, window)
    method = p.config.method[index]
    start = time.perf_counter()
    anomaly = anomalies(p, events.experiment, method, window, "evaluate", 0)
    seconds = time.perf_counter() - start
    scores = {"score": anomaly[window.contains(events.experiment.m)], "seconds": seconds}
    if finds_rare_events(method):
        return scores | {"outlier": outlier_checks(p, method, window)}
    if not makes_template(method):
        return scores
    control, truth = control_quality(p, method, window, 0), true_quality(p, method, window)
    return scores | control.arrays("control") | truth.arrays("truth")


def evaluation_window(p: Prepared) -> Window:
    """The window that the config names, else the one of the scan with most true signal.

    Raises:
        ConfigError: the data have no truth.
    """
    if p.truth is None:
        raise ConfigError(
            "data.truth: missing, but evaluate needs labelled events. Name the column that is 1 for signal."
        )
    if p.config.evaluate.window is not None:
        return Window(*p.config.evaluate.window)
    signal = p.m[p.truth.is_signal]
    if not len(signal):
        raise ConfigError("data: Got no signal event, but evaluate needs some. Inject some with data.inject.signal.")
    return max(p.windows, key=lambda window: int(window.contains(signal).sum()))


def labelled(p: Prepared, window: Window) -> Labelled:
    """The data and the spare signal in the window."""
    assert p.truth is not None  # checked by evaluation_window
    spare = None if p.spare is None or p.spare.m is None else p.spare[window.contains(p.spare.m)]
    everything = joined(p.events, spare)
    rows = np.arange(len(everything))
    is_signal = np.concatenate([p.truth.is_signal, np.ones(len(everything) - len(p.events), dtype=bool)])
    assert everything.m is not None
    experiment = Experiment(
        everything, rows, everything.m, everything.w, Truth(is_signal), trained=rows < len(p.events)
    )
    inside = window.contains(everything.m)
    return Labelled(experiment, is_signal[inside], everything.w[inside])


def _performance(config: Config, score: np.ndarray, events: Labelled) -> Performance:
    settings = config.evaluate
    return performance(
        score,
        events.is_signal,
        events.w,
        fprs=settings.fpr,
        min_background=settings.min_background,
        replicas=settings.bootstraps,
        seed=seed_for(config.seed, "bootstrap"),
    )


def _metrics(
    p: Prepared, window: Window, found: Mapping[str, Performance], tasks: list[dict[str, Any]], watch: Stopwatch
) -> dict[str, Any]:
    return {
        "schema": 1,
        "search": "evaluate",
        "method": ", ".join(found),
        "window": [window.low, window.high],
        "methods": {
            name: {
                "auc": vars(one.auc),
                "max_sic": vars(one.max_sic) | {"at": vars(one.best)},
                "sic_at": {f"{fpr:g}": vars(value) for fpr, value in one.sic_at.items()},
                "seconds": float(task["seconds"]),
                "template": _template(task, list(p.config.features)),
                "outlier": with_auc(task.get("outlier"), name, one.auc.value, one.auc.error),
            }
            for (name, one), task in zip(found.items(), tasks, strict=True)
        },
        "events": count_summary(p),
        "inputs": input_files(p.config),
        "seed": p.config.seed,
        "versions": versions(),
        "timing": watch.timing(),
        "peak_memory_mb": peak_memory_mb(),
    }


def _template(task: Mapping[str, Any], features: list[str]) -> dict[str, Any] | None:
    """What is known of a method's template; None for methods without one."""
    if "control_auc" not in task:
        return None
    known = {name: TemplateQuality.from_arrays(task, name) for name in ("control", "truth")}
    found: dict[str, Any] = {"seconds": known["truth"].seconds}
    for name, quality in known.items():
        pull, of = largest_pull(quality, features)
        found[name] = {
            "auc": quality.auc,
            "error": quality.error,
            "largest_pull": pull,
            "largest_pull_of": of,
            "pulls": {f: quality.pulls[:, i].tolist() for i, f in enumerate(features)},
        }
    return found
