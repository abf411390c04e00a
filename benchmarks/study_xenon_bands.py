"""Quanta against nestpy, and a simulated XENONnT against XENON's calibration data: the figures of docs/xenon_physics.md.

Run `python -m benchmarks.study_xenon_bands [--draws 50000] [--figure bands.png]` with SERENDIP_DATA set. The data are
the samples that come with XENON's fit code appletree: Rn-220 (β decays of Pb-212, flat below 25 keV to a few per
cent), Ar-37 (2.82 keV), and neutrons. Places are uniform in the fiducial cylinder of appletree's defaults.
"""

import argparse
import os
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest import mock

import nestpy
import numpy as np
from scipy import stats

from serendip.report import BandEvents, BandPanel, band_of, draw
from serendip.report.canvas import render
from serendip.seeds import rng_for
from serendip.simulate.tpc import DARWIN, Deposits, Detector, quanta
from serendip.simulate.tpc.detector import XENONNT
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.steps import make_steps
from serendip.simulate.tpc.yields import MODELS

DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[2] / "shared" / "data") / "xenon"
FIELDS, ENERGIES = (23.0, 200.0, 730.0), (1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
BINS = (2.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0)  # PE
EVENTS = 500_000


def measured(name: str) -> np.ndarray:
    """S1 and S2 of a file's events."""
    return np.genfromtxt(DATA / f"data_{name}.csv", delimiter=",", skip_header=1)[:, 1:]


def deposits(energy: np.ndarray, is_nr: bool) -> Deposits:
    """At random places of the fiducial cylinder."""
    rng, n = rng_for(1, "places"), len(energy)
    radius, angle = 60 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    x, y, z = radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-134.0, -13.4, n)
    return Deposits(energy, np.full(n, is_nr), x, y, z)


def simulated(energy: np.ndarray, is_nr: bool = False, detector: Detector = XENONNT) -> np.ndarray:
    """Corrected areas of those that trigger."""
    found = simulate_tpc(deposits(energy, is_nr), detector, pulses=False, seed=1).events.columns
    return np.column_stack([found["cs1"], found["cs2"]])


def compare_quanta(draws: int) -> None:
    """KS of photons and of electrons, and their correlation, for every kind, field and energy."""
    print("| recoil | V/cm | keV | KS p, photons | electrons | correlation | nestpy's |\n| --- |" + " --- |" * 6)
    nest, found = nestpy.NESTcalc(nestpy.detectors.VDetector()), []
    for kind, model in MODELS.items():
        for field in FIELDS:
            for energy in ENERGIES:
                means = nest.GetYields(
                    getattr(nestpy.interactions, model), energy, density=DARWIN.density, drift_field=field
                )
                drawn = (nest.GetQuanta(means, DARWIN.density) for _ in range(draws))
                theirs = np.array([(one.photons, one.electrons) for one in drawn]).T
                same = deposits(np.full(4 * draws, energy), kind == "nr")
                ours = np.array(quanta.draw_quanta(same, replace(DARWIN, drift_field=field), seed=1))
                p = [stats.ks_2samp(*pair).pvalue for pair in zip(ours, theirs)]
                found += p
                r = [np.corrcoef(pair)[0, 1] for pair in (ours, theirs)]
                print(f"| {kind} | {field:g} | {energy:g} | {p[0]:.2f} | {p[1]:.2f} | {r[0]:.3f} | {r[1]:.3f} |")
    print(f"\nSmallest p of {len(found)}: {min(found):.4f}; below 0.05: {np.mean(np.array(found) < 0.05):.1%}\n")


def time_quanta() -> None:
    """Events a CPU second, 1–100 keV, 35 % nuclear recoils."""
    rng, n = rng_for(1, "speed"), 2_000_000
    mixed = replace(deposits(rng.uniform(1, 100, n), False), is_nr=rng.random(n) < 0.35)
    quanta.draw_quanta(mixed, DARWIN, seed=0)
    begin = time.process_time()
    quanta.draw_quanta(mixed, DARWIN, seed=1)
    print(f"Quanta: {n / (time.process_time() - begin) / 1e6:.1f} million events a CPU second\n")


