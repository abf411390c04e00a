"""The goodness-of-fit search: is the sample what the reference says?

events, reference → statistics, one or several → calibrated among null toys → combined → gate → what drives it
                       ↑ null toys: the same statistics
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from serendip.config import GoodnessOfFit
from serendip.report import write_report
from serendip.run.engine import run_stages
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.run.provenance import Stopwatch
from serendip.run.task import Stage
from serendip.search.engine_settings import settings_of
from serendip.search.fit_findings import FitFindings
from serendip.search.fit_panels import fit_panels
from serendip.search.fit_prepare import FitPrepared, fit_prepared
from serendip.search.fit_tasks import (
    all_variants,
    batches,
    nuisance_task,
    null_task,
    observed_task,
    stability_task,
)
from serendip.search.result import Result


def goodness_of_fit(
    config: GoodnessOfFit, output: str | Path, *, progress: Progress | None = None, shard: tuple[int, int] = (0, 1)
) -> Result | None:
    """Run the search, or go on with it; write the run folder and the report.

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
    with watch.stage("read"):
        p = fit_prepared(config.analysis())
        for number in range(len(p.tests)):
            p.prepared(number)  # what cannot be tested is refused before anything is written
        folder = RunFolder.open(output, config.recorded())
    progress.note(_what_is_tested(p))
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


def _finish(p: FitPrepared, folder: RunFolder, watch: Stopwatch, *done: list[dict[str, Any]]) -> Result:
    """Calibration, gate and report, from the results of all tasks."""
    with watch.stage("statistics"):
        found = FitFindings(p, *done)
        result = found.result(folder, watch)
    with watch.stage("report"):
        panels, notes = fit_panels(found)
        write_report(folder.path, result.as_json(), panels, config=folder.config, notes=notes)
    result = replace(result, timing=watch.timing())  # now with the report
    folder.write_json("result.json", result.as_json())
    return result


def _what_is_tested(p: FitPrepared) -> str:
    tests = ", ".join(test.title for test in p.config.test)
    return (
        f"{len(p.data):,} events where {p.expected:,.0f} are expected, against {len(p.reference):,} of the reference, by "
        f"{tests}; {p.config.null.toys} toys ({p.config.source})"
    )


def _stages(p: FitPrepared) -> tuple[Stage[str], ...]:
    null = p.config.null
    return (
        Stage("observed", observed_task, len(p.tests)),
        Stage("null", null_task, batches(null.toys, null.batch)),
        Stage("stability", stability_task, len(all_variants(p))),
        Stage("nuisances", nuisance_task, 2 * len(p.nuisances) if null.toys else 0),
    )
