"""Which statistic of a score rejects "background only" best, decided on synthetic scores before any xenon signal was seen.

Run: python -m benchmarks.study_xenon_statistics
Background: 6,700 ± 3 % electron recoils, score Gaussian with a part of 1e-3 twice as wide, and 7 ± 30 % events like the
first signal. Signals: beyond the background, on its flank, in its core, wide, below it, and of its own shape. For each
statistic the number of signal events at which the median Z of 1,000 pseudo-experiments is 3; that of the likelihood in three
scales of the score.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from serendip.seeds import rng_for
from serendip.stats.count_test import CalibratedTest, calibrate_test
from serendip.stats.pseudo_experiments import Pool
from serendip.stats.sensitivity import rejection_curves, strength_at
from serendip.stats.unbinned import UnbinnedTest

EVENTS = 200_000
TOYS = 50_000
SIGNALS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "beyond: N(5, 1)": lambda rng, n: rng.normal(5, 1, n),
    "flank: N(2.5, 0.7)": lambda rng, n: rng.normal(2.5, 0.7, n),
    "core: N(1, 0.5)": lambda rng, n: rng.normal(1, 0.5, n),
    "wide: N(3, 3)": lambda rng, n: rng.normal(3, 3, n),
    "below: N(-3, 0.7)": lambda rng, n: rng.normal(-3, 0.7, n),
    "as the background": lambda rng, n: electron_scores(rng, n),
}
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "likelihood": lambda ts: ts,
    "likelihood, score × 1e4": lambda ts: 1e4 * ts,
    "likelihood, score → cdf": lambda ts: stats.norm.cdf(ts / 1.2),
}
STRENGTHS = np.array([4, 8, 12, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400, 600, 800, 1000.0])


def electron_scores(rng: np.random.Generator, n: int) -> np.ndarray:
    """A Gaussian with a thousandth twice as wide."""
    return rng.standard_normal(n) * np.where(rng.random(n) < 1e-3, 2.0, 1.0)


def scored(name: str, ts: np.ndarray, expected: float, uncertainty: float) -> Pool:
    """A pool with its score in all scales."""
    return Pool(name, {label: scale(ts) for label, scale in SCALES.items()}, expected, uncertainty)


def backgrounds(seed: int) -> list[Pool]:
    """Electron recoils, and a few events like the first signal."""
    rng = rng_for(seed, "backgrounds")
    nuclear = SIGNALS["beyond: N(5, 1)"](rng, EVENTS // 20)
    return [scored("er", electron_scores(rng, EVENTS), 6700.0, 0.03), scored("nr", nuclear, 7.0, 0.3)]


def calibrated(learned: list[Pool], thrown: list[Pool]) -> list[CalibratedTest]:
    """Every statistic on the plain score, and the likelihood on every scale."""
    plain = "likelihood"
    tests = [UnbinnedTest.fit(learned, column=plain, statistic=s, name=s) for s in ("excess", "saturated")]
    tests += [UnbinnedTest.fit(learned, column=scale, statistic="likelihood", name=scale) for scale in SCALES]
    return [calibrate_test(test, thrown, toys=TOYS) for test in tests]


def main() -> None:
    """One row a signal, one column a statistic: signal events for a median Z of 3."""
    learned, thrown = backgrounds(1), backgrounds(2)
    tests = calibrated(learned, thrown)
    print("| signal | " + " | ".join(one.test.name for one in tests) + " |")
    print("|---" * (len(tests) + 1) + "|")
    for name, drawn in SIGNALS.items():
        signal = scored(name, drawn(rng_for(3, name), 50_000), 1.0, 0.0)
        curves = rejection_curves(tests, thrown, signal, STRENGTHS)
        cells = [strength_at(curve) for curve in curves]
        shown = [f"> {STRENGTHS[-1]:.0f}" if c.value is None else f"{c.value:.1f} ± {c.error:.1f}" for c in cells]
        print(f"| {name} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
