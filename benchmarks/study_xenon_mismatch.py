"""A detector that is not as simulated: what it does to the search's test of "no signal", and what calibration data cure.

python -m benchmarks.study_xenon_mismatch score [FOLDER] [--only REGEX]   # simulate worlds, score them with nominal models
python -m benchmarks.study_xenon_mismatch table [FOLDER]                  # false alarms and power, without and with cures
python -m benchmarks.study_xenon_mismatch adapt [FOLDER]                  # leakage of classifiers that hide the mismatch

Models, corrections and the energy scale are those of the nominal detector throughout. Backgrounds are electron recoils
of the four sources, 2–10 keV of the combined scale; exposure 20 t y; pseudo-experiments of background alone are thrown
from each world.
"""

import argparse
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kstest, norm
from sklearn.metrics import roc_auc_score

from serendip.data.events import Events
from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.score.semi.adaptation import AdaptedClassifier
from serendip.score.semi.anomaly_function import AnomalyFunction
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.score.semi.reweighting import CalibrationWeights
from serendip.seeds import rng_for, seed_for
from serendip.simulate.tpc import DARWIN
from serendip.simulate.tpc.detector import Detector
from serendip.simulate.tpc.simulate import iter_tpc, simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, expected_events, wimp_source
from serendip.simulate.tpc.steps import make_steps
from serendip.stats.count_test import CalibratedTest, calibrate_test
from serendip.stats.pseudo_experiments import Pool, cell_means, throw_counts
from serendip.stats.unbinned import UnbinnedTest

# Errors as experiments quote them: g1 0.7 %, g2 3.6 % (XENONnT, arXiv:2303.14729), g1 1.2 % (XENON1T, arXiv:1805.12562); the
# others are round numbers that a large detector without maps of field and purity may well be off by.
WORLDS: dict[str, dict[str, float]] = {
    "nominal": {},
    "g1 −2 %": {"g1": 0.98},
    "g1 +2 %": {"g1": 1.02},
    "S2 gain −3 %": {"single_electron_gain": 0.97},
    "S2 gain +3 %": {"single_electron_gain": 1.03},
    "lifetime −10 %": {"electron_lifetime": 0.9},
    "lifetime +10 %": {"electron_lifetime": 1.1},
    "field −5 %": {"drift_field": 0.95},
    "field +5 %": {"drift_field": 1.05},
    "all, towards NR": {"g1": 1.02, "single_electron_gain": 0.97, "electron_lifetime": 0.9, "drift_field": 0.95},
}
BACKGROUNDS, LOW, HIGH, EXPOSURE = ("pp", "radon222", "krypton85", "xenon136"), 2.0, 10.0, 20.0
SIMULATED = (1.0, 14.0)  # keV, so that what the resolution carries into 2–10 keV is there
BACKGROUND, CALIBRATION, SIGNAL, TRAINED = 60_000, 80_000, 8_000, 20_000
UNCERTAINTY, TOYS, THROWN, RATIO = 0.04, 40_000, 5_000, 1.0
ADAPTED, STRENGTHS = ("S2 gain −3 %", "all, towards NR"), (0.0, 1.0, 5.0)
SIGNALS = (3.0, 5.0, 10.0)  # WIMPs in the data
COLUMNS = ("cs1", "cs2", "drift_time", "x", "y", "z", "energy")


def detector_of(world: str) -> Detector:
    """The nominal one with some numbers off."""
    return replace(DARWIN, **{name: getattr(DARWIN, name) * factor for name, factor in WORLDS[world].items()})


def backgrounds() -> list[Source]:
    """Electron recoils near the window."""
    return [SOURCES[name].within(*SIMULATED) for name in BACKGROUNDS]


def kinds(world: str) -> dict[str, tuple[list[Source], int]]:
    """What is scored in a world: sources and numbers of deposits."""
    wimp = [wimp_source(50.0, 1e-48)]
    flat = [SOURCES["flat_er"].within(*SIMULATED)]
    found = {"background": (backgrounds(), BACKGROUND), "calibration": (flat, CALIBRATION), "wimp": (wimp, SIGNAL)}
    # f0, its null, the weights and what is thrown have samples of their own: one alone scatters less about itself than
    # data do.
    more = {name: (backgrounds(), 2 * BACKGROUND) for name in ("f0 background", "null background")}
    more["simulated calibration"] = flat, CALIBRATION
    return found | (more if world == "nominal" else {})


