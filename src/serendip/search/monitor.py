"""Data-quality monitoring: every batch of events is tested against a reference as it comes.

reference → fitted tests → healthy batches, judged once (tasks of the engine, kept in the run folder)
files → batches of a fixed size → statistics → rank among the healthy ones → p, alarm

Source: arXiv:2303.05413 (the learned test as a monitor of drift tubes).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serendip.config import GoodnessOfFit
from serendip.data.columns import Source, sources
from serendip.data.recipe import Recipe
from serendip.data.write import write_events
from serendip.errors import InputError, RunFolderError
from serendip.run.engine import run_stage
from serendip.run.folder import RunFolder
from serendip.run.progress import Progress, Silent
from serendip.search.batches import FileEnd, Rows, cut, read_rows
from serendip.search.engine_settings import settings_of
from serendip.search.fitted import Fitted, fitted, healthy_stage, require_monitorable
from serendip.search.journal import Journal, absolute
from serendip.search.load import paths_of
from serendip.search.simulators import simulated
from serendip.search.verdicts import Judge

SIMULATED = "simulated.npz"
ODD_ALONE = 0.001  # p of a single feature below which an alarm names it


@dataclass(frozen=True)
class Watched:
    """What one call of the monitor saw.

    Attributes:
        batches: judged now, not by earlier calls.
        alarms: how many of them gave the alarm.
    """

    batches: int
    alarms: int


def monitor(
    config: GoodnessOfFit,
    output: str | Path,
    files: Sequence[str] = (),
    *,
    follow: bool = False,
    until_alarm: bool = False,
    poll: float = 5.0,
    tell: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> Watched:
    """Judge all batches that no earlier call has judged, and write a record of each to `batches.jsonl`.

    Args:
        config: the reference, the tests, the batch size and the rate of false alarms.
        output: the run folder; made, or gone on with if it holds the same config.
        files: files or patterns; those of `data` if none is given.
        follow: wait for further files that match, until interrupted.
        until_alarm: stop after the first alarm.
        poll: seconds between two looks for new files.
        tell: is given one line a batch.
        progress: who is told of the healthy batches.

    Raises:
        InputError: the config, the reference or a file cannot be used.
        RunFolderError: the folder belongs to another config or another reference, or a monitor runs in it already.
    """
    require_monitorable(config)
    folder = RunFolder.open(output, config.recorded())
    with folder.lock():
        judge = _judge(config, folder, progress or Silent())
        journal = Journal(folder)
        given = list(files) or _files_of(config, folder)
        _refuse_reference(config, given)
        tell(_what_is_watched(judge, journal))
        alarms, batches = 0, 0
        try:
            for record in _records(judge, journal, _arrivals(config, given, journal, follow, poll, tell), tell):
                batches, alarms = batches + 1, alarms + record["alarm"]
                if until_alarm and alarms:
                    break
        except KeyboardInterrupt:  # the usual end of following: what is judged is on record
            if not follow:
                raise
        return Watched(batches, alarms)


def _judge(config: GoodnessOfFit, folder: RunFolder, progress: Progress) -> Judge:
    """The fitted reference and the healthy batches, of which a later start finds the statistics in the folder."""
    f = fitted(config.analysis())
    _require_same_reference(f, folder)
    stage = healthy_stage(config)
    done = run_stage(folder, stage, config.analysis(), settings=settings_of(config.engine), progress=progress)
    judge = Judge(f, np.concatenate([task["statistics"] for task in done]))
    judge.warm_up()
    return judge


def _require_same_reference(f: Fitted, folder: RunFolder) -> None:
    """The file may change while its name in the config does not."""
    name = "reference.json"
    if not (folder.path / name).exists():
        folder.write_json(name, {"sha256": f.fingerprint, "events": len(f.reference), "features": f.features})
    elif folder.read_json(name)["sha256"] != f.fingerprint:
        raise RunFolderError(
            f"{folder.path}: Got a reference that changed since healthy batches were drawn from it, but expected the same. "
            "Put it back, or monitor with the new one in another folder (-o)."
        )


def _files_of(config: GoodnessOfFit, folder: RunFolder) -> list[str]:
    """The files that the config names; simulated events are put in one first."""
    if config.data.simulate is not None:
        path = folder.path / SIMULATED
        if not path.exists():
            write_events(path, simulated(config.data.simulate)[0])
        return [str(path)]
    return paths_of(config.data)


def _refuse_reference(config: GoodnessOfFit, given: Sequence[str]) -> None:
    """Events that the reference holds too look healthier than they are."""
    path = config.reference.path
    if path is None:
        return
    known = {source.path.resolve() for source in sources(path)}
    for pattern in given:
        if Path(pattern).exists() and Path(pattern).resolve() in known:
            raise InputError(f"{pattern}: Got a file of the reference, but expected events that are not in it.")


def _arrivals(
    config: GoodnessOfFit,
    given: Sequence[str],
    journal: Journal,
    follow: bool,
    poll: float,
    tell: Callable[[str], None],
) -> Iterator[Source]:
    """The files to read, in order; with `follow` it waits for more."""
    seen: set[Source] = set()
    told: set[str] = set()
    while True:
        found = [source for source in _found(given, follow, told, tell) if source not in seen]
        seen.update(found)
        yield from journal.pending(found, across_files=config.monitor.across_files)
        if not follow:
            return
        time.sleep(poll)


def _found(given: Sequence[str], follow: bool, told: set[str], tell: Callable[[str], None]) -> list[Source]:
    """The files that are there; one that is not yet is told of once, where more are waited for."""
    found: list[Source] = []
    for pattern in given:
        try:
            found += absolute(sources(pattern))
        except InputError as error:
            if not follow:
                raise
            if pattern not in told:
                tell(f"waiting: {error}")
                told.add(pattern)
    return found


def _records(
    judge: Judge, journal: Journal, arrivals: Iterator[Source], tell: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Judge batch after batch; each is on record before it is told."""
    config = judge.fitted.config
    recipe = Recipe(config.features, where=config.data.where, non_finite=config.data.non_finite)
    for item in cut(_parts(recipe, journal, arrivals), config.monitor.batch, across_files=config.monitor.across_files):
        if isinstance(item, FileEnd):
            journal.end(item)
            tell(_end_line(item, config.monitor.across_files))
        else:
            record = journal.add_batch({"spans": item.spans, **judge.judge(item.x)})
            tell(batch_line(record))
            yield record


