"""Power of every test of a sample against a reference: where each finds a signal, and where it does not.

python -m benchmarks.study_power widths     # the table of arXiv:2408.12296: five widths and their combinations
python -m benchmarks.study_power peers      # all tests on the same five signals
python -m benchmarks.study_power ideal      # the three signals of arXiv:1806.02350, and the ideal Z

Counts of toys stand with every table; `--null` and `--signal` change them, `--tests` takes some of the tests only.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import optimize, stats
from threadpoolctl import threadpool_limits

from serendip.seeds import rng_for
from serendip.simulate.exponential import LEARNING_SIGNALS, WIDTH_SIGNALS, Signal, ideal_log_ratio
from serendip.stats.calibration import fit_chi_squared, log_chi_squared_tail
from serendip.stats.combination import COMBINATIONS, combine
from serendip.stats.p_value import z_from_log_p
from serendip.stats.sample_tests import Sample, make_test
from serendip.stats.tail import tail_p_value

BACKGROUND, REFERENCE = 2000, 200_000
WIDTHS = (0.1, 0.3, 0.7, 1.4, 3.0)
PUBLISHED = {"centres": 1000, "penalty": 1e-6}
LEVELS = (2.0, 3.0)
AT_ONCE = 50
CELLS = 100_000  # of the integral over x
TESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nplm, σ 0.3": ("nplm", {"widths": (0.3,), **PUBLISHED}),
    "nplm, default": ("nplm", {}),
    "nplm, 200 centres": ("nplm", {"percentiles": (25, 90), "centres": 200}),
    "c2st, trees": ("c2st", {}),
    "mmd, median": ("mmd", {}),
    "mmd, σ 0.1": ("mmd", {"widths": (0.1,)}),
    "energy": ("energy", {}),
    "sliced_wasserstein": ("sliced_wasserstein", {}),
    "point_to_point": ("point_to_point", {}),
    "binned_chi2": ("binned_chi2", {}),
    "binned_likelihood": ("binned_likelihood", {}),
    "kolmogorov_smirnov": ("kolmogorov_smirnov", {}),
    "anderson_darling": ("anderson_darling", {}),
}


def exponential(task: str, rate: float, signals: Sequence[Signal], index: int) -> Sample:
    """Background and signals, each a Poisson number of events."""
    rng = rng_for(0, f"study power {task}", index)
    parts = [rng.exponential(1 / rate, rng.poisson(BACKGROUND))]
    parts += [signal.draw(rng, rng.poisson(signal.events)) for signal in signals]
    return Sample(np.concatenate(parts)[:, None])


def reference(rate: float = 1.0) -> Sample:
    """Shared by all toys."""
    return Sample(rng_for(0, "study power reference").exponential(1 / rate, (REFERENCE, 1)))


def statistics(prepared: Any, toy: Callable[[int], Sample], count: int) -> np.ndarray:
    """Of so many toys."""
    starts = range(0, count, AT_ONCE)
    return np.concatenate([prepared.statistics([toy(i) for i in range(s, min(s + AT_ONCE, count))]) for s in starts])


def power(null: np.ndarray, found: np.ndarray, z: float) -> str:
    """Share of signal toys with an empirical p of at least this Z, and its error."""
    p = (1 + (null[None, :] >= found[:, None]).sum(axis=1)) / (len(null) + 1)
    return share(p, z)


def share(p: np.ndarray, z: float) -> str:
    """Share of p-values of at least this Z, and its binomial error."""
    part = float(np.mean(p <= stats.norm.sf(z)))
    return f"{part:.3f} ± {max(np.sqrt(part * (1 - part) / len(p)), 1 / len(p)):.3f}"


def row(*cells: Any) -> None:
    """One line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def header(*cells: str) -> None:
    """The first two lines of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def name_of(signal: Signal) -> str:
    """Events, mean, width."""
    return f"({signal.events:g}, {signal.mean:g}, {signal.width:g})"  # type: ignore[union-attr]


def widths(null: int, signal: int, tests: Sequence[str]) -> None:
    """Power of five widths alone, by toys and by the χ² fitted to them, and combined."""
    prepared = make_test("nplm", widths=WIDTHS, **PUBLISHED).prepare(reference(), BACKGROUND, seed=0)
    begin = time.perf_counter()
    background = statistics(prepared, partial(exponential, "null", 1.0, ()), null)
    print(f"\n{null} null toys at {(time.perf_counter() - begin) / null * 1e3:.2f} ms, {signal} of each signal\n")
    found = [statistics(prepared, partial(exponential, name_of(s), 1.0, (s,)), signal) for s in WIDTH_SIGNALS]
    for z in LEVELS:
        header(f"P(Z ≥ {z:g})", *(name_of(s) for s in WIDTH_SIGNALS))
        for i, width in enumerate(WIDTHS):
            row(f"σ {width:g}", *(power(background[:, i], t[:, i], z) for t in found))
            tail = partial(log_chi_squared_tail, dof=fit_chi_squared(background[:, i]).dof)
            row(f"σ {width:g}, χ²", *(share(np.exp(tail(t[:, i])), z) for t in found))
        for how in sorted(COMBINATIONS):
            p = [np.array([combine(t, background, how).p.p for t in of_signal]) for of_signal in found]
            row(how, *(share(values, z) for values in p))
        print()
    header("P(Z ≥ 3), 1,000 null toys", *(name_of(s) for s in WIDTH_SIGNALS))
    for name, shares in counted_as_published(background, found).items():
        row(name, *(f"{part.mean():.3f} ± {part.std():.3f}" for part in shares.T))
    print()
    header("width", "degrees of freedom", "KS p of χ²")
    for i, width in enumerate(WIDTHS):
        fit = fit_chi_squared(background[:, i])
        row(width, f"{fit.dof:.2f}", f"{fit.ks_p:.2g}")


def counted_as_published(
    background: np.ndarray, found: Sequence[np.ndarray], null: int = 1000, draws: int = 40
) -> dict[str, np.ndarray]:
    """P(Z ≥ 3) with p = k / n among few null toys, ties passing, for many choices of these, (draws, signals).

    What the code published with arXiv:2408.12296 does; its null toys are 1,000.
    """
    passed: dict[str, list[list[float]]] = {}
    null = min(null, len(background))
    for draw in range(draws):
        rng = rng_for(0, "study power published", draw)
        toys = background[rng.choice(len(background), null, replace=False)]
        ordered = np.sort(toys, axis=0)
        own = _log_share(toys, ordered, itself=1)
        for i, width in enumerate(WIDTHS):
            reached = [null - np.searchsorted(ordered[:, i], t[:, i]) for t in found]
            passed.setdefault(f"σ {width:g}", []).append(_passing(reached, null))
        for how, combination in COMBINATIONS.items():
            values = combination(toys, own)
            reached = [
                (values[None] > combination(t, _log_share(t, ordered))[:, None] + 1e-12).sum(axis=1) for t in found
            ]
            passed.setdefault(how, []).append(_passing(reached, null))
    return {name: np.array(shares) for name, shares in passed.items()}


def _log_share(t: np.ndarray, ordered: np.ndarray, itself: int = 0) -> np.ndarray:
    """ln of the share of null toys that reach each value, at least one."""
    reached = [len(ordered) - itself - np.searchsorted(ordered[:, i], t[:, i]) for i in range(t.shape[1])]
    return np.log(np.maximum(np.stack(reached, axis=1), 1) / len(ordered))


def _passing(reached: Sequence[np.ndarray], null: int) -> list[float]:
    return [float(np.mean(k / null <= stats.norm.sf(3.0))) for k in reached]


def peers(null: int, signal: int, tests: Sequence[str]) -> None:
    """P(Z ≥ 2) and P(Z ≥ 3) of all tests."""
    shared = reference()
    print(f"\n{null} null toys, {signal} of each signal; P(Z ≥ 2), P(Z ≥ 3)\n")
    header("test", *(name_of(s) for s in WIDTH_SIGNALS), "ms a toy")
    row("ideal", *(", ".join(ideal_shares(s, signal)) for s in WIDTH_SIGNALS), "")
    for name in tests:
        kind, settings = TESTS[name]
        prepared = make_test(kind, **settings).prepare(shared, BACKGROUND, seed=0)
        begin = time.perf_counter()
        background = statistics(prepared, partial(exponential, "null", 1.0, ()), null)[:, 0]
        spent = (time.perf_counter() - begin) / null * 1e3
        found = [statistics(prepared, partial(exponential, name_of(s), 1.0, (s,)), signal)[:, 0] for s in WIDTH_SIGNALS]
        row(name, *(", ".join(power(background, t, z) for z in LEVELS) for t in found), f"{spent:.1f}")


@dataclass(frozen=True)
class Ideal:
    """The likelihood ratio that knows the signal: the best test of it, by Neyman and Pearson.

    Its null law is compound Poisson, so that its Z follows from the saddle point of the known cumulants.
    Source: Lugannani and Rice 1980, doi:10.2307/1426607.
    """

    signal: Signal
    rate: float

    def statistic(self, sample: Sample) -> float:
        """Σ ln n₁/n₀; a Gaussian below 0, where there is no background, is left out."""
        x = sample.x[sample.x[:, 0] >= 0, 0]
        return float(ideal_log_ratio(x, BACKGROUND, [self.signal], rate=self.rate).sum())

    def z(self, q: float) -> float:
        """Z of a value under the background."""
        edges = np.linspace(0, 48 / self.rate, CELLS + 1)
        x, n = (edges[1:] + edges[:-1]) / 2, BACKGROUND * -np.diff(np.exp(-self.rate * edges))
        f = ideal_log_ratio(x, BACKGROUND, [self.signal], rate=self.rate)

        def slope(s: float) -> float:
            return float(np.sum(n * f * np.exp(s * f))) - q

        s = optimize.brentq(slope, -20, 20)
        k, second = float(np.sum(n * np.expm1(s * f))), float(np.sum(n * f**2 * np.exp(s * f)))
        r, u = np.sign(s) * np.sqrt(2 * (s * q - k)), s * np.sqrt(second)
        return float(r + np.log(u / r) / r)

    def share(self, samples: Sequence[Sample], z: float) -> str:
        """Share of samples of at least this Z, and its error."""
        q = np.array([self.statistic(sample) for sample in samples])
        grid = np.linspace(q.min(), q.max(), 40)
        return share(stats.norm.sf(np.interp(q, grid, [self.z(value) for value in grid])), z)


def ideal_shares(signal: Signal, count: int) -> list[str]:
    """At each level, for a signal of the first kind."""
    samples = [exponential(name_of(signal), 1.0, (signal,), i) for i in range(count)]
    return [Ideal(signal, 1.0).share(samples, z) for z in LEVELS]


def ideal(null: int, signal: int, tests: Sequence[str]) -> None:
    """Z of the median statistic for three signals, and of the likelihood ratio that knows the signal."""
    shared = reference(8.0)
    print(f"\n{null} null toys, {signal} of each signal; Z of the median\n")
    header("test", *LEARNING_SIGNALS)
    best = []
    for name, s in LEARNING_SIGNALS.items():
        knows = Ideal(s, 8.0)
        q = np.median([knows.statistic(exponential(name, 8.0, (s,), i)) for i in range(signal)])
        best.append(f"{knows.z(float(q)):.2f}")
    row("ideal", *best)
    for name in tests:
        kind, settings = TESTS[name]
        prepared = make_test(kind, **settings).prepare(shared, BACKGROUND, seed=0)
        background = statistics(prepared, partial(exponential, "null 8", 8.0, ()), null)[:, 0]
        row(name, *(median_z(prepared, background, n, s, signal) for n, s in LEARNING_SIGNALS.items()))


def median_z(prepared: Any, background: np.ndarray, name: str, signal: Signal, count: int) -> str:
    """By toys where ten reach it, else by a fit to their tail; for NPLM by χ² too."""
    median = float(np.median(statistics(prepared, partial(exponential, name, 8.0, (signal,)), count)[:, 0]))
    fit = tail_p_value(median, background)
    text = f"{fit.p.z:.2f} ({fit.p.how})"
    if prepared.labels[0].startswith("σ ") and (background > 0).all():
        chi2 = fit_chi_squared(background)
        text += (
            f", χ² {z_from_log_p(float(log_chi_squared_tail(np.array(median), chi2.dof))):.2f} (KS p {chi2.ks_p:.2g})"
        )
    return text


def main() -> None:
    """One study."""
    studies: dict[str, Any] = {"widths": widths, "peers": peers, "ideal": ideal}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=studies)
    parser.add_argument("--null", type=int, default=1000)
    parser.add_argument("--signal", type=int, default=300)
    parser.add_argument("--tests", nargs="*", default=list(TESTS), choices=TESTS)
    given = parser.parse_args()
    with threadpool_limits(1):
        studies[given.study](given.null, given.signal, given.tests)


if __name__ == "__main__":
    main()
