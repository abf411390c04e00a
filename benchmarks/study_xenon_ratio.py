"""p(H0) against R: is there a best mixture of −ELBO and H_B, and does it need −ELBO's trend with the energy?

python -m benchmarks.study_xenon_ratio [--seeds 3] [--scores FILE]

200 t y in 2–10 keVee with all neutrino, radon, krypton, xenon-136 and neutron backgrounds. Signals: WIMPs of three masses,
as published, and two that no classifier was taught. Autoencoders trained on 1–100 and on 1–20 keV, −ELBO standardised along
the energy and not (`along=None`, the published form but for the unit of R); every training again with other seeds, whose
spread is the error. The classifier and the autoencoder of one row have one seed.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.study_xenon_anomaly import MASSES, doubles, in_window, pairs, train_classifier, train_vae
from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.score.semi.anomaly_function import AnomalyFunction, combine
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.simulate.tpc.simulate import iter_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, wimp_source
from serendip.stats.pseudo_experiments import Pool, split
from serendip.stats.score_tuning import tune

EXPOSURE, CROSS_SECTION = 200.0, 1e-48  # t y; cm², where the median Z is between 2 and 3
OTHERS = {"pairs": 40.0, "doubles": 20.0}  # events expected of what no classifier was taught
ELECTRONIC, NUCLEAR = ("pp", "radon222", "krypton85", "xenon136"), ("cevns_atmospheric", "cevns_dsnb", "neutrons")
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e4)
KEEPS = (1.0, 0.3, 0.1)
TRAINED = (20.0, 100.0)  # keV, up to which the autoencoder learns
ALONG = ("energy", None)
Models = Mapping[str, RecoilVae | RecoilClassifier]


@dataclass(frozen=True)
class Known:
    """A model whose answers are columns."""

    column: str

    def negative_elbo(self, recordings: Recordings) -> np.ndarray:
        """As the autoencoder said."""
        return recordings.events.columns[self.column]

    def log_odds(self, recordings: Recordings) -> np.ndarray:
        """As the classifier said."""
        return recordings.events.columns[self.column]


def trained(seeds: Sequence[int]) -> dict[str, RecoilVae | RecoilClassifier]:
    """Every model, by the name of its column."""
    vaes = {f"elbo {high:g} {seed}": train_vae(high, seed=seed) for high in TRAINED for seed in seeds}
    return vaes | {f"odds {seed}": train_classifier(seed=seed) for seed in seeds}


def scored(
    models: Models,
    sources: Source | Sequence[Source],
    n: int,
    seed: int,
    changed: Callable[[Recordings], Recordings] = lambda events: events,
) -> tuple[dict[str, np.ndarray], float]:
    """What all models say of n deposits that are in the window, and the part of them that is."""
    parts = []
    for chunk in iter_tpc(draw_deposits(sources, n, seed=seed), seed=seed, chunk=10_000):
        events = changed(in_window(chunk))
        said = {
            name: model.negative_elbo(events) if isinstance(model, RecoilVae) else model.log_odds(events)
            for name, model in models.items()
        }
        parts.append(said | {"energy": events.events.columns["energy"]})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return columns, len(columns["energy"]) / n


def everything(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Raw scores of all samples, "sample/column", and the expected numbers, "sample/expected"."""
    models, flat = trained(seeds), SOURCES["flat_er"].within(1, 14)
    er = [SOURCES[name].within(1, 14) for name in ELECTRONIC]
    nr = [SOURCES[name].within(3, 80) for name in NUCLEAR]
    wimps = {f"{m} GeV": wimp_source(m, CROSS_SECTION).within(3, 80) for m in MASSES}
    found: dict[str, np.ndarray] = {}
    for number, (name, sources, n) in enumerate(
        [
            ("standard", flat, 20_000),
            ("er", er, 460_000),
            ("nr", nr, 20_000),
            *((k, w, 25_000) for k, w in wimps.items()),
        ]
    ):
        columns, kept = scored(models, sources, n, 40 + number)
        total = sum(s.spectrum.total() for s in (sources if isinstance(sources, list) else [sources]))
        expected = EXPOSURE * total * kept
        found |= {f"{name}/{k}": v for k, v in columns.items()} | {f"{name}/expected": np.array(expected)}
        print(f"{name}: {len(columns['energy']):,} events, {expected:.1f} expected", flush=True)
    for number, (name, change) in enumerate({"pairs": pairs, "doubles": doubles}.items()):
        columns, _ = scored(models, flat, 15_000, 60 + number, change)
        found |= {f"{name}/{k}": v for k, v in columns.items()} | {f"{name}/expected": np.array(OTHERS[name])}
    return found


