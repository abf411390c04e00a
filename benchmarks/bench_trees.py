"""Fifty boosted-tree members on the LHCO sample: Serendip, scikit-learn and LightGBM side by side.

Run `python -m benchmarks.bench_trees` with SERENDIP_DATA set and `serendip[bench]` installed. The task is the
idealised one (data with S/√B ≈ 2.2 in 3.3–3.7 TeV against background, four features); each library fits 50 members
of 30 iterations and 31 leaves on random halves and scores the other events, in two processes of one thread.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.ensemble import HistGradientBoostingClassifier

from serendip.nets import Trees, bin_features
from serendip.seeds import rng_for

MEMBERS, ITERATIONS, LEAVES, BINS, PROCESSES = 50, 30, 31, 63, 2


def lhco() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, 4), dijet mass in GeV (n,), and which events are signal (n,)."""
    folder = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[2] / "shared" / "data")
    with h5py.File(folder / "lhco" / "lhco_rnd_100k.features.h5") as file:
        frame = file["df"]
        names = [name.decode() for name in frame["block0_items"][:]]
        c = dict(zip(names, frame["block0_values"][:].T, strict=True))
    p = [np.array([c[f"p{axis}j{j}"] for axis in "xyz"]) for j in (1, 2)]
    energy = sum(np.sqrt((p[j - 1] ** 2).sum(0) + c[f"mj{j}"] ** 2) for j in (1, 2))
    mass = np.sqrt(energy**2 - ((p[0] + p[1]) ** 2).sum(0))
    light = c["mj1"] < c["mj2"]
    tau21 = [c[f"tau2j{j}"] / np.maximum(c[f"tau1j{j}"], 1e-9) for j in (1, 2)]
    mj = np.sort([c["mj1"], c["mj2"]], axis=0)
    x = [mj[0], mj[1] - mj[0], np.where(light, *tau21), np.where(light, *tau21[::-1])]
    return np.column_stack(x), mass, c["label"] > 0


def idealised_task(draw: int) -> tuple[np.ndarray, ...]:
    """Training features and labels, and test features and truth; all in the window, background shared evenly."""
    x, mass, is_signal = lhco()
    inside = (mass >= 3300) & (mass < 3700)
    rng = rng_for(0, "benchmark draw", draw)
    background = rng.permutation(np.flatnonzero(inside & ~is_signal))
    signal = rng.permutation(np.flatnonzero(inside & is_signal))
    data, reference, test = np.array_split(background, 3)
    injected = int(2.2 * np.sqrt(len(data)))
    train = np.concatenate([data, signal[:injected], reference])
    y = np.arange(len(train)) < len(data) + injected
    order = rng.permutation(len(train))
    held = np.concatenate([test, signal[injected:]])
    return x[train[order]], y[order], x[held], is_signal[held]


def cwola_task(draw: int) -> tuple[np.ndarray, ...]:
    """The same for the window against its sidebands, trained on four fifths, tested on the last and unused signal."""
    x, mass, is_signal = lhco()
    inside = (mass >= 3300) & (mass < 3700)
    rng = rng_for(0, "benchmark draw", draw)
    background = rng.permutation(np.flatnonzero(~is_signal & (mass >= 2800)))
    signal = rng.permutation(np.flatnonzero(inside & is_signal))
    fit, held_out = np.split(background, [len(background) * 4 // 5])
    injected = int(0.8 * 2.2 * np.sqrt(inside[background].sum()))
    train = rng.permutation(np.concatenate([fit, signal[:injected]]))
    held = np.concatenate([held_out, signal[injected:]])
    return x[train], inside[train], x[held], is_signal[held]


def max_sic(score: np.ndarray, truth: np.ndarray, least: int = 25) -> float:
    """Largest ε_S / √ε_B over cuts that leave at least 25 background events."""
    order = np.argsort(-score, kind="stable")
    b = np.cumsum(~truth[order])
    s = np.cumsum(truth[order])
    kept = b >= least
    return float(np.max((s[kept] / s[-1]) / np.sqrt(b[kept] / b[-1])))


def balance(y: np.ndarray) -> np.ndarray:
    return np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))


