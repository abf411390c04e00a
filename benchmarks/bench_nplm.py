"""The kernel NPLM: seconds a toy with everything shared, with everything redrawn, and for data-quality monitoring.

Run `python -m benchmarks.bench_nplm`, `python -m benchmarks.bench_nplm null` for the null of the published benchmark
(1-D exponential, N(R) = 2000, N_R = 2e5, σ 0.3 where the mean is 1/8), or `python -m benchmarks.bench_nplm five` for
five dimensions at the size of DIMUON. CPU seconds are given beside wall seconds: on shared cores only they compare.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample, make_test
from serendip.stats.sample_tests.kernel_machines import one_thread

PUBLISHED = {(1000, 1e-6): 5.39, (3000, 1e-10): 9.58}  # degrees of freedom, arXiv:2204.02317


def seconds(run: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Best wall and CPU seconds."""
    best = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        best.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*best, strict=True)
    return min(walls), min(cpus)


def exponential(n: int, task: str, index: int = 0) -> Sample:
    return Sample(rng_for(0, task, index).exponential(1 / 8, (n, 1)))


def exponential_toys(toys: int, mean: int = 2000) -> list[Sample]:
    return [exponential(n, "toy", k) for k, n in enumerate(rng_for(0, "counts").poisson(mean, toys))]


def correlated(n: int, index: int, d: int = 5) -> Sample:
    """Five features with correlations and one long tail, in place of two muons' momenta."""
    mixing = rng_for(0, "mixing").normal(size=(d, d))
    x = rng_for(0, "correlated", index).normal(size=(n, d)) @ mixing
    x[:, 0] = np.exp(0.3 * x[:, 0])
    return Sample(x)


def line(what: str, timing: tuple[float, float], per: int = 1) -> None:
    print(f"  {what:52s} {timing[0] / per * 1e3:9.2f} ms wall {timing[1] / per * 1e3:9.2f} ms CPU")


def one_dimension() -> None:
    reference, toys = exponential(200_000, "reference"), exponential_toys(100)
    for centres, penalty in PUBLISHED:
        test = make_test("nplm", widths=(0.3,), standardise=False, centres=centres, penalty=penalty)
        prepared = test.prepare(reference, 2000.0)
        print(f"1-D, N_R 2e5, M {centres}, λ {penalty:g}: {len(prepared.machines[0].reference.basis)} features")
        line("a toy in a batch of 100, shared", seconds(lambda p=prepared: p.statistics(toys)), 100)
        line("a toy alone, shared", seconds(lambda p=prepared: p.statistics(toys[:1])))
        redraw = seconds(lambda t=test: t.prepare(reference, 2000.0).statistics(toys[:1]))
        line("a toy, reference and centres redrawn", redraw)


def monitoring() -> None:
    reference = Sample(correlated(20_000, 0).x)
    batches = [Sample(correlated(1000, k).x) for k in range(1, 6)]
    prepared = make_test("nplm").prepare(reference, 1000.0)
    print(f"monitoring, d 5, N_R 2e4, M {len(prepared.machines[0].reference.basis)}, λ {prepared.penalties[0]:g}")
    line("a batch of 1,000 events", seconds(lambda: [prepared.statistics([batch]) for batch in batches]), 5)


def five_dimensions() -> None:
    reference, toys = correlated(100_000, 0), [correlated(20_000, k) for k in range(1, 5)]
    for centres in (1000, 2000):
        test = make_test("nplm", widths=(3.0,), centres=centres, penalty=1e-6)
        wall, cpu = time.perf_counter(), time.process_time()
        prepared = test.prepare(reference, 20_000.0)
        print(f"d 5, N_R 1e5, N(R) 2e4, M {centres}, λ 1e-6")
        line("prepare", (time.perf_counter() - wall, time.process_time() - cpu))
        line("a toy in a batch of 4", seconds(lambda p=prepared: p.statistics(toys), 2), 4)


def null(toys: int = 300) -> None:
    reference, samples = exponential(200_000, "reference"), exponential_toys(toys)
    for (centres, penalty), published in PUBLISHED.items():
        test = make_test("nplm", widths=(0.3,), standardise=False, centres=centres, penalty=penalty)
        t = test.prepare(reference, 2000.0).statistics(samples)[:, 0]
        dof = stats.chi2.fit(t, floc=0, fscale=1)[0]
        error = np.sqrt(t.var() / toys)
        print(
            f"M {centres}, λ {penalty:g}: {toys} toys, χ² with {dof:.2f} degrees of freedom (published {published}), "
            f"KS p {stats.kstest(t, 'chi2', (dof,)).pvalue:.2f}, mean {t.mean():.2f} ± {error:.2f}"
        )


def main() -> None:
    if "null" in sys.argv:
        null()
    elif "five" in sys.argv:
        five_dimensions()
    else:
        with one_thread():
            one_dimension()
            monitoring()


if __name__ == "__main__":
    main()
