"""How well are nuclear recoils told from electron recoils, what limits it, and where did the S2 shine?

python -m benchmarks.study_xenon_classifier                      # 40,000 events, and 150,000 electron recoils of 2–10 keV
python -m benchmarks.study_xenon_classifier --more 0 --leakage 0 --ceiling 0 --positions 0   # the first table alone
python -m benchmarks.study_xenon_classifier --optical-delay 11   # a vessel as small as LUX, as arXiv:2410.00755 simulated
"""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.score.semi.position import PositionReconstruction, weighted_centroid
from serendip.score.semi.pulse_summaries import build_up
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.representation import SUMMARIES
from serendip.score.semi.tube_places import TubePlaces
from serendip.seeds import rng_for, seed_for
from serendip.simulate.tpc import DARWIN, Deposits, Detector
from serendip.simulate.tpc.quanta import draw_quanta
from serendip.simulate.tpc.reconstruct import work_function
from serendip.simulate.tpc.response import pmt_positions
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, draw_deposits
from serendip.simulate.tpc.steps import Steps, make_steps

EVENTS, PART_NR, PART_TEST, CHUNK = 40_000, 0.35, 0.4, 10_000
LOW = (2.0, 10.0)  # keV of an electron recoil
BINS = (2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
LIGHTS = (0, 400, 700, 1000, 2000, 5000, 20_000, 100_000)  # PE
RADII = (0, 60, 100, 115, 121, 126, 130)  # cm
LEAN = {"flat_er": 20.0, "flat_nr": 60.0}  # keV below which further events lie
RAW: dict[str, Any] = {"hidden": (128, 64), "epochs": 15, "members": 3}  # for 1,455 inputs


def simulated(
    detector: Detector, source: str, n: int, task: str, index: int = 0, low: float = 1.0, high: float = 100.0
) -> Recordings:
    """Recordings of a flat source between two energies in keV."""
    narrow, seed = SOURCES[source].within(low, high), seed_for(1, task) % 2**31
    deposits = draw_deposits(narrow, n, detector, seed=seed, index=index)
    return simulate_tpc(deposits, detector, seed=seed_for(1, f"{task} {source}") % 2**31, first=index * CHUNK)


def sample(detector: Detector, n: int, task: str) -> Recordings:
    """A shuffled mixture, 35 % of it nuclear recoils of 1–100 keV, the rest electron recoils."""
    numbers = {"flat_er": n - round(PART_NR * n), "flat_nr": round(PART_NR * n)}
    mixed = concatenate_recordings(*(simulated(detector, source, k, task) for source, k in numbers.items()))
    return mixed[rng_for(1, f"{task} order").permutation(len(mixed))]


def with_lean(detector: Detector, train: Recordings) -> tuple[Recordings, np.ndarray]:
    """As many further events of low energies, half of each kind, and weights with which all are flat in energy again."""
    further = len(train) // 2
    more = (simulated(detector, source, further, "lean", high=high) for source, high in LEAN.items())
    events = concatenate_recordings(train, *more)
    weights = np.ones(len(events))
    for kind, high in zip((False, True), LEAN.values()):
        density = np.sum(is_nr(train) == kind) / 99.0  # events a keV before; 1–100 keV
        low = (is_nr(events) == kind) & (events.truth["recoil_energy"] < high)
        weights[low] = density / (density + further / (high - 1.0))
    return events, weights


def is_nr(recordings: Recordings) -> np.ndarray:
    return recordings.truth["is_nr"] > 0.5


def energy(recordings: Recordings) -> np.ndarray:
    """Combined scale, keV of an electron recoil."""
    return recordings.events.columns["energy"]


def with_error(k: int, n: int, digits: int = 2) -> str:
    """Per cent, with its binomial error; that of one event where there is none."""
    p = k / n
    return f"{100 * p:.{digits}f} ± {100 * np.sqrt(max(p * (1 - p), 1 / n) / n):.{digits}f}"


def quality(name: str, odds: np.ndarray, nr: np.ndarray, kev: np.ndarray) -> str:
    """A line of the table, at p = 1/2 of the sample's own mixture."""
    called = odds + np.log(nr.mean() / (1 - nr.mean())) > 0
    low = (kev > LOW[0]) & (kev < LOW[1])
    parts = [
        with_error(int((called == nr).sum()), len(nr)),
        with_error(int((called & nr).sum()), int(nr.sum())),
        with_error(int((called & nr).sum()), int(called.sum())),
        with_error(int((called == nr)[low].sum()), int(low.sum())),
        f"{roc_auc_score(nr, odds):.5f}",
    ]
    return f"| {name} | " + " | ".join(parts) + " |"


def three_areas(r: Recordings) -> np.ndarray:
    return r.events.x(["s1", "s2", "drift_time"])


def corrected_and_timing(r: Recordings) -> np.ndarray:
    return np.column_stack([r.events.x(["cs1", "cs2", "drift_time", "x", "y"]), build_up(r.s1)[:, :60]])


def fitted_methods(train: Recordings, detector: Detector) -> dict[str, Callable[[Recordings], np.ndarray]]:
    """Log-odds of each method, in the order of the table."""
    nr = is_nr(train)
    methods: dict[str, Callable[[Recordings], np.ndarray]] = {}
    for name, features in TREES.items():
        model = HistGradientBoostingClassifier(
            max_iter=200, learning_rate=0.08, random_state=0, class_weight="balanced"
        )
        methods[name] = partial(lambda fit, f, r: fit.decision_function(f(r)), model.fit(features(train), nr), features)
    for name, settings in NETWORKS.items():
        began = time.process_time()
        methods[name] = RecoilClassifier(**settings).fit(train, nr).log_odds
        print(f"({name}: {time.process_time() - began:.0f} CPU s to train)", flush=True)
    events, weights = with_lean(detector, train)
    methods["ours, as many further events of low energy"] = (
        RecoilClassifier().fit(events, is_nr(events), w=weights).log_odds
    )
    return methods


def compare(methods: dict[str, Callable[[Recordings], np.ndarray]], test: Iterable[Recordings], title: str) -> None:
    """The table of accuracies, over chunks of a test sample."""
    odds: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    nr, kev = [], []
    for chunk in test:
        nr.append(is_nr(chunk))
        kev.append(energy(chunk))
        for name, method in methods.items():
            odds[name].append(method(chunk))
    print(
        f"\n{title}\n\n| method | accuracy % | recall % | precision % | accuracy in 2–10 keV % | AUC |\n"
        + "|---" * 6
        + "|"
    )
    for name, values in odds.items():
        print(quality(name, *(np.concatenate(part) for part in (values, nr, kev))), flush=True)


def leakage(methods: dict[str, Callable[[Recordings], np.ndarray]], detector: Detector, n: int) -> None:
    """Electron recoils beyond the median nuclear recoil, by combined energy."""
    er = low_energy(methods, detector, "flat_er", n, 1.0, 12.0)
    nr = low_energy(methods, detector, "flat_nr", n // 4, 4.0, 70.0)
    bins = [*pairwise(BINS), LOW]
    print(f"\nElectron recoils (%) above the median nuclear recoil in each bin of keV; {n:,} simulated\n")
    print("| method | " + " | ".join(f"{a:g}–{b:g}" for a, b in bins) + " |\n" + "|---" * (len(bins) + 1) + "|")
    for name in methods:
        cells = []
        for low, high in bins:
            inside_er, inside_nr = ((of["energy"] > low) & (of["energy"] < high) for of in (er, nr))
            beyond = er[name][inside_er] > np.median(nr[name][inside_nr])
            cells.append(with_error(int(beyond.sum()), len(beyond), 3))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("\nROC in 2–10 keV: electron recoils (%) accepted with 30, 50, 70, 90, 95, 99 % of nuclear recoils\n")
    inside_er, inside_nr = ((of["energy"] > LOW[0]) & (of["energy"] < LOW[1]) for of in (er, nr))
    for name in methods:
        cuts = np.quantile(nr[name][inside_nr], [0.7, 0.5, 0.3, 0.1, 0.05, 0.01])
        parts = [100 * np.mean(er[name][inside_er] > cut) for cut in cuts]
        print(f"| {name} | " + " | ".join(f"{part:.3f}" for part in parts) + " |", flush=True)


def low_energy(
    methods: dict, detector: Detector, source: str, n: int, low: float, high: float
) -> dict[str, np.ndarray]:
    """Log-odds and energies of a flat source between two energies, chunk by chunk."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*methods, "energy")}
    for index in range(-(-n // CHUNK)):
        chunk = simulated(detector, source, min(CHUNK, n - index * CHUNK), "leakage", index, low=low, high=high)
        found["energy"].append(energy(chunk))
        for name, method in methods.items():
            found[name].append(method(chunk))
    return {name: np.concatenate(values) for name, values in found.items()}


def ceiling(detector: Detector, n: int) -> None:
    """How well the quanta themselves tell recoils apart, and what each step from them to light takes away."""
    rng = rng_for(1, "ceiling")
    n_nr = round(PART_NR * n)
    drawn = [
        draw_deposits(SOURCES[name].within(1.0, 100.0), k, detector, seed=7)
        for name, k in (("flat_er", n - n_nr), ("flat_nr", n_nr))
    ]
    deposits = Deposits(*(np.concatenate([getattr(d, f) for d in drawn]) for f in ("energy", "is_nr", "x", "y", "z")))
    photons, electrons = draw_quanta(deposits, detector, 7)
    nr, steps = deposits.is_nr, make_steps(detector)
    place = deposits.x, deposits.y, deposits.z
    detected = rng.binomial(photons, detector.g1 * steps.light.relative(*place))
    survival = np.exp(-steps.drift.time(deposits.z) / detector.electron_lifetime)
    surfaced = rng.binomial(electrons, survival * detector.extraction)
    kev = work_function(detector) * (photons + electrons)
    stages = {
        "photons and electrons at the site": (photons, electrons),
        "… electrons lost in drift and extraction": (photons, surfaced, *place),
        "… photons lost in light collection (g1)": (detected, electrons, *place),
        "… both": (detected, surfaced, *place),
        "… both, and when each photon came": (detected, surfaced, *place, timing(deposits, detected, steps, rng)),
    }
    half = rng.random(n) < 0.5
    print(f"\nBy trees on true numbers, {n // 2:,} to learn from and as many to test\n")
    for name, columns in stages.items():
        x = np.column_stack(columns).astype(float)
        model = HistGradientBoostingClassifier(
            max_iter=200, learning_rate=0.08, random_state=0, class_weight="balanced"
        )
        odds = model.fit(x[half], nr[half]).decision_function(x[~half])
        print(quality(name, odds, nr[~half], kev[~half]), flush=True)


def timing(deposits: Deposits, photons: np.ndarray, steps: Steps, rng: np.random.Generator) -> np.ndarray:
    """Log of the likelihoods' ratio for the times of so many photons of each deposit, from the moment of the recoil."""
    edges = np.r_[0, np.unique(np.geomspace(3, 1999, 60).astype(int))]
    parts = np.diff(steps.times.cumulative[:, edges], axis=1)
    row = steps.times.row(deposits.energy, deposits.is_nr)
    counts = rng.multinomial(photons, (parts / parts.sum(axis=1, keepdims=True))[row])
    low_er, low_nr = steps.times.row(np.array([6.0, 30.0]), np.array([False, True]))  # of the same S1
    return counts @ np.log((parts[low_nr] + 1e-9) / (parts[low_er] + 1e-9))


def positions(n: int) -> None:
    """Resolution and bias of (x, y) over the whole array, walls included."""
    pmts, (learn, test) = pmt_positions(DARWIN), (everywhere(n, task) for task in ("places learn", "places test"))
    fitted = PositionReconstruction(pmts).fit(learn.pattern, true_place(learn))
    began = time.process_time()
    found = {"maximum likelihood": fitted.predict(test.pattern)}
    rate = len(test) / (time.process_time() - began)
    found["centroid of squares"] = TubePlaces.learn(learn.pattern, true_place(learn)).centroid(test.pattern)
    found["centroid"] = weighted_centroid(test.pattern, pmts)
    truth, light = true_place(test), test.pattern.sum(axis=1)
    radius, expected = np.hypot(*truth.T), fitted.resolution(test.pattern)
    print(f"\n(x, y): {rate:.0f} events a CPU s; scatter beyond the Fisher information {fitted.inflation_:.2f}")
    print(
        "\n| PE in the top array | events | " + " | ".join(found) + " | expected | 99 % within |\n" + "|---" * 7 + "|"
    )
    for low, high in pairwise(LIGHTS):
        rows = (light >= low) & (light < high)
        if not rows.any():
            continue
        scatter = [np.sqrt(np.mean((at - truth)[rows] ** 2)) for at in found.values()]
        far = np.quantile(np.hypot(*(found["maximum likelihood"] - truth)[rows].T), 0.99)
        numbers = [*scatter, np.sqrt(np.mean(expected[rows] ** 2)), far]
        print(f"| {low:g}–{high:g} | {rows.sum()} | " + " | ".join(f"{value:.2f}" for value in numbers) + " |")
    print(
        "\n| radius, cm | events | "
        + " | ".join(f"{name}: scatter, outward bias" for name in found)
        + " |\n"
        + "|---" * 5
        + "|"
    )
    for low, high in pairwise(RADII):
        rows = (radius >= low) & (radius < high)
        cells = [
            f"{np.sqrt(np.mean((at - truth)[rows] ** 2)):.2f}, {np.mean(np.hypot(*at[rows].T) - radius[rows]):+.2f}"
            for at in found.values()
        ]
        print(f"| {low:g}–{high:g} | {rows.sum()} | " + " | ".join(cells) + " |")


def everywhere(n: int, task: str) -> Recordings:
    """Nuclear recoils of 1–20 keV and electron recoils of 1–100 keV in the whole liquid."""
    parts = []
    for source, low, high in (("flat_nr", 1.0, 20.0), ("flat_er", 1.0, 100.0)):
        narrow = SOURCES[source].within(low, high)
        deposits = draw_deposits(narrow, n // 2, DARWIN, seed=seed_for(1, f"{task} {source}") % 2**31, fiducial=None)
        parts.append(simulate_tpc(deposits, DARWIN, seed=seed_for(2, f"{task} {source}") % 2**31))
    return concatenate_recordings(*parts)


def true_place(recordings: Recordings) -> np.ndarray:
    return np.column_stack([recordings.truth["true_x"], recordings.truth["true_y"]])


NETWORKS: dict[str, dict[str, Any]] = {
    "MLP on samples as they are": RAW | {"parts": ("waveforms",)},
    "MLP on roots of the samples": RAW | {"parts": ("roots",)},
    "ours, waveforms and pattern alone": {"parts": SUMMARIES},
    "ours, S1 sample by sample": {"parts": ("corrected", "s1_timing")},
    "ours without the S1's timing": {"parts": ("corrected",)},
    "ours": {},
}
TREES = {"trees on S1, S2, drift time": three_areas, "trees on corrected areas, place, S1 timing": corrected_and_timing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help="to learn from and to test")
    parser.add_argument("--more", type=int, default=100_000, help="further events to test")
    parser.add_argument("--leakage", type=int, default=150_000, help="electron recoils of 1–12 keV")
    parser.add_argument("--ceiling", type=int, default=120_000, help="quanta")
    parser.add_argument("--positions", type=int, default=10_000, help="events to learn from, and to test")
    parser.add_argument("--optical-delay", type=float, default=DARWIN.optical_delay, help="of the S1's light, ns")
    args = parser.parse_args()
    detector = replace(DARWIN, optical_delay=args.optical_delay)
    print(
        f"detector {detector.name}: g1 {detector.g1}, {detector.drift_field:g} V/cm, lifetime "
        f"{detector.electron_lifetime:g} µs, optical delay {detector.optical_delay:g} ns"
    )
    if args.positions:
        positions(args.positions)
    if args.ceiling:
        ceiling(detector, args.ceiling)
    if not args.events:
        return
    n_test = round(PART_TEST * args.events)
    methods = fitted_methods(sample(detector, args.events - n_test, "train"), detector)
    compare(methods, [sample(detector, n_test, "test")], f"{args.events:,} events, {n_test:,} of them to test")
    if args.more:
        further = (sample(detector, CHUNK, f"more {k}") for k in range(args.more // CHUNK))
        compare(methods, further, f"The same, {args.more:,} to test")
    if args.leakage:
        leakage({name: method for name, method in methods.items() if "MLP" not in name}, detector, args.leakage)


if __name__ == "__main__":
    main()
