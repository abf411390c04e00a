"""The recoil search: do the recoils in a xenon TPC say more than its known backgrounds?

train classifier and autoencoder → judge them → pools of scored events → score the data → choose R and cut by simulation
→ test of background alone, among pseudo-experiments → sensitivity, of the classical tests too → gate → report
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from serendip.config import Recoil
from serendip.report import write_report
from serendip.run.cluster import Session, engine_session
from serendip.run.engine import run_stage
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.run.provenance import Stopwatch
from serendip.run.task import Result as Results
from serendip.run.task import Stage, load_result
from serendip.search.engine_settings import settings_of
from serendip.search.recoil_events import places, pool_task, sample_task, samples
from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_gate import check_recoil
from serendip.search.recoil_panels import recoil_panels
from serendip.search.recoil_prepare import RecoilPrepared, recoil_prepared
from serendip.search.recoil_statistics import Scores, choose_task, points, sensitivity_task, test_task
from serendip.search.recoil_training import MODELS, judge_task, models_of, train_task
from serendip.search.result import Result

C = TypeVar("C")


def recoil(
    config: Recoil, output: str | Path, *, progress: Progress | None = None, shard: tuple[int, int] = (0, 1)
) -> Result | None:
    """Run the search, or go on with it; write the run folder and the report.

    Args:
        config: the analysis.
        output: the run folder; made, or gone on with if it holds the same analysis.
        progress: who is told.
        shard: (i, N) runs that part of the tasks, as far as the results of earlier stages are there: stages build on
            each other, so that shards are started again until each says that it is done.

    Returns:
        The result, or None for a shard.

    Raises:
        InputError: the data or the config cannot be used.
        RunFolderError: the folder belongs to another analysis.
        TaskError: a task failed; what is done is kept.
    """
    progress, watch = progress or Silent(), Stopwatch()
    with watch.stage("read"):
        p = recoil_prepared(config.analysis())
        p.check()  # what cannot be searched is refused before anything is written
        folder = RunFolder.open(output, config.recorded())
    progress.note(_what_is_searched(p))
    with folder.lock(shard), ExitStack() as stack:
        session = stack.enter_context(engine_session(settings_of(config.engine)))
        try:
            found = _run(p, _Stages(folder, watch, progress, shard, session))
        except _WaitsError as waits:
            progress.note(f"Other shards have to finish {waits} first. Then start this one again.")
            return None
        return _finish(found, folder, watch) if shard == (0, 1) else None


def _run(p: RecoilPrepared, run: "_Stages") -> RecoilFindings:
    """Every stage in turn; a later one is given what the earlier ones found."""
    config = p.config.analysis()
    trained = run(Stage("train", train_task, len(MODELS)), config)
    judged = run(Stage("judge", judge_task, 1), models_of(config, trained))
    models = models_of(config, trained, judged[0]["standard"].tobytes())
    pools = run(Stage("pools", pool_task, len(places(p))), models)
    scored = run(Stage("samples", sample_task, len(samples(p))), models)
    scores = Scores.of(config, pools, scored)
    chosen = run(Stage("choose", choose_task, 1), scores)
    scores = scores.with_choice(chosen[0]["ratio"], chosen[0]["keep"])
    tested = run(Stage("test", test_task, 1), scores)
    sensitivity = run(Stage("sensitivity", sensitivity_task, len(points(p))), scores)
    return RecoilFindings(p, scores.open, trained, judged[0], pools, scored, chosen[0], tested[0], sensitivity)


class _WaitsError(Exception):
    """A stage needs what other shards have not finished."""


@dataclass(frozen=True)
class _Stages:
    """Runs stages one after the other in one session; each is timed by its name."""

    folder: RunFolder
    watch: Stopwatch
    progress: Progress
    shard: tuple[int, int]
    session: Session

    def __call__(self, stage: Stage[C], config: C) -> list[Results]:
        """The results of all tasks, those of other shards included."""
        with self.watch.stage(stage.name):
            results = run_stage(
                self.folder, stage, config, progress=self.progress, shard=self.shard, session=self.session
            )
        if self.shard == (0, 1):
            return results
        loaded = [load_result(self.folder, stage.name, index) for index in range(stage.count)]
        whole = [one for one in loaded if one is not None]
        if len(whole) < stage.count:
            raise _WaitsError(stage.name)
        return whole


def _finish(found: RecoilFindings, folder: RunFolder, watch: Stopwatch) -> Result:
    """Gate and report, from the results of all tasks."""
    with watch.stage("statistics"):
        result = found.result(check_recoil(found), folder, watch)
    with watch.stage("report"):
        panels, notes = recoil_panels(found)
        write_report(folder.path, result.as_json(), panels, config=folder.config, notes=notes)
    result = replace(result, timing=watch.timing())  # now with the report
    folder.write_json("result.json", result.as_json())
    return result


def _what_is_searched(p: RecoilPrepared) -> str:
    low, high = p.config.selection.energy
    backgrounds = ", ".join(p.config.backgrounds)
    return (
        f"{p.config.exposure:g} t y of {p.detector.name}, {low:g}–{high:g} keV, above {backgrounds}; "
        f"{p.config.test.toys:,} pseudo-experiments by {p.config.test.statistic}"
    )
