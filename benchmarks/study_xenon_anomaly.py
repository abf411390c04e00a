"""What −ELBO, H_B and their sum see in 2–10 keVee: nuclear recoils, and anomalies that no classifier was taught.

python -m benchmarks.study_xenon_anomaly [--figures FOLDER] [--quick]

Electron recoils flat in energy, WIMPs of 30, 50 and 100 GeV; pairs of an S1 and an S2 of different electron recoils, as
accidental coincidences are; double scatters with half of the light each. Models, standardisation and judged events have
seeds of their own.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.report import LatentPanel, PredictivePanel, draw, predictive_feature
from serendip.report.canvas import render
from serendip.score.semi.anomaly_function import AnomalyFunction
from serendip.score.semi.latent import energy_plane, latent_energy_score, latent_plane, predictive_quantities
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.seeds import rng_for
from serendip.simulate.tpc.simulate import iter_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, wimp_source
from serendip.stats.two_sample import two_sample_test

WINDOW, AROUND = (2.0, 10.0), (1.0, 14.0)  # keVee judged, and keV simulated for it
RATIOS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e4)
LEAKAGE = 1e-3  # of electron recoils, at which acceptances are stated
MASSES = (30, 50, 100)  # GeV


def simulated(source: Source, n: int, seed: int) -> Recordings:
    """Recordings of n deposits in the fiducial volume."""
    return concatenate_recordings(*iter_tpc(draw_deposits(source, n, seed=seed), seed=seed, chunk=5000))


def in_window(recordings: Recordings) -> Recordings:
    """Those in 2–10 keVee."""
    energy = recordings.events.columns["energy"]
    return recordings[(energy > WINDOW[0]) & (energy < WINDOW[1])]


def pairs(recordings: Recordings) -> Recordings:
    """The S1 of one event with the S2 of another, and a drift time that belongs to neither."""
    order = rng_for(1, "pairs").permutation(len(recordings))
    columns = dict(recordings.events.columns)
    swapped = {name: columns[name][order] for name in ("s1", "cs1")} | {
        "drift_time": columns["drift_time"][order[::-1]]
    }
    events = replace(recordings.events, columns=columns | swapped)
    return replace(recordings, s1=recordings.require_pulses()[0][order], events=events)


def doubles(recordings: Recordings) -> Recordings:
    """Two events in one, each with half of its light."""
    order = rng_for(1, "doubles").permutation(len(recordings))
    s1, s2, pattern = ((part + part[order]) / 2 for part in recordings.require_pulses())
    return replace(recordings, s1=s1, s2=s2, pattern=pattern)


def with_s1(recordings: Recordings, factor: float) -> Recordings:
    """S1s that are so many times as large, as if light had been lost or gained."""
    return replace(recordings, s1=(factor * recordings.require_pulses()[0]).astype(np.float32))


def low_er(n: int, seed: int) -> Recordings:
    """Electron recoils flat in energy, in the window."""
    return in_window(simulated(SOURCES["flat_er"].within(*AROUND), n, seed))


def train_vae(high: float, part: float = 1.0, seed: int = 1) -> RecoilVae:
    """On electron recoils flat from 1 keV to this energy."""
    er = simulated(SOURCES["flat_er"].within(1.0, high), int(24_000 * part), seed)
    return RecoilVae(seed=seed).fit(er)


def train_classifier(part: float = 1.0, seed: int = 1) -> RecoilClassifier:
    """On recoils of both kinds, flat in 1–100 keV."""
    er = simulated(SOURCES["flat_er"].within(1, 100), int(24_000 * part), 100 + seed)
    nr = simulated(SOURCES["flat_nr"].within(1, 100), int(13_000 * part), 200 + seed)
    is_nr = np.repeat([0.0, 1.0], [len(er), len(nr)])
    return RecoilClassifier(members=3, seed=seed).fit(concatenate_recordings(er, nr), is_nr)


def judged(function: AnomalyFunction, samples: dict[str, Recordings], er: Recordings) -> str:
    """AUC and acceptance at 0.1 % leakage of each sample, for each R, as a Markdown table."""
    background = function.terms(er)
    lines = ["| sample | " + " | ".join(f"R = {ratio:g}" for ratio in RATIOS) + " |", "|---" * (len(RATIOS) + 1) + "|"]
    for name, sample in samples.items():
        found, cells = function.terms(sample), []
        for ratio in RATIOS:
            b, s = function.combine(background, ratio), function.combine(found, ratio)
            auc = roc_auc_score(np.repeat([0, 1], [len(b), len(s)]), np.r_[b, s])
            cells.append(f"{auc:.3f} / {100 * np.mean(s > np.quantile(b, 1 - LEAKAGE)):.1f}")
        lines.append(f"| {name} ({len(sample):,}) | " + " | ".join(cells) + " |")
    return "\n".join([f"AUC / percent accepted at a leakage of 0.1 % of {len(er):,} electron recoils", *lines])


def main() -> None:
    """Train, and print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--quick", action="store_true", help="a quarter of the events")
    given = parser.parse_args()
    part = 0.25 if given.quick else 1.0
    er, standard, other = (low_er(int(n * part), seed) for n, seed in ((40_000, 11), (16_000, 12), (6000, 13)))
    samples = {f"WIMP {m} GeV": in_window(simulated(wimp_source(m, 1e-46), int(6000 * part), 20 + m)) for m in MASSES}
    samples |= {"pairs": pairs(other), "doubles": doubles(other)}
    samples |= {"S1 / 2": with_s1(other, 0.5), "S1 × 2": with_s1(other, 2.0)}
    vaes, classifier = {high: train_vae(high, part) for high in (100.0, 20.0)}, train_classifier(part)
    for high in vaes:
        for along in ("energy", None):
            function = AnomalyFunction(vaes[high], classifier, along=along).fit(standard)
            print(f"\n−ELBO learned on 1–{high:g} keV, standardised along {along}")
            print(f"the published R = 2.5e5 is R = {function.ratio_from_published(2.5e5):.3g}")
            print(judged(function, samples, er), flush=True)
            print_energy_dependence("−ELBO term", function.terms(er)[:, 0], er)
        for name, values in zip(("pull", "volume", "divergence"), vaes[high].elbo_parts(er).T):
            print_energy_dependence(name, values, er)
    latent_space(vaes[100.0], part, given.figures)


