"""Energy of recoils by neural posterior estimation and WALDO: coverage over energy, resolution, and ranks.

python -m benchmarks.study_xenon_energy er|nr [--events N] [--high KEV]

Areas alone. The posterior learns flat energies from 1 to 100 keV, or to `--high`; critical values and coverage come from two
other samples, with spectrum 1/E and a flat part, so that low energies are known as well as high ones.
"""

import argparse
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.stats import chi2

from serendip.data.recordings import Recordings
from serendip.score.semi.energy import EnergyPosterior
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, draw_deposits
from serendip.simulate.tpc.spectra import Spectrum
from serendip.stats.waldo import Waldo, fit_waldo

EDGES = np.array([1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 100.0])
LINES = (2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 90.0, 100.0)
EVEN = 0.03  # /keV of flat energies beside 1/E, for the upper edge
PIECES = 30
AT_LINE, DRAWS, CLASSES, RANKED = 20_000, 99, 20, 20_000


def simulated(kind: str, n: int, seed: int, high: float, *, both_ends: bool) -> Recordings:
    """Recoils from 1 keV on in the fiducial volume."""
    grid = np.geomspace(1, high, 500)
    spectrum = Spectrum(grid, 1 / grid + EVEN if both_ends else np.ones_like(grid))
    source = replace(SOURCES[f"flat_{kind}"], spectrum=spectrum)
    return simulate_tpc(draw_deposits(source, n, seed=seed), pulses=False, seed=seed)


def line(kind: str, energy: float, seed: int) -> Recordings:
    """Recoils of one energy."""
    deposits = draw_deposits(SOURCES[f"flat_{kind}"], AT_LINE, seed=seed)
    return simulate_tpc(replace(deposits, energy=np.full(AT_LINE, energy)), pulses=False, seed=seed)


def coverage(posterior: EnergyPosterior, waldo: Waldo, sample: Recordings) -> None:
    """Of WALDO's intervals, and of the posterior's own, mean ± z·sd."""
    energy = sample.truth["recoil_energy"]
    mean, variance = posterior.mean_and_variance(sample)
    part = np.digitize(energy, EDGES) - 1
    columns = []
    for level, z in ((0.68, 0.99446), (0.95, 1.95996)):
        ends = waldo.intervals(mean, variance, level)
        columns.append((ends[:, 0] <= energy) & (energy <= ends[:, 1]))
        columns.append(np.abs(energy - mean) <= z * np.sqrt(variance))
        print(f"{level:.0%}: {columns[-2].mean():.2%} of all; empty intervals {np.isnan(ends[:, 0]).mean():.2%}")
    print("| keV | events | 68 %: WALDO | mean ± sd | 95 %: WALDO | mean ± 1.96 sd |\n|---|---|---|---|---|---|")
    for i, (low, high) in enumerate(pairwise(EDGES)):
        rows, n = part == i, int(np.sum(part == i))
        cells = [f"{column[rows].mean():.1%} ± {np.sqrt(level * (1 - level) / n):.1%}"
                 for column, level in zip(columns, (0.68, 0.68, 0.95, 0.95))]  # fmt: skip
        print(f"| {low:g}–{high:g} | {n} | " + " | ".join(cells) + " |")


def resolution(kind: str, posterior: EnergyPosterior, waldo: Waldo) -> None:
    """σ/E of posterior mean and combined scale, each over the slope of its mean, so that shrinking is no gain."""
    found = []
    for i, energy in enumerate(LINES):
        sample = line(kind, energy, 100 + i)
        mean, variance = posterior.mean_and_variance(sample)
        ends = waldo.intervals(mean, variance, 0.68)
        scale = sample.events.columns["energy"]
        half = float(np.nanmean(ends[:, 1] - ends[:, 0]) / 2 / energy)
        found.append((mean.mean(), mean.std(), scale.mean(), scale.std(), half, len(sample) / AT_LINE))
    table = np.array(found)
    slopes = [np.gradient(table[:, i], LINES) for i in (0, 2)]
    print("| keV | triggered | mean of posterior mean | σ/E | over slope | combined scale: mean | σ/E | over slope | "
          "half of WALDO's 68 % / E |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for e, (mean, sd, scale_mean, scale_sd, half, part), a, b in zip(LINES, table, *slopes):
        cells = [sd / e, sd / e / a, scale_mean, scale_sd / e, scale_sd / e / b, half]
        texts = [f"{cell:.2f}" if cell is scale_mean else f"{cell:.2%}" for cell in cells]
        print(f"| {e:g} | {part:.1%} | {mean:.2f} | {' | '.join(texts)} |")


def ranks(posterior: EnergyPosterior, sample: Recordings) -> None:
    """Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): ranks under the prior are uniform."""
    sample = sample[:RANKED]
    draws = posterior.sample(sample, DRAWS)[:, :, 0]
    rank = (draws < sample.truth["recoil_energy"][:, None]).sum(axis=1)
    counts = np.bincount(rank * CLASSES // (DRAWS + 1), minlength=CLASSES)
    expected = len(sample) / CLASSES
    value = float(np.sum((counts - expected) ** 2 / expected))
    far = np.abs(counts / expected - 1).max()
    print(
        f"Ranks in {CLASSES} classes: χ² = {value:.1f} (p = {chi2.sf(value, CLASSES - 1):.2g}), at most {far:.1%} off"
    )


def main() -> None:
    """Fit, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("er", "nr"))
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--high", type=float, default=100.0)
    given = parser.parse_args()
    kind, n, high, begin = given.kind, given.events, given.high, time.process_time()
    training = simulated(kind, n, 1, high, both_ends=False)
    posterior = EnergyPosterior(high=high, batch=1024, seed=1).fit(training, training.truth["recoil_energy"])
    print(f"{len(training)} events learned from in {time.process_time() - begin:.0f} CPU s")
    calibration = simulated(kind, 2 * n, 2, high, both_ends=True)
    mean, variance = posterior.mean_and_variance(calibration)
    waldo = fit_waldo(calibration.truth["recoil_energy"], mean, variance, pieces=PIECES)
    coverage(posterior, waldo, simulated(kind, 2 * n, 3, high, both_ends=True))
    resolution(kind, posterior, waldo)
    ranks(posterior, simulated(kind, RANKED, 4, high, both_ends=False))
    print(f"{time.process_time() - begin:.0f} CPU s in all")


if __name__ == "__main__":
    main()
