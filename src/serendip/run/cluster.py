"""Where tasks run: in this process, on local cores, or on a Dask cluster."""

import importlib.util
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from serendip.errors import InputError, MissingExtraError
from serendip.run.task import Stage, TaskError, attempt

C = TypeVar("C")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
NO_DASHBOARD = {
    "dashboard": False,
    "dashboard_address": "127.0.0.1:0",
}  # the default port warns if it is taken
AHEAD = 4  # tasks submitted for each core: enough that no core waits, few enough for the scheduler


@dataclass(frozen=True)
class EngineSettings:
    """Where tasks run; no setting changes a result but `threads`, which may in the last digit.

    Attributes:
        workers: processes; 1 without a cluster: this one, and Dask is never imported.
        scheduler: address of a Dask scheduler that runs already, `tcp://host:8786`.
        jobqueue: the batch system that dask-jobqueue shall submit `workers` jobs to.
        options: keywords of its SLURMCluster or HTCondorCluster: `memory`, `queue`, `walltime`, `disk`, ...
        retries: how often a task is run again after its worker died.
        threads: threads of the numerical libraries in each process.
    """

    workers: int = 1
    scheduler: str | None = None
    jobqueue: Literal["slurm", "htcondor"] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 2
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("threads", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise InputError(f"engine.{name}: Got {getattr(self, name)}, but expected at least {least}.")
        if self.scheduler and self.jobqueue:
            raise InputError("engine: Got both scheduler and jobqueue, but expected at most one of them.")


@runtime_checkable
class Session(Protocol):
    """Runs tasks, of several stages in turn; `peak_memory_mb` is the most that one of its processes took."""

    peak_memory_mb: float

    def run(self, stage: Stage[C], config: C, indices: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """(index, encoded result) of each task, as they get done."""
        ...


@contextmanager
def engine_session(settings: EngineSettings) -> Iterator[Session]:
    """A place to run stages in; a cluster is started by the first task, and closed with the block."""
    if settings.workers == 1 and not settings.scheduler and not settings.jobqueue:
        yield InProcess(settings)
        return
    with ExitStack() as stack:
        yield OnDask(settings, stack)


class InProcess:
    """One task after the other, here."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings, self.peak_memory_mb = settings, 0.0

    def run(self, stage: Stage[C], config: C, indices: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """(index, encoded result) of each task, in order.

        Raises:
            TaskError: a task failed.
        """
        for index in indices:
            try:
                payload, peak = attempt(stage.function, config, index, self._settings.threads)
            except Exception as error:
                raise failed(stage, config, index, error) from error
            self.peak_memory_mb = max(self.peak_memory_mb, peak)
            yield index, payload


class OnDask:
    """Many at a time, on the workers of a Dask cluster."""

    def __init__(self, settings: EngineSettings, stack: ExitStack) -> None:
        self._settings, self._stack, self.peak_memory_mb = settings, stack, 0.0
        self._client: Any = None

    def run(self, stage: Stage[C], config: C, indices: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """(index, encoded result) of each task, as they get done.

        Dask blames every task that a dead worker held, not only the one that killed it. Those it gives up are
        therefore run once more, each alone, before one is called guilty.

        Raises:
            TaskError: a task failed, or its worker died more than `retries` times.
        """
        waiting = list(indices)
        if not waiting:
            return
        suspects: list[int] = []
        yield from self._submit(stage, config, waiting, suspects)
        for suspect in suspects:
            guilty: list[int] = []
            yield from self._submit(stage, config, [suspect], guilty)
            if guilty:
                raise failed(stage, config, suspect, died(self._settings.retries + 1))

    def _submit(
        self, stage: Stage[C], config: C, indices: Iterable[int], lost: list[int]
    ) -> Iterator[tuple[int, bytes]]:
        """Few at a time, so that 100,000 tasks do not flood the scheduler; those given up go into `lost`."""
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        client, waiting = self._connect(), iter(indices)
        # a task of its own, not scattered data: Dask makes it again where all workers that held it died
        shared = client.submit(_same, config, pure=False)
        index_of: dict[Any, int] = {}

        def submit(count: int) -> list[Any]:
            new = {
                client.submit(attempt, stage.function, shared, index, self._settings.threads, pure=False): index
                for index in islice(waiting, count)
            }
            index_of.update(new)
            return list(new)

        queue = as_completed(submit(self._window()), loop=client.loop)
        try:
            for future in queue:
                index = index_of.pop(future)
                try:
                    payload, peak = future.result()
                except KilledWorker:
                    lost.append(index)
                except Exception as error:
                    yield from self._finished(index_of)
                    raise failed(stage, config, index, error) from error
                else:
                    self.peak_memory_mb = max(self.peak_memory_mb, peak)
                    yield index, payload
                queue.update(submit(1))
        finally:
            client.cancel([shared, *index_of])

    @staticmethod
    def _finished(index_of: Mapping[Any, int]) -> Iterator[tuple[int, bytes]]:
        for future, index in index_of.items():
            if future.status == "finished":
                yield index, future.result()[0]

    def _window(self) -> int:
        return AHEAD * max(self._settings.workers, sum(self._client.nthreads().values()))

    def _connect(self) -> Any:
        if self._client is None:
            import dask
            from distributed import Client

            self._stack.enter_context(dask.config.set(dask_config(self._settings)))
            where = self._settings.scheduler or self._stack.enter_context(_cluster(self._settings))
            try:
                self._client = self._stack.enter_context(Client(where, set_as_default=False))
            except OSError as error:
                raise InputError(
                    f"engine.scheduler: Got {where}, where none answers, but expected a Dask scheduler."
                ) from error
        return self._client


def dask_config(settings: EngineSettings) -> dict[str, Any]:
    """What Dask must know for long tasks with small results."""
    threads = dict.fromkeys(THREADS, str(settings.threads))
    # JAX would take 75 % of an accelerator for each worker
    preallocate = {"XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false")}
    return {
        "distributed.scheduler.allowed-failures": settings.retries,
        "distributed.scheduler.worker-ttl": None,  # native code may hold the GIL for minutes
        "distributed.nanny.pre-spawn-environ": threads | preallocate,  # before NumPy is imported there
        "distributed.worker.preload": ["serendip.run.ctrl_c"],
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,  # a paused worker would hold its tasks for ever
        "distributed.admin.large-graph-warning-threshold": "1GB",  # a stage may hand all that came before to its tasks
        "distributed.logging.distributed": "critical",
    }


def failed(stage: Stage[Any], config: object, index: int, error: Exception) -> TaskError:
    """The error of a task, with what is needed to repeat it alone."""
    seed = _seed_of(config)
    with_seed = "" if seed is None else f", seed {seed}"
    return TaskError(
        f"Stage {stage.name!r}, task {index} of {stage.count}{with_seed}: {type(error).__name__}: {error} "
        "The results of the other tasks are kept: the same command goes on from them."
    )


def _seed_of(config: object) -> object:
    """The seed of a config, be it an object or the JSON of one; None where it has none."""
    if not isinstance(config, str):
        return getattr(config, "seed", None)
    try:
        plain = json.loads(config)
    except ValueError:
        return None
    return plain.get("seed") if isinstance(plain, dict) else None


def died(times: int) -> Exception:
    """What a worker that dies without a word would have said."""
    return RuntimeError(
        f"its worker died {times} times. Most often it took too much memory: use fewer workers, or ask the "
        "batch system for more; a crash of native code looks the same."
    )


def _same(config: C) -> C:
    return config


def _cluster(settings: EngineSettings) -> Any:
    if settings.jobqueue:
        return _jobqueue(settings)
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=settings.workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=1.0 / settings.workers,  # Dask's own share would be that of one core
        scheduler_kwargs=NO_DASHBOARD,
        silence_logs=50,
    )


def _jobqueue(settings: EngineSettings) -> Any:
    if importlib.util.find_spec("dask_jobqueue") is None:
        raise MissingExtraError("dask-jobqueue", "batch")
    import dask_jobqueue

    kinds = {"slurm": dask_jobqueue.SLURMCluster, "htcondor": dask_jobqueue.HTCondorCluster}
    exports = [f"export {name}={settings.threads}" for name in THREADS]
    options: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "scheduler_options": NO_DASHBOARD,
        **settings.options,
    }
    options["job_script_prologue"] = [*exports, *options.get("job_script_prologue", [])]
    try:
        cluster = kinds[str(settings.jobqueue)](**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"engine.options: Got {error}, but expected keywords of dask-jobqueue.") from error
    cluster.scale(jobs=settings.workers)
    return cluster
