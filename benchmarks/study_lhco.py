"""Does the search find the LHC Olympics signal, and nothing where there is none? Draws of the signal, and retrained toys.

    python -m benchmarks.study_lhco draws --draws 10      # local Z of each draw, best window (about 2 s a draw)
    python -m benchmarks.study_lhco settings --draws 10   # what cheaper settings of the trees cost in Z
    python -m benchmarks.study_lhco folds --draws 300     # why the spread of Z is above 1
    python -m benchmarks.study_lhco toys RUN_FOLDER       # Z of the background-only toys of a run

The first three read the events of examples/lhco.yaml; the last any finished run of it.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from serendip.config import load_config
from serendip.run.folder import RunFolder
from serendip.run.task import done_indices, load_result
from serendip.search.prepare import prepared
from serendip.search.scan import Scan, anomalies, draw_toy, fit_scan, observed_task
from serendip.seeds import seed_for
from serendip.select.cross_fit import fold_numbers
from serendip.select.cuts import passes_cut

EXAMPLE = Path(__file__).parents[1] / "examples" / "lhco.yaml"
SIGNAL_WINDOW = (3300.0, 3700.0)
SETTINGS = ((10, 30, 31), (10, 15, 31), (6, 15, 31), (4, 15, 31), (4, 15, 16), (2, 10, 16))


def scan_of_data(overrides: list[str]) -> tuple[Scan, list[tuple[float, float]], float]:
    """The scan of one draw, its windows, and the seconds it took."""
    config = load_config(EXAMPLE, overrides)
    p = prepared(config.analysis())
    begin = time.perf_counter()
    tasks = [observed_task(config.analysis(), i) for i in range(len(p.windows))]
    scan = fit_scan(p, *(np.stack([task[key] for task in tasks]) for key in ("counts", "variances")))
    return scan, [(w.low, w.high) for w in p.windows], time.perf_counter() - begin


def draws(count: int) -> None:
    """Local Z in the signal's window and the best window, draw by draw."""
    table = []
    for draw in range(1, count + 1):
        scan, windows, _ = scan_of_data([f"data.inject.seed={draw}", f"seed={draw}"])
        here = windows.index(SIGNAL_WINDOW)
        best = windows[scan.best[1]]
        table.append([*scan.z[0, here], scan.largest_z])
        print(
            f"draw {draw:2d}: Z at 1 % {scan.z[0, here, 0]:5.2f}, at 0.2 % {scan.z[0, here, 1]:5.2f}; best window {best}"
        )
    low, median, high = np.quantile(table, [0.16, 0.5, 0.84], axis=0)
    for name, *values in zip(("Z at 1 %", "Z at 0.2 %", "largest Z"), median, low, high, strict=True):
        print("{}: median {:.2f} (68 % of draws {:.2f} to {:.2f})".format(name, *values))


def trees(members: int, iterations: int, leaves: int, bins: int = 127) -> list[str]:
    """Overrides that set the size of the trees."""
    sizes = {"members": members, "iterations": iterations, "leaves": leaves, "bins": bins}
    return [f"method.classifier.{key}={value}" for key, value in sizes.items()]