def halves(member: int, n: int) -> np.ndarray:
    return rng_for(0, "trees", member).random(n) < 0.5


def serendip_part(codes, y, test, members: int, seed: int) -> np.ndarray:
    trees = Trees(members=members, iterations=ITERATIONS, leaves=LEAVES, seed=seed).fit(codes, y)
    return members * trees.score(test)


def with_serendip(pool: Parallel, x, y, test) -> np.ndarray:
    binned = bin_features(x, BINS)
    other = binned.bin(test)
    parts = [MEMBERS // PROCESSES] * PROCESSES
    return sum(pool(delayed(serendip_part)(binned, y, other, k, seed) for seed, k in enumerate(parts))) / MEMBERS


def scikit_learn_member(x, y, test, member: int) -> np.ndarray:
    rows = halves(member, len(x))
    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS, max_leaf_nodes=LEAVES, max_bins=BINS, early_stopping=False, random_state=member
    )
    return model.fit(x[rows], y[rows], balance(y)[rows]).decision_function(test)


def with_scikit_learn(pool: Parallel, x, y, test) -> np.ndarray:
    return sum(pool(delayed(scikit_learn_member)(x, y, test, k) for k in range(MEMBERS))) / MEMBERS


def lightgbm_part(x, y, test, members: range) -> np.ndarray:
    import lightgbm

    settings = {"objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.1, "num_threads": 1, "verbose": -1}
    settings |= {"max_bin": BINS, "bagging_fraction": 0.5, "bagging_freq": ITERATIONS + 1}
    data = lightgbm.Dataset(x, y, weight=balance(y), params=settings).construct()
    models = (lightgbm.train(settings | {"bagging_seed": k}, data, ITERATIONS) for k in members)
    return sum(model.predict(test, raw_score=True, num_threads=1) for model in models)


def with_lightgbm(pool: Parallel, x, y, test) -> np.ndarray:
    parts = np.array_split(np.arange(MEMBERS), PROCESSES)
    return sum(pool(delayed(lightgbm_part)(x, y, test, part) for part in parts)) / MEMBERS


LIBRARIES = {"serendip": with_serendip, "scikit-learn": with_scikit_learn, "lightgbm": with_lightgbm}


@contextmanager
def processes() -> Iterator[Parallel]:
    """The pool that all libraries share."""
    with parallel_config("loky", n_jobs=PROCESSES, inner_max_num_threads=1), Parallel() as pool:
        yield pool


def warm_up(ensemble: Callable[..., np.ndarray], pool: Parallel, x, y, test, *_: np.ndarray) -> None:
    """A small ensemble: starts the processes, loads machine code."""
    ensemble(pool, x[:2000], y[:2000], test[:100])


def compare(task, draws: int = 5) -> dict[str, tuple[float, float]]:
    """Seconds (best of the draws) and mean max SIC of each library."""
    result = {}
    with processes() as pool:
        for library, ensemble in LIBRARIES.items():
            warm_up(ensemble, pool, *task(0))
            seconds, sics = [], []
            for draw in range(draws):
                x, y, test, truth = task(draw)
                start = time.perf_counter()
                score = ensemble(pool, x, y, test)
                seconds.append(time.perf_counter() - start)
                sics.append(max_sic(score, truth))
            result[library] = min(seconds), float(np.mean(sics))
    return result


def main() -> None:
    for name, task in {"idealised": idealised_task, "cwola": cwola_task}.items():
        x, y, test, _ = task(0)
        print(f"{name}: {len(x)} events to fit ({y.sum()} in class 1), {len(test)} to score, {MEMBERS} members")
        result = compare(task)
        ours = result["serendip"][0]
        for library, (seconds, sic) in result.items():
            print(f"  {library:14s} {seconds:7.2f} s  {seconds / ours:5.1f} x  max SIC (25 events) {sic:.2f}")


if __name__ == "__main__":
    main()
