"""The classical side of the xenon search: cross sections at which tests in (cS1, log10 cS2) see a signal, at 200 t y.

Run: python -m benchmarks.study_xenon_classical
Areas alone are simulated. Backgrounds: all of `SOURCES` but the flat ones and accidentals, within 2–10 keV of the combined
scale, without a veto signal. Tests: background alone by the template in cells ("saturated", "likelihood") and by −ln f0 as
a score ("excess"), and the profile likelihood ratio that knows the signal. 100,000 null toys, 1,000 pseudo-experiments.
"""

import time

import numpy as np
from scipy import special

from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, expected_events, wimp_source
from serendip.stats.count_test import calibrate_test
from serendip.stats.pseudo_experiments import Pool, split
from serendip.stats.sensitivity import rejection_curves, strength_at
from serendip.stats.template import TemplateScore
from serendip.stats.template_likelihood import ProfileLikelihoodRatio, TemplateNullTest
from serendip.stats.unbinned import UnbinnedTest

EXPOSURE = 200.0  # t y
ENERGY = (2.0, 10.0)  # keV
TOYS = 100_000
OVERLAP = 0.05
AT_ONCE = 200_000
MASSES = (30.0, 50.0, 100.0)
REFERENCE = 1e-48
STRENGTHS = np.geomspace(5e-50, 1.2e-47, 24)
SHOWN = (3e-49, 1e-48, 6.5e-48)


def pool_of(source: Source, fewest: int) -> Pool:
    """Events of a source that pass the cuts, and how many of them are expected; at least `fewest`, and 40 times those."""
    kept, drawn, index = [], 0, 0
    while True:
        recordings = simulate_tpc(
            draw_deposits(source, AT_ONCE, seed=1, index=index), pulses=False, seed=1, first=drawn
        )
        columns, drawn, index = recordings.events.columns, drawn + AT_ONCE, index + 1
        inside = (columns["energy"] > ENERGY[0]) & (columns["energy"] < ENERGY[1]) & (columns["veto"] == 0)
        kept.append({"cs1": columns["cs1"][inside], "log_cs2": np.log10(columns["cs2"][inside])})
        n = sum(len(part["cs1"]) for part in kept)
        expected = float(expected_events([source], EXPOSURE)[0]) * n / drawn
        if n >= max(fewest, 2.2 * expected / OVERLAP) or (n < 10 and index == 3):
            break
    joined = {key: np.concatenate([part[key] for part in kept]) for key in kept[0]}
    return (
        Pool(source.name, joined, expected, source.uncertainty) if n >= 10 else Pool("none", {"cs1": np.ones(1)}, 0.0)
    )


def main() -> None:
    """A row a mass and test."""
    start = time.perf_counter()
    names = [name for name in SOURCES if not name.startswith("flat_") and name != "accidentals"]
    pools = [pool for pool in (pool_of(SOURCES[name], 10_000) for name in names) if pool.name != "none"]
    halves = [split(pool, 0.5, 0.5) for pool in pools]
    learned, thrown = ([half[i] for half in halves] for i in (0, 1))
    print(
        "; ".join(f"{pool.name} {pool.expected:.1f} ± {pool.uncertainty:.0%} ({len(pool)} simulated)" for pool in pools)
    )
    score = TemplateScore.fit(learned)
    learned, thrown = (
        [p.with_column("rarity", score.anomaly_score(p.columns)) for p in some] for some in (learned, thrown)
    )
    nulls = [
        TemplateNullTest.fit(learned, name="template, cells"),
        TemplateNullTest.fit(learned, statistic="likelihood", name="template, likelihood"),
        UnbinnedTest.fit(learned, column="rarity", name="template, scan of −ln f0"),
    ]
    calibrated = [calibrate_test(test, thrown, toys=TOYS) for test in nulls]
    print(f"simulated and calibrated in {time.perf_counter() - start:.0f} s\n")
    print("| mass | test | 3 σ at [cm²] | Z at " + ", ".join(f"{at:g}" for at in SHOWN) + " |\n|---|---|---|---|")
    for mass in MASSES:
        aside, signal = split(pool_of(wimp_source(mass, REFERENCE), 40_000), 0.5, 0.5)
        known = calibrate_test(ProfileLikelihoodRatio.fit(learned, aside), thrown, toys=TOYS)
        signal = signal.with_column("rarity", score.anomaly_score(signal.columns))
        strengths = np.union1d(STRENGTHS, SHOWN)
        curves = rejection_curves([*calibrated, known], thrown, signal, strengths, reference=REFERENCE)
        for curve in curves:
            at = [curve.z[np.searchsorted(curve.strengths, s * (1 - 1e-9)), 1] for s in SHOWN]
            shown = ", ".join(f"{z:.2f}" if z < curve.reach - 1e-9 else f"> {curve.reach:.1f}" for z in at)
            print(f"| {mass:g} | {curve.name} | {strength_at(curve)} | {shown} |", flush=True)
    print(f"whole study {time.perf_counter() - start:.0f} s; p at 3 σ is {special.ndtr(-3.0):.2e}")


if __name__ == "__main__":
    main()