def scan(found: Mapping[str, np.ndarray], high: float, along: str | None, seed: int) -> np.ndarray:
    """Median Z of each signal at each R and cut, for one training."""
    function = AnomalyFunction(Known(f"elbo {high:g} {seed}"), Known(f"odds {seed}"), along=along)

    def sample(name: str) -> Recordings:
        return Recordings(
            Events({k.split("/")[1]: v for k, v in found.items() if k.startswith(f"{name}/") and np.ndim(v)})
        )

    function.fit(sample("standard"))

    def pool(name: str, uncertainty: float = 0.0) -> Pool:
        terms = function.terms(sample(name))
        return Pool(name, {"elbo": terms[:, 0], "h_b": terms[:, 1]}, float(found[f"{name}/expected"]), uncertainty)

    learned, thrown = zip(split(pool("er", 0.03), 0.4, 0.6), split(pool("nr", 0.3), 0.4, 0.6), strict=True)
    result = tune(
        learned,
        thrown,
        [pool(name) for name in (*(f"{m} GeV" for m in MASSES), *OTHERS)],
        lambda columns, ratio: combine(np.column_stack([columns["elbo"], columns["h_b"]]), ratio),
        RATIOS,
        KEEPS,
        n=1000,
        seed=seed,
    )
    return result.z[..., 1]


def main() -> None:
    """Score once, scan every training, and print Z with its error over the trainings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scores", type=Path, help="where the raw scores are kept, and read if they are there")
    given = parser.parse_args()
    seeds = range(1, given.seeds + 1)
    if given.scores is not None and given.scores.exists():
        found = dict(np.load(given.scores))
    else:
        found = everything(seeds)
        if given.scores is not None:
            np.savez(given.scores, allow_pickle=False, **found)
    for high in TRAINED:
        for along in ALONG:
            z = np.array([scan(found, high, along, seed) for seed in seeds])
            print(f"\n−ELBO learned on 1–{high:g} keV, standardised along {along}")
            print(table(z), flush=True)


def table(z: np.ndarray) -> str:
    """Median Z of each signal and cut against R, and what the best R gains over H_B alone; errors over trainings."""
    names = (*(f"{m} GeV" for m in MASSES), *OTHERS)
    heads = [f"R = {ratio:g}" for ratio in RATIOS]
    lines = ["| signal | keep | " + " | ".join(heads) + " | best R | gain |", "|---" * (len(heads) + 4) + "|"]
    mean, many = z.mean(axis=0), np.sqrt(len(z))
    for i, name in enumerate(names):
        for k, keep in enumerate(KEEPS):
            best = int(mean[i, :, k].argmax())
            gain = z[:, i, best, k] - z[:, i, -1, k]
            error = z[:, i, :, k].std(axis=0, ddof=1) / many
            cells = [f"{m:.2f} ± {e:.2f}" for m, e in zip(mean[i, :, k], error)]
            last = f"{gain.mean():+.2f} ± {gain.std(ddof=1) / many:.2f}"
            lines.append(f"| {name} | {keep:g} | " + " | ".join(cells) + f" | {RATIOS[best]:g} | {last} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