def _parts(recipe: Recipe, journal: Journal, arrivals: Iterator[Source]) -> Iterator[Rows | FileEnd]:
    for source in arrivals:
        journal.begin(source)
        yield from read_rows(source, recipe, journal.judged(source))


def batch_line(record: dict[str, Any]) -> str:
    """A batch in one line: where it comes from, p, and what is odd about it where it gives the alarm."""
    where = ", ".join(f"{Path(s['file']).name} {s['start']}–{s['stop'] - 1}" for s in record["spans"])
    p = f"p = {record['p']:.2g} (Z = {record['z']:.2f})"
    if record["is_limit"]:
        p = f"p < {record['p_interval'][1]:.2g} (Z > {record['z_interval'][0]:.2f})"
    line = f"batch {record['batch']}: {where}: {p}, {1000 * record['seconds']:.0f} ms"
    return f"{line}  ALARM: {'; '.join(filter(None, [record['note'], _oddest(record)]))}" if record["alarm"] else line


def _oddest(record: dict[str, Any]) -> str:
    """The features that are odd by themselves; if none is, the pair that shows most of what the test saw."""
    alone = [f"{one['feature']} ({one['shift_sd']:+.2f} sd)" for one in record["features"] if one["p"] < ODD_ALONE]
    together = [f"{' with '.join(one['features'])} ({one['share']:.0%} of it)" for one in record["pairs"][:1]]
    return ", ".join(alone) or ", ".join(["no feature by itself", *together])


def _end_line(end: FileEnd, across_files: bool) -> str:
    left = f"{end.left} events " + ("wait for the next file" if across_files else "left over, not judged")
    dropped = f", {end.dropped} rows dropped as not finite" if end.dropped else ""
    return f"end of {Path(end.file).name}: {end.rows} rows{dropped}{', ' + left if end.left else ''}"


def _what_is_watched(judge: Judge, journal: Journal) -> str:
    m, n = judge.fitted.config.monitor, len(judge.toys)
    spread = (m.false_alarms * (1 - m.false_alarms) / n) ** 0.5
    overlap = getattr(judge.fitted.healthy, "overlap", 0.0)
    shared = f", which share {overlap:.1%} of their events" if overlap else ""
    before = f"; {len(journal.batches):,} batches were judged before" if journal.batches else ""
    return (
        f"{len(judge.fitted.reference):,} reference events, {n:,} healthy batches of {m.batch:,}{shared}; "
        f"false alarms: {m.false_alarms:.2%} ± {spread:.2%}{before}"
    )
