"""Four-parameter dijet fits of 40 bins: the batch against iminuit, the same likelihood and spectra, in one run.

Run it with `python benchmarks/bench_fits.py`.
"""

import time
from collections.abc import Callable

import numpy as np

from serendip.data.window import Window
from serendip.seeds import rng_for
from serendip.stats.background_fit import fit_background
from serendip.stats.batched_fit import fit_many
from serendip.stats.excess import excesses
from serendip.stats.spectrum import Spectrum

EDGES = np.linspace(2800.0, 6400.0, 41)
BATCH, SINGLE, REPEATS = 10_000, 200, 5


def spectra(events: float, k: int) -> np.ndarray:
    """Poisson toys of a falling spectrum."""
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / 13_000
    shape = (1 - x) ** 9 / x**5
    return rng_for(1, "bench_fits").poisson(events * shape / shape.sum(), (k, len(shape))).astype(float)


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time, after one call that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def compare(events: float) -> tuple[float, float, float, float]:
    """Fits a second in batch and with iminuit, the share that converged, and the largest difference in −2 ln L."""
    counts = spectra(events, BATCH)
    batch = BATCH / seconds(lambda: fit_many(counts, EDGES, "dijet", 4))
    singles = [Spectrum.from_counts(n, EDGES) for n in counts[:SINGLE]]
    one = SINGLE / seconds(lambda: [fit_background(s, "dijet", 4) for s in singles], repeats=3)
    many = fit_many(counts, EDGES, "dijet", 4)
    reference = np.array([fit_background(s, "dijet", 4).chi2 for s in singles])
    return batch, one, float(many.converged.mean()), float(np.abs(many.chi2[:SINGLE] - reference).max())


def whole_toy() -> float:
    """Milliseconds for the 72 local excesses of one whole-analysis toy, the order chosen by F-test."""
    counts = spectra(1000.0, 72)
    windows = [Window(float(EDGES[i]), float(EDGES[i + 4])) for i in range(2, 38, 3)] * 6
    return 1e3 * seconds(lambda: excesses(counts, EDGES, windows), repeats=30)


def main() -> None:
    """Print the table."""
    print(f"{'events':>8} {'batch /s':>10} {'iminuit /s':>11} {'ratio':>7} {'converged':>10} {'max |Δ2lnL|':>12}")
    for events in (100.0, 1000.0, 30_000.0):
        batch, one, converged, apart = compare(events)
        print(f"{events:8.0f} {batch:10.0f} {one:11.0f} {batch / one:7.1f} {converged:10.4f} {apart:12.1e}")
    print(f"72 excesses with the order by F-test: {whole_toy():.1f} ms")


if __name__ == "__main__":
    main()
