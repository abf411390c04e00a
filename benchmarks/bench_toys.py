"""Whole-analysis toys an hour on two workers, by the size of the trees, and the Z that each size finds.

Run: python -m benchmarks.bench_toys [--toys 24] [--draws 10]
A toy of examples/lhco.yaml is 10 windows × 5 folds, each retrained, and 20 fits with the order by F-test. It runs as in
a search: `run_stage`, processes of one thread. The first toys start the cluster, read the events and compile; they are
not timed. Differences in Z are between the same draws of the signal.
"""

import argparse
import tempfile
import time

import numpy as np

from benchmarks.study_lhco import EXAMPLE, median_and_error, trees, z_of_draws
from serendip.config import load_config
from serendip.run.cluster import EngineSettings, engine_session
from serendip.run.engine import run_stage
from serendip.run.folder import RunFolder
from serendip.run.task import Stage
from serendip.search.scan import toy_task

WORKERS, WARM_UP = 2, 4
DEFAULT = (10, 30, 31, 63)  # members, iterations, leaves and bins of Trees()
SETTINGS = (DEFAULT, (10, 15, 31, 127), (4, 15, 31, 127), (4, 15, 16, 127))


def toys_per_hour(overrides: list[str], toys: int) -> float:
    """Throughput of the null stage, after a warm-up in the same run folder."""
    config = load_config(EXAMPLE, overrides)
    settings = EngineSettings(workers=WORKERS)
    with tempfile.TemporaryDirectory() as path, engine_session(settings) as session:
        folder = RunFolder.open(path, config.resolved())
        run_stage(folder, Stage("toys", toy_task, WARM_UP), config.analysis(), session=session)
        begin = time.perf_counter()
        run_stage(folder, Stage("toys", toy_task, WARM_UP + toys), config.analysis(), session=session)
        return 3600 * toys / (time.perf_counter() - begin)


def main() -> None:
    """Print one line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", type=int, default=24)
    parser.add_argument("--draws", type=int, default=10)
    given = parser.parse_args()
    cuts = load_config(EXAMPLE).cuts
    found = [f"median Z at {100 * cut:g} %" for cut in cuts] + [f"Z − default's at {100 * cut:g} %" for cut in cuts]
    print(f"| members × iterations × leaves, bins | toys/h on {WORKERS} workers | {' | '.join(found)} |")
    print("|---" * (2 + len(found)) + "|")
    default, _ = z_of_draws(given.draws, trees(*DEFAULT))
    for size in SETTINGS:
        z = default if size == DEFAULT else z_of_draws(given.draws, trees(*size))[0]
        rate = toys_per_hour(trees(*size), given.toys)
        cells = [plus_minus(*of_cut) for of_cut in zip(*median_and_error(z), strict=True)]
        cells += [plus_minus(*of_cut) for of_cut in zip(*mean_and_error(z - default), strict=True)]
        name = "{} × {} × {}, {}".format(*size) + " (default)" * (size == DEFAULT)
        print(f"| {name} | {rate:,.0f} | {' | '.join(cells)} |", flush=True)


def mean_and_error(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over draws, for each cut."""
    return z.mean(axis=0), z.std(axis=0, ddof=1) / np.sqrt(len(z))


def plus_minus(value: float, error: float) -> str:
    """A cell of the table."""
    return f"{value:.2f} ± {error:.2f}"


if __name__ == "__main__":
    main()
