"""Speed of the TPC's simulation: areas alone, whole recordings, and a plain loop over events that draws the same.

Run: python -m benchmarks.bench_xenon_simulation [--events 20000] [--rounds 5]
Electron and nuclear recoils 65/35, flat from 1 to 100 keV, over the whole volume; one thread, kernels compiled; the best
of some rounds by turns, in deposits a CPU second. The loop is NumPy as one would write it for one event: photon times from
the same tables, channels, trigger, waveforms by histograms, pattern by a multinomial, charges by normals; it takes the
same quanta.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from serendip.simulate.tpc import DARWIN, Deposits
from serendip.simulate.tpc.quanta import draw_quanta
from serendip.simulate.tpc.simulate import S1_SAMPLES, S2_SAMPLES, simulate_tpc
from serendip.simulate.tpc.steps import Steps, make_steps


def deposits(n: int) -> Deposits:
    """Recoils of the benchmark."""
    rng = np.random.default_rng(1)
    r, angle = DARWIN.radius * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    energy, is_nr = rng.uniform(1, 100, n), rng.random(n) < 0.35
    return Deposits(energy, is_nr, r * np.cos(angle), r * np.sin(angle), -DARWIN.height * rng.random(n))


def charges(rng: np.random.Generator, photons: np.ndarray) -> np.ndarray:
    """PE of counts of photons."""
    electrons = photons + rng.binomial(photons, DARWIN.double_photoelectrons)
    return electrons + DARWIN.gain_spread * np.sqrt(electrons) * rng.normal(size=len(photons))


def coincident(times: np.ndarray, channels: np.ndarray) -> bool:
    """Whether enough tubes see light within the window."""
    order = np.argsort(times)
    times, channels = times[order], channels[order]
    ends = np.searchsorted(times, times + DARWIN.coincidence_window, side="right")
    for first, end in enumerate(ends):
        if end - first >= DARWIN.coincidence and len(np.unique(channels[first:end])) >= DARWIN.coincidence:
            return True
    return False


def one_event(
    rng: np.random.Generator, steps: Steps, photons: int, electrons: int, x: float, y: float, z: float, row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Waveforms and pattern of one event; None where it does not trigger."""
    chance = steps.light.g1 * steps.light.relative(*(np.array([v]) for v in (x, y, z)))[0]
    hits = rng.binomial(photons, chance)
    cumulative = steps.times.cumulative[row]
    times = np.interp(rng.random(hits), cumulative, np.arange(len(cumulative)))
    if not coincident(times, rng.integers(0, 2 * DARWIN.pmts, hits)):
        return None
    drift = -z / steps.drift.velocity
    arrived = rng.binomial(electrons, np.exp(-drift / steps.drift.lifetime) * DARWIN.extraction)
    gains = rng.normal(steps.gas.gain, steps.gas.gain * steps.gas.spread, arrived).clip(0)
    seen = rng.poisson(gains)
    if seen.sum() < 5 * steps.gas.gain:
        return None
    begin = times.min() - 10 * DARWIN.s1_sample - DARWIN.s1_sample * rng.random()
    s1, _ = np.histogram(times - begin, S1_SAMPLES, (0, S1_SAMPLES * DARWIN.s1_sample))
    sigma = np.sqrt(2 * steps.drift.longitudinal * drift) / steps.drift.velocity
    emerged = rng.normal(0.0, sigma, arrived)
    late = (
        np.repeat(emerged, seen) + rng.uniform(0, steps.gas.crossing, seen.sum()) + rng.exponential(0.1155, seen.sum())
    )
    half = 0.5e-3 * S2_SAMPLES * DARWIN.s2_sample
    middle = np.median(late)
    s2, _ = np.histogram(late, S2_SAMPLES, (middle - half, middle + half))
    top = rng.binomial(seen.sum(), steps.gas.top_fraction)
    pattern = rng.multinomial(top, steps.response(np.array([x]), np.array([y]))[0])
    return tuple(charges(rng, counts).astype(np.float32) for counts in (s1, s2, pattern))  # type: ignore[return-value]


def plain_loop(d: Deposits) -> int:
    """Events that triggered, one after the other."""
    rng, steps = np.random.default_rng(2), make_steps(DARWIN)
    photons, electrons = draw_quanta(d, DARWIN, 0)
    rows = steps.times.row(d.energy, d.is_nr)
    pulses = [one_event(rng, steps, *event) for event in zip(photons, electrons, d.x, d.y, d.z, rows)]
    return sum(p is not None for p in pulses)


def rate(work: Callable[[], object], events: int) -> float:
    """Deposits a CPU second."""
    begin = time.process_time()
    work()
    return events / (time.process_time() - begin)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    d, few, many = deposits(given.events), deposits(given.events // 10), deposits(10 * given.events)
    simulate_tpc(few)
    works = {
        "areas": (lambda: simulate_tpc(many, pulses=False), len(many)),
        "waveforms and pattern": (lambda: simulate_tpc(d), len(d)),
        "plain loop over events": (lambda: plain_loop(few), len(few)),
    }
    best = dict.fromkeys(works, 0.0)
    for _ in range(given.rounds):
        for name, (work, events) in works.items():
            best[name] = max(best[name], rate(work, events))
    loop = best["plain loop over events"]
    triggered = len(simulate_tpc(few, pulses=False)), plain_loop(few)
    print(f"of {len(few):,} deposits trigger {triggered[0]:,}; in the loop {triggered[1]:,}\n")
    print("| what | events a CPU second | over the loop |\n|---|---|---|")
    for name, value in best.items():
        print(f"| {name} | {value:,.0f} | {value / loop:.1f} × |")


if __name__ == "__main__":
    main()
