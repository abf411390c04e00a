"""The kernel NPLM at the published sizes of DIMUON and HIGGS: seconds a toy, memory, and what the tolerance costs.

Run `python -m benchmarks.bench_nplm_large` for DIMUON with 2,000 centres, `... dimuon` with 20,000 (some minutes, 5 GB),
or `... higgs` (10,000 centres, some minutes, 2 GB). The published events are not at hand, so these are of their size and
kind: muon pairs of a Breit-Wigner resonance on a falling continuum, boosted, with pT > 20 GeV and |η| < 2.4 (both pT and η,
and Δφ); and the 21 low-level features of the background events in the UCI HIGGS subset that SERENDIP_DATA holds, drawn with
repetition and smeared by 0.3 standard deviations. CPU seconds stand beside wall seconds: on shared cores only they compare.
"""

import gzip
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from serendip.seeds import rng_for
from serendip.stats.sample_tests.large_kernel import LargeMachine, large_machine
from serendip.stats.sample_tests.sample import Sample

DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[2] / "shared" / "data")
PENALTY = 1e-6


def muon_pairs(rng: np.random.Generator, n: int) -> np.ndarray:
    """About n / 3 events: pT and η of the harder and of the softer muon, and their Δφ."""
    resonant = 91.19 + 1.25 * np.tan(np.pi * 0.98 * (rng.random(n) - 0.5))
    continuum = 60 * (1 - rng.random(n)) ** (-1 / 3)
    mass = np.clip(np.where(rng.random(n) < 0.9, resonant, continuum), 60, 1000)
    pt, phi = 12 * rng.exponential(1, n) ** 1.2, rng.uniform(0, 2 * np.pi, n)
    transverse, y = np.hypot(mass, pt), np.clip(rng.normal(0, 1.1, n), -2.4, 2.4)
    energy = transverse * np.cosh(y)
    beta = np.stack([pt * np.cos(phi), pt * np.sin(phi), transverse * np.sinh(y)], axis=1) / energy[:, None]
    cos, angle = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    decay = np.stack([sin * np.cos(angle), sin * np.sin(angle), cos], axis=1) * (mass / 2)[:, None]
    muons = [_boost(sign * decay, mass / 2, beta, energy / mass) for sign in (1, -1)]
    pts = np.stack([np.hypot(p[:, 0], p[:, 1]) for p in muons], axis=1)
    etas = np.stack([np.arcsinh(p[:, 2] / np.maximum(pt, 1e-3)) for p, pt in zip(muons, pts.T, strict=True)], axis=1)
    turn = np.subtract(*(np.arctan2(p[:, 1], p[:, 0]) for p in muons))
    order = np.argsort(-pts, axis=1)
    pts, etas = np.take_along_axis(pts, order, 1), np.take_along_axis(etas, order, 1)
    seen = (np.abs(etas) < 2.4).all(axis=1) & (pts[:, 1] > 20)
    return np.column_stack([pts, etas, np.abs((turn + np.pi) % (2 * np.pi) - np.pi)])[seen]


def _boost(p: np.ndarray, energy: np.ndarray, beta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    along = (beta * p).sum(axis=1)
    return p + (gamma**2 / (gamma + 1) * along + gamma * energy)[:, None] * beta


def dimuon(name: str, n: int) -> np.ndarray:
    """n muon pairs."""
    return muon_pairs(rng_for(1, name), 4 * n + 1000)[:n]


def higgs(name: str, n: int) -> np.ndarray:
    """n smeared background events."""
    with gzip.open(DATA / "higgs" / "higgs_uci_subset.csv.gz", "rt") as file:
        columns = file.readline().strip().split(",")
        table = np.loadtxt(file, delimiter=",")
    x = table[table[:, columns.index("label")] == 0, :21]
    rng = rng_for(1, name)
    return x[rng.integers(len(x), size=n)] + 0.3 * x.std(axis=0) * rng.normal(size=(n, 21))


SIZES = {  # draw, N_R, N(R), M, σ, toys
    "small": (dimuon, 100_000, 20_000, 2000, 3.0, 10),
    "dimuon": (dimuon, 100_000, 20_000, 20_000, 3.0, 10),
    "higgs": (higgs, 500_000, 100_000, 10_000, 7.0, 2),
}


def clock() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def report(what: str, since: np.ndarray, per: int = 1) -> None:
    wall, cpu = (clock() - since) / per
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {what:44s} {wall:9.2f} s wall {cpu:9.2f} s CPU   peak {peak:.1f} GiB", flush=True)


def prepare(size: str) -> tuple[LargeMachine, list[Sample]]:
    """The machine, timed, and toys under the null, all in standard deviations of the reference."""
    draw, n, expected, m, width, toys = SIZES[size]
    x = draw("reference", n)
    mean, sd = x.mean(axis=0), x.std(axis=0)
    counts = rng_for(1, "counts").poisson(expected, toys)
    samples = [Sample((draw(f"toy {k}", count) - mean) / sd) for k, count in enumerate(counts)]
    x = (x - mean) / sd
    centres = x[rng_for(1, "centres").choice(n, m, replace=False)]
    begin = clock()
    machine = large_machine(x, np.full(n, expected / n), centres, width, PENALTY)
    report(f"{size}, M {m}: prepared, {len(machine.products.centres)} pivots", begin)
    return machine, samples


def main() -> None:
    """Print the lines of one size."""
    machine, samples = prepare(sys.argv[1] if len(sys.argv) > 1 else "small")
    exact = None
    for tolerance in (1e-8, 1e-6, 1e-3):
        begin = clock()
        t = replace(machine, tolerance=tolerance).statistics(samples)
        report(f"a toy in a batch of {len(samples)}, tolerance {tolerance:g}", begin, len(samples))
        exact = t if exact is None else exact
        print(f"    t {np.median(t):.3f} (median), largest |Δt|/t {np.abs(t / exact - 1).max():.1e}", flush=True)


if __name__ == "__main__":
    main()
