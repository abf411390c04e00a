"""Time of a decision of `serendip monitor`, and what it finds: batches of muons against a fitted reference.

Run: python -m benchmarks.bench_monitor [--batches 200] [--toys 400]
Drift tubes: four times and the angle. The reference is fitted and the healthy batches are judged before; a decision is the
statistics of one batch, its rank, and its local p-values, in one process. CPU time is that of all threads: on a busy
machine it tells what the wall clock would on an idle one. Published: 0.5 s a test (arXiv:2303.05413).
The second table gives the fraction of sick batches that give the alarm where 1 % of healthy ones do.
"""

import argparse
import time

import numpy as np

from serendip.config import GoodnessOfFit, load_config
from serendip.search.fitted import fitted
from serendip.search.verdicts import Judge
from serendip.simulate import simulate_drift_tubes

EXAMPLE = "examples/drift_tubes.yaml"
SETTINGS = ((20_000, 300), (20_000, 1000), (100_000, 300))  # reference events, centres
SICK = [{name: value} for name in ("cathode", "threshold") for value in (0.75, 0.5, 0.25)]
SIZES = (250, 500, 1000)


def judge_of(*overrides: str, toys: int) -> Judge:
    """The judge of the example with some keys changed."""
    config = load_config(EXAMPLE, [*overrides, f"monitor.toys={toys}"])
    assert isinstance(config, GoodnessOfFit)
    f = fitted(config.analysis())
    judge = Judge(f, np.concatenate([f.healthy_statistics(range(i, min(i + 50, toys))) for i in range(0, toys, 50)]))
    judge.warm_up()
    return judge


def batches(size: int, count: int, seed: int, **settings: float) -> list[np.ndarray]:
    """Muons in batches."""
    return np.split(simulate_drift_tubes(size * count, seed=seed, **settings).x(), count)


def decision_times(judge: Judge, count: int) -> np.ndarray:
    """Wall clock and CPU time of decisions, ms, (count, 2)."""
    times = []
    for x in batches(1000, count, seed=9):
        wall, cpu = time.perf_counter(), time.process_time()
        judge.judge(x)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return 1000 * np.array(times)


def alarms(judge: Judge, xs: list[np.ndarray]) -> float:
    """The fraction of batches that give the alarm."""
    return float(np.mean([judge.judge(x)["alarm"] for x in xs]))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--toys", type=int, default=400)
    given = parser.parse_args()
    print("| reference, centres, widths | median wall | largest wall | median CPU |\n|---|---|---|---|")
    for events, centres in SETTINGS:
        judge = judge_of(f"reference.simulate.events={events}", f"test.centres={centres}", toys=100)
        wall, cpu = decision_times(judge, 50).T
        times = f"{np.median(wall):.0f} ms | {wall.max():.0f} ms | {np.median(cpu):.0f} ms"
        print(f"| {events:,}, {centres}, {len(judge.fitted.columns)} | {times} |", flush=True)
    print(f"\n| batch | healthy | {' | '.join(f'{k} {v:.0%}' for one in SICK for k, v in one.items())} |")
    print("|---" * (2 + len(SICK)) + "|")
    for size in SIZES:
        judge = judge_of(f"monitor.batch={size}", toys=given.toys)
        found = [alarms(judge, batches(size, given.batches, seed=21))]
        found += [alarms(judge, batches(size, given.batches // 4, seed=22, **sick)) for sick in SICK]
        print(f"| {size:,} | {' | '.join(f'{one:.3f}' for one in found)} |", flush=True)


if __name__ == "__main__":
    main()
