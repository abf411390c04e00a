"""The engine, the run folder, progress: what makes a long run safe to kill and quick to finish."""

from serendip.run.cluster import EngineSettings, Session, engine_session
from serendip.run.engine import run_stage, shard_indices
from serendip.run.folder import RunFolder, config_sha256
from serendip.run.merge import merge
from serendip.run.progress import Bar, Lines, Progress, Silent, progress_on
from serendip.run.provenance import Stopwatch, machine, peak_memory_mb, sha256_of, versions
from serendip.run.status import StageStatus, Status, status
from serendip.run.task import Result, Stage, TaskError, done_indices, load_result, missing

__all__ = [
    "Bar",
    "EngineSettings",
    "Lines",
    "Progress",
    "Result",
    "RunFolder",
    "Session",
    "Silent",
    "Stage",
    "StageStatus",
    "Status",
    "Stopwatch",
    "TaskError",
    "config_sha256",
    "done_indices",
    "engine_session",
    "load_result",
    "machine",
    "merge",
    "missing",
    "peak_memory_mb",
    "progress_on",
    "run_stage",
    "sha256_of",
    "shard_indices",
    "status",
    "versions",
]
