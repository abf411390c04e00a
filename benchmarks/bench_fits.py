"""Four-parameter dijet fits of 40 bins: the batch against iminuit, the same likelihood and spectra, in one run.

Run: python -m benchmarks.bench_fits
"""

import time
from collections.abc import Callable

import numpy as np

from serendip.data.window import Window
from serendip.seeds import rng_for
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.batched_fit import ManyFits, fit_many
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


def in_batch(counts: np.ndarray) -> ManyFits:
    """All at once, in the compiled batch."""
    return fit_many(counts, EDGES, "dijet", 4)


def one_by_one(singles: list[Spectrum]) -> list[BackgroundFit]:
    """One after the other, by iminuit."""
    return [fit_background(spectrum, "dijet", 4) for spectrum in singles]


def compare(events: float) -> tuple[float, float, float, float]:
    """Fits a second in batch and with iminuit, the share that converged, and the largest difference in −2 ln L."""
    counts = spectra(events, BATCH)
    batch = BATCH / seconds(lambda: in_batch(counts))
    singles = [Spectrum.from_counts(n, EDGES) for n in counts[:SINGLE]]
    one = SINGLE / seconds(lambda: one_by_one(singles), repeats=3)
    many = in_batch(counts)
    reference = np.array([fit.chi2 for fit in one_by_one(singles)])
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