def z_of_draws(count: int, overrides: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Local Z in the signal's window, (draws, cuts), and the seconds of each scan, (draws,)."""
    z, seconds = [], []
    for draw in range(1, count + 1):
        scan, windows, took = scan_of_data([f"data.inject.seed={draw}", f"seed={draw}", *overrides])
        z.append(scan.z[0, windows.index(SIGNAL_WINDOW)])
        seconds.append(took)
    return np.array(z), np.array(seconds)


def median_and_error(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over draws, for each cut; the error as for a normal distribution, where the median's is 1.25 of the mean's."""
    return np.median(z, axis=0), 1.25 * z.std(axis=0, ddof=1) / np.sqrt(len(z))


def settings(count: int) -> None:
    """Median Z and time of the scan for cheaper trees."""
    for size in SETTINGS:
        z, seconds = z_of_draws(count, trees(*size))
        (one, two), error = median_and_error(z)
        print(
            "{} members × {} trees × {} leaves: ".format(*size)
            + f"median Z {one:.2f} ± {error[0]:.2f} (1 %), {two:.2f} ± {error[1]:.2f} (0.2 %); "
            f"{np.median(seconds):.2f} s a scan of 10 windows × 5 folds",
            flush=True,
        )


def toys(path: str) -> None:
    """Mean and spread of Z over the toys, by window and cut, and of the largest."""
    folder = RunFolder.at(path)
    z = np.array([load_result(folder, "toys", i)["z"] for i in done_indices(folder, "toys")])  # type: ignore[index]
    z = np.where(np.isfinite(z), z, np.nan)
    n = len(z)
    np.set_printoptions(precision=2, suppress=True, linewidth=140)
    scanned = ~np.isnan(z[0, 0])
    for j in range(z.shape[3]):
        used = z[:, 0, scanned[:, j], j]
        print(f"cut {j + 1}: mean Z by window {used.mean(0)}")
        print(f"       sd of Z by window {used.std(0, ddof=1)}")
    everything = z[:, :, scanned].reshape(n, -1)
    largest = np.nanmax(z.reshape(n, -1), axis=1)
    print(f"{n} toys: mean Z {everything.mean():.3f} ± {everything.mean(1).std(ddof=1) / np.sqrt(n):.3f}")
    print(f"mean over cells of the sd of Z {everything.std(0, ddof=1).mean():.3f} ± {1 / np.sqrt(2 * n):.3f} a cell")
    print(
        f"largest Z: median {np.median(largest):.2f}, 95 % below {np.quantile(largest, 0.95):.2f}, "
        f"largest {largest.max():.2f}"
    )


def folds(count: int) -> None:
    """Why Z spreads by more than 1: excesses of different folds are correlated, since each trains the others' models.

    Pulls of the selected events in the signal's window, fold by fold, in toys where the true efficiency is known.
    """
    config = load_config(EXAMPLE, ["data.inject.signal=0"])
    p = prepared(config.analysis())
    method, window, cut = (
        config.method[0],
        p.windows[[w.low for w in p.windows].index(SIGNAL_WINDOW[0])],
        config.cuts[0],
    )
    pulls = np.empty((count, method.folds))
    for i in range(count):
        toy = draw_toy(p, i)
        inside = window.contains(toy.m)
        selected = passes_cut(anomalies(p, toy, method, window, "toys", i), cut)
        fold = fold_numbers(toy.rows, method.folds, seed_for(config.seed, f"toys/{method.title}/{window}", i))
        for k in range(method.folds):
            expected = cut * np.sum(inside & (fold == k))
            pulls[i, k] = (np.sum(selected & inside & (fold == k)) - expected) / np.sqrt(expected)
    rho = np.corrcoef(pulls.T)[np.triu_indices(method.folds, 1)]
    whole = pulls.sum(1) / np.sqrt(method.folds)
    print(
        f"{count} toys, {method.folds} folds, cut {cut:g}: mean pull {pulls.mean():.3f} ± {whole.std() / count**0.5:.3f}"
    )
    print(f"sd of one fold's pull {pulls.std(0, ddof=1).mean():.3f} ± {1 / np.sqrt(2 * pulls.size):.3f}")
    print(f"correlation of two folds {rho.mean():.3f} ± {rho.std(ddof=1) / np.sqrt(len(rho)):.3f}")
    print(f"sd of all folds together {whole.std(ddof=1):.3f} ± {whole.std(ddof=1) / np.sqrt(2 * count):.3f}")


def main() -> None:
    """Choose a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["draws", "settings", "folds", "toys"])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--draws", type=int, default=10)
    given = parser.parse_args()
    if given.study == "toys":
        toys(given.folder)
    else:
        {"draws": draws, "settings": settings, "folds": folds}[given.study](given.draws)


if __name__ == "__main__":
    main()
