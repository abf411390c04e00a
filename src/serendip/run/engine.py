"""The engine: runs the tasks of a stage that are not done yet, and gives all results in order."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any, TypeVar

from serendip.errors import InputError, SerendipError
from serendip.run.cluster import EngineSettings, Session, engine_session
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.run.provenance import Stopwatch
from serendip.run.task import Result, Stage, decode, done_indices, load_result, record_stage, task_name

C = TypeVar("C")


def run_stage(
    folder: RunFolder,
    stage: Stage[C],
    config: C,
    *,
    settings: EngineSettings | None = None,
    progress: Progress | None = None,
    shard: tuple[int, int] = (0, 1),
    session: Session | None = None,
) -> list[Result]:
    """The results of a stage in the order of their indices, whatever ran them and in whatever order.

    What is done already is read from the folder; each new result is written before the next is waited for, so
    that a kill costs only the tasks that were running. Results pass through the form of their file, hence are
    the same after a resume.

    Args:
        folder: where results are kept.
        stage: the tasks.
        config: their first argument; sent to each worker once.
        settings: where they run; not read where a session is given.
        progress: who is told.
        shard: (i, N) for the indices with index % N == i only; only their results are returned.
        session: an `engine_session` that several stages share.

    Raises:
        TaskError: a task failed; what is done is kept.
        RunFolderError: another process runs this shard, or the disk is full.
    """
    mine = shard_indices(stage.count, shard)
    settings, progress = settings or EngineSettings(), progress or Silent()
    with folder.lock(shard), nullcontext(session) if session else engine_session(settings) as session:
        record_stage(folder, stage)
        if not mine:
            return []  # nothing to tell of
        results = _load_done(folder, stage, mine)
        todo = [index for index in mine if index not in results]
        told = _told(folder, stage.name, progress, len(mine), len(todo), session)
        with told, closing(session.run(stage, config, todo)) as finished:  # type: ignore[type-var]
            for index, payload in finished:
                folder.write_bytes(task_name(stage.name, index), payload)
                results[index] = decode(payload)
                progress.advance()
    return [results[index] for index in mine]


def run_stages(
    folder: RunFolder,
    stages: Sequence[Stage[C]],
    config: C,
    watch: Stopwatch,
    *,
    settings: EngineSettings,
    progress: Progress,
    shard: tuple[int, int] = (0, 1),
) -> list[list[Result]]:
    """The results of several stages, one after the other in one session; each is timed by its name.

    Raises:
        TaskError: a task failed; what is done is kept.
        RunFolderError: another process runs this shard, or the disk is full.
    """
    results = []
    with engine_session(settings) as session:
        for stage in stages:
            with watch.stage(stage.name):
                results.append(run_stage(folder, stage, config, progress=progress, shard=shard, session=session))
    return results


def shard_indices(count: int, shard: tuple[int, int]) -> range:
    """The indices of shard i of N: those with index % N == i.

    Raises:
        InputError: not 0 <= i < N.
    """
    first, step = shard
    if not 0 <= first < step:
        raise InputError(f"shard: Got {first}/{step}, but expected i/N with 0 <= i < N.")
    return range(first, count, step)


def _load_done(folder: RunFolder, stage: Stage[Any], mine: range) -> dict[int, Result]:
    results = {}
    for index in done_indices(folder, stage.name):
        if index in mine:
            result = load_result(folder, stage.name, index)
            if result is None:
                folder.log("task_file_damaged", stage=stage.name, index=index)
            else:
                results[index] = result
    return results


@contextmanager
def _told(folder: RunFolder, name: str, progress: Progress, total: int, todo: int, session: Session) -> Iterator[None]:
    """Tells the log and the reader how a stage begins and ends."""
    begin = time.monotonic()
    folder.log("stage_started", stage=name, tasks=total, todo=todo)
    progress.begin(name, total, total - todo)
    try:
        yield
    except KeyboardInterrupt:
        progress.end("stopped")
        progress.note("What is done is kept: the same command goes on from there.")
        folder.log("stage_stopped", stage=name)
        raise
    except BaseException as error:
        progress.end("failed")
        if isinstance(error, SerendipError):
            _log_if_possible(folder, name, error)
        raise
    progress.end()
    seconds = round(time.monotonic() - begin, 3)
    folder.log("stage_finished", stage=name, seconds=seconds, peak_memory_mb=session.peak_memory_mb)


def _log_if_possible(folder: RunFolder, name: str, error: SerendipError) -> None:
    try:
        folder.log("stage_failed", stage=name, error=str(error))
    except SerendipError:  # a full disk is told by the error itself
        return
