"""The resonance search: an excess in a smooth mass spectrum, after cuts on a score that was told of no signal.

events → (per method and window) cross-fitted scores → cuts → spectra → sideband fits → largest local Z
             ↑ null toys: the same chain, retrained ────────────────────────────────→ global p
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serendip.config import Config
from serendip.errors import ConfigError, TooFewEventsError
from serendip.report import write_report
from serendip.run.engine import run_stages
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.run.provenance import Stopwatch
from serendip.run.task import Stage
from serendip.score import METHODS
from serendip.search.engine_settings import settings_of
from serendip.search.exports import write_exports
from serendip.search.findings import Findings
from serendip.search.prepare import Prepared, prepared
from serendip.search.resonance_panels import panels
from serendip.search.result import Result
from serendip.search.scan import Scan, fit_scan, mass_dependence_task, observed_task, toy_task
from serendip.search.template_quality import template_methods, template_task


def resonance(
    config: Config, output: str | Path, *, progress: Progress | None = None, shard: tuple[int, int] = (0, 1)
) -> Result | None:
    """Run the search, or go on with it; write the run folder, the report and the exports.

    Args:
        config: the analysis.
        output: the run folder; made, or gone on with if it holds the same analysis.
        progress: who is told.
        shard: (i, N) runs that part of the tasks and stops; `merge` finishes.

    Returns:
        The result, or None for a shard.

    Raises:
        InputError: the data or the config cannot be used.
        RunFolderError: the folder belongs to another analysis.
        TaskError: a task failed; what is done is kept.
    """
    progress, watch = progress or Silent(), Stopwatch()
    _refuse_biased(config)
    with watch.stage("read"):
        p = prepared(config.analysis())
        folder = RunFolder.open(output, config.recorded())
    progress.note(_what_is_searched(p))
    _require_scanned(p)
    with folder.lock(shard):
        done = run_stages(
            folder,
            _stages(p),
            p.config.analysis(),
            watch,
            settings=settings_of(config.engine),
            progress=progress,
            shard=shard,
        )
        return _finish(p, folder, watch, *done) if shard == (0, 1) else None


def _finish(p: Prepared, folder: RunFolder, watch: Stopwatch, *done: list[dict[str, Any]]) -> Result:
    """Statistics, gate, report and exports, from the results of all tasks."""
    observed, dependence, templates, toys = done
    with watch.stage("statistics"):
        data = fit_scan(p, *(np.stack([task[key] for task in observed]) for key in ("counts", "variances")))
        found = Findings(p, data, [Scan.from_arrays(toy) for toy in toys], observed, dependence, templates)
        result = found.result(folder, watch)
    with watch.stage("report"):
        plots = panels(found)
        remarks = write_exports(folder, plots, result.as_json(), found.best_spectrum, found.local.fit)
        write_report(folder.path, result.as_json(), plots, config=folder.config, notes=remarks)
    result = replace(result, timing=watch.timing())  # now with the report
    folder.write_json("result.json", result.as_json())
    return result


def _refuse_biased(config: Config) -> None:
    """A search that reads the truth has no p-value, and one whose folds share a density no local one.

    Measured on background-only LHCO-like toys: a mean Z of 0.68 ± 0.25 for CATHODE with a shared density, 0.04 ± 0.23
    without. What the density saw of a held-out sideband steers the cut away from it, which leaves a bump.
    """
    for method in config.method:
        if method.share:
            raise ConfigError(
                f"method.share: Got true for {method.title}, but expected false in a search: a density that has seen the "
                "sideband events which it helps to score makes an excess from nothing. It is for serendip evaluate, where "
                "only events in the window are judged."
            )
        if "truth" in METHODS[method.name].needs:
            raise ConfigError(
                f"method: Got {method.name}, which reads the truth, but expected methods that data allow. "
                "Compare with it by: serendip evaluate"
            )


def _require_scanned(p: Prepared) -> None:
    """Refuse a search in which no window keeps enough background after any cut."""
    if not p.scanned.any():
        raise TooFewEventsError(
            f"cuts: Got {p.config.cuts}, which leave fewer than gate.min_expected = {p.config.gate.min_expected:g} "
            "effective background events in every window. Loosen the cuts, or widen the windows."
        )


def _what_is_searched(p: Prepared) -> str:
    methods = ", ".join(method.title for method in p.config.method)
    return (
        f"{len(p.events):,} events ({p.events.effective_size:,.0f} effective), {_counted(len(p.windows), 'window')} of "
        f"{p.config.mass.name}, {_counted(len(p.config.cuts), 'cut')}, {methods}; {_counted(p.config.null.toys, 'toy')}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _stages(p: Prepared) -> tuple[Stage[str], ...]:
    return (
        Stage("windows", observed_task, len(p.config.method) * len(p.windows)),
        Stage("mass_dependence", mass_dependence_task, len(p.windows)),
        Stage("templates", template_task, len(template_methods(p.config)) * len(p.windows)),
        Stage("toys", toy_task, p.config.null.toys),
    )
