"""A BumpHunter scan of 10,000 toys, beside pyBumpHunter with its best number of workers.

Run: python -m benchmarks.bench_bump_hunter
Both draw their own toys from the same background, scan every window of 1 to half the bins, and give a global p.
"""

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from serendip.stats.bump_hunter import BumpHuntResult, bump_hunt

TOYS = 10_000
WORKERS = (1, 2)
REPEATS = 3


def histogram(bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A falling spectrum with a bump of about 4 standard deviations, its background, its edges."""
    background = 1000 * np.exp(-5 * np.arange(bins) / bins)
    counts = np.random.default_rng(1).poisson(background)
    middle = slice(bins // 2, bins // 2 + 3)
    counts[middle] += np.ceil(2.3 * np.sqrt(background[middle])).astype(int)
    return counts, background, np.linspace(1000.0, 5000.0, bins + 1)


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(counts: np.ndarray, background: np.ndarray, edges: np.ndarray) -> BumpHuntResult:
    """One whole hunt of Serendip, on one core."""
    return bump_hunt(counts, background, edges, toys=TOYS, seed=1)


def theirs(counts: np.ndarray, background: np.ndarray, edges: np.ndarray, workers: int) -> Any:
    """One whole hunt of pyBumpHunter."""
    from pyBumpHunter import BumpHunter1D

    hunter = BumpHunter1D(bins=edges, npe=TOYS, nworker=workers, seed=1)
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(counts, background, is_hist=True)
    return hunter


def compare(bins: int) -> None:
    """Time both on one histogram, and check that they agree."""
    data = histogram(bins)
    found = ours(*data)  # also compiles
    other = theirs(*data, workers=1)
    assert np.isclose(found.t, other.t_ar[0], rtol=1e-9)
    mine = seconds(lambda: ours(*data), REPEATS)
    by_workers = {n: seconds(lambda n=n: theirs(*data, workers=n), 1) for n in WORKERS}
    best = min(by_workers.values())
    print(
        f"{bins} bins, {TOYS} toys, {len(found.windows)} windows: serendip {mine:.3f} s; pyBumpHunter "
        + ", ".join(f"{n} workers {t:.2f} s" for n, t in by_workers.items())
        + f"; ratio to its best {best / mine:.0f}; t = {found.t:.4f} in both; "
        f"global p {found.global_p.p:.4f} and {other.global_Pval:.4f}"
    )


if __name__ == "__main__":
    for n_bins in (40, 100):
        compare(n_bins)