def models(folder: Path) -> AnomalyFunction:
    """Trained once on the nominal detector, and kept."""
    at = folder / "vae.npz", folder / "classifier.npz", folder / "function.npz"
    if at[2].exists():
        return AnomalyFunction.load(at[2], RecoilVae.load(at[0]), RecoilClassifier.load(at[1]))
    er, again = (recorded(SOURCES["flat_er"].within(*SIMULATED), TRAINED, f"train {i}") for i in range(2))
    nr = recorded(SOURCES["flat_nr"].within(1.0, 60.0), TRAINED // 2, "train nr")
    both = concatenate_recordings(er, nr)
    vae = RecoilVae(draws=4, epochs=15, seed=1).fit(er)
    classifier = RecoilClassifier(members=3, epochs=20, seed=1).fit(both, both.truth["is_nr"] > 0.5)
    function = AnomalyFunction(vae, classifier, RATIO).fit(selected(again))
    vae.save(at[0])
    classifier.save(at[1])
    function.save(at[2])
    return function


def recorded(source: Source, n: int, task: str) -> Recordings:
    """Of the nominal detector, with pulses."""
    seed = seed_for(1, task) % 2**31
    return simulate_tpc(draw_deposits(source, n, seed=seed), seed=seed)


def selected(recordings: Recordings) -> Recordings:
    """2–10 keV of the combined scale."""
    energy = recordings.events.columns["energy"]
    return recordings[(energy > LOW) & (energy < HIGH)]


def score(folder: Path, only: str) -> None:
    """Write columns and terms of every sample of every world."""
    function = models(folder)
    for world in filter(re.compile(only).match, WORLDS):
        detector = detector_of(world)
        steps = replace(make_steps(detector), reconstruction=make_steps(DARWIN).reconstruction)
        for kind, (sources, n) in kinds(world).items():
            path = folder / f"{world.replace(' ', '_')}.{kind.replace(' ', '_')}.npz"
            if path.exists():
                continue
            begin, seed = time.process_time(), seed_for(1, kind) % 2**31  # the same in all worlds: only they differ
            deposits = draw_deposits(sources, n, detector, seed=seed)
            parts = []
            for chunk in map(selected, iter_tpc(deposits, detector, seed=seed, chunk=8000, steps=steps)):
                odds = function.classifier.log_odds(chunk)
                table = np.column_stack([chunk.events.x(COLUMNS), function.terms(chunk), odds])
                parts.append(table)
            np.savez(path, table=np.concatenate(parts), simulated=n)
            print(f"{path.name}: {sum(map(len, parts))} events in {time.process_time() - begin:.0f} CPU s", flush=True)


def sample(folder: Path, world: str, kind: str) -> tuple[dict[str, np.ndarray], Recordings]:
    """Scores by name, and recordings of areas alone."""
    with np.load(folder / f"{world.replace(' ', '_')}.{kind.replace(' ', '_')}.npz") as file:
        table, simulated = file["table"], int(file["simulated"])
    columns = dict(zip(COLUMNS, table.T))
    *terms, odds = table[:, len(COLUMNS) :].T
    scores = {"ts": terms[0] + RATIO * terms[1], "log_odds": odds, "part": np.full(len(odds), len(odds) / simulated)}
    return scores, Recordings(Events(columns))


class Study:
    """Pools, tests and cures from what was scored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scores, self.background = sample(folder, "nominal", "f0 background")
        self.expected = float(expected_events(backgrounds(), EXPOSURE).sum() * scores["part"][0])
        self.ts = scores["ts"]
        self.odds_cut = float(np.median(sample(folder, "nominal", "wimp")[0]["log_odds"]))
        self.flat_ts, self.flat = sample_with_ts(folder, "nominal", "simulated calibration")
        other = sample(folder, "nominal", "null background")[0]["ts"]
        self.uncured = self._calibrated(self.pool(self.ts), self.pool(other))

    def pool(self, ts: np.ndarray, w: np.ndarray | None = None) -> Pool:
        """Background of the exposure."""
        return Pool("background", {"ts": ts}, self.expected, UNCERTAINTY, w)

    def _calibrated(self, for_f0: Pool, for_null: Pool) -> CalibratedTest:
        return calibrate_test(UnbinnedTest.fit([for_f0]), [for_null], toys=TOYS, largest_overlap=0.05)

    def to_background(self, recordings: Recordings) -> np.ndarray:
        """Weights that give flat calibration events the spectrum of the backgrounds, by their combined energies."""
        edges = np.linspace(LOW, HIGH, 17)
        wanted, given = (
            np.histogram(one.events.columns["energy"], edges, density=True)[0] for one in (self.background, self.flat)
        )
        return (wanted / given)[np.clip(np.digitize(recordings.events.columns["energy"], edges) - 1, 0, 15)]

    def by_calibration(self, world: str) -> CalibratedTest:
        """Cure (a): f0 and the null from calibration data."""
        ts, recordings = sample_with_ts(self.folder, world, "calibration")
        w, half = self.to_background(recordings), rng_for(1, world).permutation(len(ts))
        one, two = half[: len(ts) // 2], half[len(ts) // 2 :]
        return self._calibrated(self.pool(ts[one], w[one]), self.pool(ts[two], w[two]))

    def by_weights(self, world: str) -> tuple[CalibratedTest, CalibrationWeights]:
        """Cure (b): simulated background, reweighted as simulated calibration events must be to look like the data."""
        _, calibration = sample_with_ts(self.folder, world, "calibration")
        learned = CalibrationWeights(seed=1).fit(self.flat, calibration)
        other_ts, other = sample_with_ts(self.folder, "nominal", "null background")
        pools = (self.pool(self.ts, learned.weights(self.background)), self.pool(other_ts, learned.weights(other)))
        return self._calibrated(*pools), learned

    def line(self, world: str, name: str, test: CalibratedTest) -> str:
        """False alarms where nothing is there, and Z where something is."""
        ts, signal = (sample(self.folder, world, kind)[0]["ts"] for kind in ("background", "wimp"))
        null = test.z(thrown(test, self.pool(ts), None, 0.0, world))
        p = norm.sf(null)
        alarms = [f"{np.mean(p < level):.2%}" for level in (0.01, 0.05)]
        z = [f"{np.median(test.z(thrown(test, self.pool(ts), signal, s, world))):.2f}" for s in SIGNALS]
        middle = (f"{kstest(p, 'uniform').statistic:.3f}", f"{norm.sf(np.median(null)):.2f}")
        return f"| {world} | {name} | {' | '.join([*alarms, *middle, *z])} |"

    def leakage(self, world: str) -> str:
        """Of the classifier at the nominal cut, and what TS does."""
        background, signal = (sample(self.folder, world, kind)[0] for kind in ("background", "wimp"))
        passed, kept = (one["log_odds"] > self.odds_cut for one in (background, signal))
        high = np.quantile(self.ts, 0.999)
        beyond = background["ts"] > high
        n = len(passed)
        return (
            f"| {world} | {passed.mean():.3%} ± {np.sqrt(max(passed.sum(), 1)) / n:.3%} | {kept.mean():.1%} | "
            f"{background['ts'].mean() - self.ts.mean():+.3f} | {beyond.mean():.3%} ± {np.sqrt(beyond.sum()) / n:.3%} |"
        )


def sample_with_ts(folder: Path, world: str, kind: str) -> tuple[np.ndarray, Recordings]:
    """TS and areas."""
    scores, recordings = sample(folder, world, kind)
    return scores["ts"], recordings


def thrown(test: CalibratedTest, pool: Pool, signal: np.ndarray | None, expected: float, world: str) -> np.ndarray:
    """Counts of pseudo-experiments in the cells of a test."""
    pools = [pool] if signal is None else [pool, Pool("wimp", {"ts": signal}, expected)]
    means = np.stack([cell_means(one, test.test.codes(one.columns), test.test.cells) for one in pools])
    uncertainties = np.array([one.uncertainty for one in pools])
    return throw_counts(means, uncertainties, THROWN, rng_for(1, f"{world} {expected}"))


def table(folder: Path, only: str) -> None:
    """Print what was found."""
    study = Study(folder)
    print(f"{study.expected:.0f} background events in {EXPOSURE:g} t y\n")
    worlds = [world for world in WORLDS if re.match(only, world)]
    print("| world | ER leakage at the nominal cut for half of the WIMPs | WIMPs kept | shift of mean TS | ER beyond the "
          "nominal 99.9 % quantile of TS |\n|---|---|---|---|---|")  # fmt: skip
    for world in worlds:
        print(study.leakage(world), flush=True)
    head = " | ".join(f"Z, {s:g} WIMPs" for s in SIGNALS)
    print(
        f"\n| world | f0 from | p < 1 % | p < 5 % | KS distance of p | median p | {head} |\n|"
        + "---|" * (6 + len(SIGNALS))
    )
    checks = []
    for world in worlds:
        print(study.line(world, "simulation", study.uncured))
        print(study.line(world, "calibration data", study.by_calibration(world)))
        test, weights = study.by_weights(world)
        print(study.line(world, "weighted simulation", test), flush=True)
        checks.append(f"{world}: {weights.check_}")
    print("\n" + "\n".join(checks))


def adapt(folder: Path, only: str) -> None:
    """Cure (c): classifiers trained with simulation and calibration data of a world, by the strength of the reversal."""
    flat, train = SOURCES["flat_er"].within(*SIMULATED), TRAINED
    er, nr = recorded(flat, train, "train 0"), recorded(SOURCES["flat_nr"].within(1.0, 60.0), train // 2, "train nr")
    both = concatenate_recordings(er, nr)
    asked = [selected(recorded(source, 2 * train, f"ask {source.name}")) for source in (flat, wimp_source(50.0, 1e-48))]
    print("| world | strength | AUC of domain by the score | simulated leakage at half of the WIMPs | leakage in the "
          "world at that cut | WIMPs kept there |\n|---|---|---|---|---|---|")  # fmt: skip
    for world in (world for world in ADAPTED if re.match(only, world)):
        theirs = [in_world(world, flat, n, f"{world} {n}") for n in (train, 2 * train)]
        wimps = selected(in_world(world, wimp_source(50.0, 1e-48), train, f"{world} wimps"))
        for strength in STRENGTHS:
            model = AdaptedClassifier(strength=strength, epochs=20, seed=1).fit(
                both, both.truth["is_nr"] > 0.5, theirs[0]
            )
            sim_er, sim_nr, real_er, real_nr = map(model.log_odds, (*asked, selected(theirs[1]), wimps))
            cut = np.median(sim_nr)
            auc = roc_auc_score(np.repeat([0, 1], [len(sim_er), len(real_er)]), np.concatenate([sim_er, real_er]))
            leaks = [f"{np.mean(er > cut):.3%} ± {np.sqrt(np.sum(er > cut)) / len(er):.3%}" for er in (sim_er, real_er)]
            print(
                f"| {world} | {strength:g} | {auc:.4f} | {' | '.join(leaks)} | {np.mean(real_nr > cut):.1%} |",
                flush=True,
            )


def in_world(world: str, source: Source, n: int, task: str) -> Recordings:
    """With pulses, reconstructed as if the detector were nominal."""
    detector, seed = detector_of(world), seed_for(1, task) % 2**31
    steps = replace(make_steps(detector), reconstruction=make_steps(DARWIN).reconstruction)
    return simulate_tpc(draw_deposits(source, n, detector, seed=seed), detector, seed=seed, steps=steps)


def main() -> None:
    """Score, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("score", "table", "adapt"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/study/xenon_mismatch"))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    {"score": score, "table": table, "adapt": adapt}[given.what](given.folder, given.only)


if __name__ == "__main__":
    main()