def print_energy_dependence(name: str, values: np.ndarray, er: Recordings) -> None:
    """Mean, spread, rank correlation with the energy, and the 99 % quantile in four slices of it."""
    energy = er.events.columns["energy"]
    slices = [float(np.quantile(values[(energy > e) & (energy < e + 2)], 0.99)) for e in (2, 4, 6, 8)]
    rank = spearmanr(values, energy).statistic
    print(f"{name}: {values.mean():.2f} ± {values.std():.2f}, rank {rank:.3f}, 99 %:", np.round(slices, 2))


def latent_space(vae: RecoilVae, part: float, folder: Path | None) -> None:
    """Energy in the latent space, the predictive check, and their figures."""
    held_out = simulated(SOURCES["flat_er"], int(6000 * part), 31)
    both = concatenate_recordings(held_out, simulated(SOURCES["flat_nr"], int(4000 * part), 32))
    energy, is_nr = both.truth["recoil_energy"].astype(float), both.truth["is_nr"] > 0.5
    latent = vae.latent(both)
    scores = latent_energy_score(latent, energy, is_nr)
    print("\nlatent energy", scores)
    found = predictive_quantities(vae, held_out)
    data, drawn = (np.column_stack([pair[i] for pair in found.values()]) for i in (0, 1))
    whole = two_sample_test(data, drawn, seed=1)
    each = {name: two_sample_test(data[:, [i]], drawn[:, [i]], seed=1).auc for i, name in enumerate(found)}
    print("predictive check: AUC of all summaries", whole.auc, whole.error, {k: round(v, 3) for k, v in each.items()})
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    note = ", ".join(f"{kind.upper()}: R² {score.r2:.3f}" for kind, score in scores.items())
    rows = rng_for(1, "shown").choice(len(both), min(2500, len(both)), replace=False)
    planes = {"energy": energy_plane(latent[rows], energy[rows], is_nr[rows])}
    planes["tsne"] = latent_plane(latent[rows], "tsne")
    names = {"energy": ("along ln E of electron recoils", "widest across it"), "tsne": ("t-SNE 1", "t-SNE 2")}
    for method, plane in planes.items():
        panel = LatentPanel(
            f"latent_{method}", "Latent space", *plane.T, energy[rows], is_nr[rows], names[method], note=note
        )
        (folder / f"latent_{method}.png").write_bytes(render(draw(panel), "png"))
    features = [predictive_feature(name, *pair, note=f"AUC {each[name]:.3f}") for name, pair in found.items()]
    check = PredictivePanel("predictive", "Posterior predictive check", tuple(features))
    (folder / "predictive.png").write_bytes(render(draw(check), "png"))


if __name__ == "__main__":
    main()
