"""One sensitivity point of the xenon search: null toys of three tests, then 1,000 pseudo-experiments through all of them.

Run: python -m benchmarks.bench_xenon_sensitivity
About 6,700 electron recoils a pseudo-experiment, as in 200 t y, from pools of 140,000. The learned test, the two-dimensional
test of no signal, and the profile likelihood ratio; 100,000 null toys each, which further points share. Beside it a plain
loop that draws the events of each null toy and evaluates ln f0 for each of them.
"""

import time

import numpy as np

from serendip.seeds import rng_for
from serendip.stats.count_test import calibrate_test
from serendip.stats.pseudo_experiments import Pool, one_data_set
from serendip.stats.sensitivity import rejection_curves, strength_at
from serendip.stats.template import TemplateScore
from serendip.stats.template_likelihood import ProfileLikelihoodRatio
from serendip.stats.unbinned import UnbinnedTest

EVENTS = 140_000
TOYS = 100_000
EXPERIMENTS = 1000
LOOPED = 200


def recoils(name: str, n: int, seed: int, shift: float, expected: float, uncertainty: float) -> Pool:
    """Events of a Gaussian band in (cs1, log_cs2), their score the distance from the electron recoils' band."""
    rng = rng_for(seed, name)
    cs1 = rng.uniform(5, 80, n) if shift == 0 else 5 + rng.exponential(15, n)
    away = rng.standard_normal(n) - shift
    columns = {"cs1": cs1, "log_cs2": 3.5 + 0.4 * np.log10(cs1 / 20) + 0.08 * away, "ts": 0.5 * away**2 - 2 * away}
    return Pool(name, columns, expected, uncertainty)


def backgrounds(seed: int) -> list[Pool]:
    """Electron recoils, neutrons and atmospheric neutrinos."""
    return [
        recoils("er", EVENTS, seed, 0.0, 6700.0, 0.03),
        recoils("neutrons", 5000, seed, 4.0, 2.0, 0.4),
        recoils("neutrinos", 5000, seed, 4.0, 5.0, 0.25),
    ]


def naive_seconds(test: UnbinnedTest, thrown: list[Pool]) -> float:
    """A null toy by drawing its events and evaluating each; the mean over some."""
    rng = rng_for(1, "loop")
    start = time.perf_counter()
    for _ in range(LOOPED):
        data = one_data_set(thrown, rng)
        test.density.log_density(data["ts"]).sum()
    return (time.perf_counter() - start) / LOOPED


def main() -> None:
    """Time the parts, and say what they found."""
    learned, thrown = backgrounds(1), backgrounds(2)
    signal, other = (recoils("wimp", 20_000, seed, 4.0, 100.0, 0.0) for seed in (3, 4))
    begin = time.perf_counter()
    score = TemplateScore.fit(learned)
    learned, thrown, (signal, other) = (
        [pool.with_column("template", score.anomaly_score(pool.columns)) for pool in pools]
        for pools in (learned, thrown, (signal, other))
    )
    tests = [
        UnbinnedTest.fit(learned),
        UnbinnedTest.fit(learned, column="template", name="2-D template"),
        ProfileLikelihoodRatio.fit(learned, signal),
    ]
    fitted = time.perf_counter()
    calibrated, seconds = [], []
    for test in tests:
        start = time.perf_counter()
        calibrated.append(calibrate_test(test, thrown, toys=TOYS))
        seconds.append(time.perf_counter() - start)
    nulls = time.perf_counter()
    rejection_curves(calibrated, thrown, other, np.array([0.2]), n=EXPERIMENTS)
    point = time.perf_counter()
    curves = rejection_curves(calibrated, thrown, other, np.geomspace(0.05, 0.6, 20), n=EXPERIMENTS)
    whole = time.perf_counter()
    looped = naive_seconds(tests[0], thrown)
    print(
        f"fits {fitted - begin:.2f} s; {TOYS} null toys "
        + ", ".join(f"{test.name} {s:.1f} s" for test, s in zip(tests, seconds))
        + f"\none point of {EXPERIMENTS} pseudo-experiments, three tests {point - nulls:.2f} s, with fits and null toys "
        f"{point - begin:.1f} s; a curve of 20 points {whole - point:.1f} s\n"
        f"null toys by a loop over events {looped * 1e3:.2f} ms each, ours {seconds[0] / TOYS * 1e3:.4f} ms: "
        f"{looped * TOYS / seconds[0]:.0f} times\n3 σ at " + "; ".join(f"{c.name} {strength_at(c)}" for c in curves)
    )


if __name__ == "__main__":
    main()