def compare_electron_recoils(label: str, detector: Detector) -> None:
    """One line: Ar-37 and the Rn-220 band, simulated over measured."""
    argon, radon = measured("Ar37"), measured("Rn220")
    line = simulated(np.full(EVENTS // 5, 2.82), detector=detector)
    flat = simulated(rng_for(1, "energies").uniform(0.3, 25.0, EVENTS), detector=detector)
    edges = np.linspace(1, 101, 51)
    place = np.digitize(flat[:, 0], edges)
    medians = [np.median(np.log10(flat[place == i, 1])) for i in range(1, len(edges))]
    ours, theirs = (
        np.log10(events[:, 1]) - np.interp(events[:, 0], 0.5 * (edges[1:] + edges[:-1]), medians)
        for events in (flat, radon)
    )
    cells = [f"{a:.3f}" for a in np.median(line, axis=0) / np.median(argon, axis=0)]
    for low, high in pairwise(BINS):
        at, inside = ((s1 >= low) & (s1 < high) for s1 in (flat[:, 0], radon[:, 0]))
        error = 1.25 * np.std(theirs[inside]) * np.log(10) / np.sqrt(inside.sum())
        ratio = 10 ** -np.median(theirs[inside])
        cells.append(f"{ratio:.3f} ± {error:.3f}, {half_width(ours[at]) / half_width(theirs[inside]):.2f}")
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def half_width(values: np.ndarray) -> float:
    """Half of the distance from the 16 to the 84 % quantile."""
    return float(np.subtract(*np.quantile(values, [0.84, 0.16])) / 2)


def compare_causes() -> None:
    """The same with a gain moved by its published error, and with XENONnT's own recombination width."""
    bins = " | ".join(f"{low:g}–{high:g} PE" for low, high in pairwise(BINS))
    print(f"| simulated over measured | Ar-37 cS1 | cS2 | {bins} |\n|" + " --- |" * (len(BINS) + 2))
    compare_electron_recoils("as it is", XENONNT)
    compare_electron_recoils("g2 + 3.6 %", replace(XENONNT, extraction=1.036 * XENONNT.extraction))
    quanta._prepared.cache_clear()
    with mock.patch.object(quanta, "er_omega", lambda charge, field: np.full_like(charge, 0.030)):
        compare_electron_recoils("ω = 0.030", XENONNT)
    quanta._prepared.cache_clear()


def compare_at_energy() -> None:
    """Median S2 at equal combined energy: whether β decays and the electron capture have the same charge."""
    line = simulated(np.full(EVENTS // 5, 2.82))
    flat = simulated(rng_for(1, "energies").uniform(0.5, 14.0, EVENTS))
    samples = (
        ("Rn-220", measured("Rn220")),
        ("flat, simulated", flat),
        ("Ar-37", measured("Ar37")),
        ("line, simulated", line),
    )
    print("\n| keV | " + " | ".join(name for name, _ in samples) + " |\n|" + " --- |" * (len(samples) + 1))
    for low, high in ((1.5, 2.2), (2.2, 2.6), (2.6, 3.05), (3.05, 3.5), (3.5, 4.5)):
        cells = []
        for _, events in samples:
            energy = 0.0137 * (events[:, 0] / 0.151 + events[:, 1] / 16.5)
            s2 = events[(energy >= low) & (energy < high), 1]
            cells.append(f"{np.median(s2):.0f} ± {1.25 * np.std(s2) / np.sqrt(len(s2)):.0f} PE")
        print(f"| {low:g}–{high:g} | " + " | ".join(cells) + " |", flush=True)


def compare_neutrons() -> None:
    """Median S2 by detected photons, with any S1 and S2 kept; recoils as appletree's sample spectrum, 0.3–4 keV."""
    data, detector = measured("Neutron"), replace(XENONNT, coincidence=1)
    energy = 0.3 + rng_for(1, "neutrons").exponential(0.28, EVENTS)
    steps = make_steps(detector)
    steps = replace(steps, trigger=replace(steps.trigger, s2=15.0))
    recoils = deposits(np.minimum(energy, 4.0), True)
    found = simulate_tpc(recoils, detector, pulses=False, seed=1, steps=steps).events.columns
    photons = found["cs1"] / (1 + detector.double_photoelectrons)
    rank = stats.spearmanr(*data.T)
    print(f"\nNeutrons: {len(data)} events, rank correlation {rank.statistic:.2f} (p {rank.pvalue:.2f})\n")
    print("| photons detected | events | median cS2, measured | simulated |\n| --- | --- | --- | --- |")
    for low, high in pairwise((0.4, 1.0, 1.5, 2.5, 5.0)):
        s2 = data[(data[:, 0] >= low) & (data[:, 0] < high), 1]
        ours = found["cs2"][(photons >= low) & (photons < high)]
        error = 1.25 * np.std(s2) / np.sqrt(len(s2))
        print(f"| {low:g}–{high:g} | {len(s2)} | {np.median(s2):.0f} ± {error:.0f} PE | {np.median(ours):.0f} PE |")


def draw_figure(path: Path) -> None:
    """Simulated bands under the measured events."""
    rng, edges = rng_for(1, "figure"), np.concatenate([np.arange(2, 20, 2), np.arange(20, 101, 4)]).astype(float)
    er, nr = simulated(rng.uniform(0.1, 25, EVENTS)), simulated(rng.uniform(0.3, 80, EVENTS), is_nr=True)
    bands = (band_of("ER, simulated", *er.T, edges), band_of("NR, simulated", *nr.T, edges))
    events = tuple(BandEvents(label, *measured(name).T) for label, name in (("Rn-220", "Rn220"), ("Ar-37", "Ar37")))
    panel = BandPanel("bands", "A simulated XENONnT and its calibration", bands, events, note="23 V/cm")
    path.write_bytes(render(draw(panel), "png"))


def main() -> None:
    """Every table; the figure where a path is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=50_000, help="of nestpy, a kind, field and energy")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    compare_quanta(given.draws)
    time_quanta()
    compare_causes()
    compare_at_energy()
    compare_neutrons()
    if given.figure:
        draw_figure(given.figure)


if __name__ == "__main__":
    main()
