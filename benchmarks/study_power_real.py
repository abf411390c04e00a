"""Power on simulation and on real data, by permutations.

python -m benchmarks.study_power_real higgs     # Higgs events among their background, seven masses
python -m benchmarks.study_power_real cms       # halves agree; a resonance and its side bands do not

Needs the events that `SERENDIP_DATA` holds. `--samples`, `--toys` and `--tests` change what is run.
"""

import argparse
import gzip
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.study_power import LEVELS, TESTS, header, row, share
from serendip.seeds import rng_for
from serendip.stats.combination import combine
from serendip.stats.p_value import z_from_p
from serendip.stats.sample_tests import make_test
from serendip.stats.uniformity import uniformity

DATA = Path(os.environ.get("SERENDIP_DATA", Path(__file__).parents[2] / "shared" / "data"))
MASSES = ("m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb")
ETAS = ("eta1", "eta2")  # their sizes: unlike momenta they hardly move with the mass off the peak
HIGGS_REFERENCE, HIGGS_DATA = 4000, 1000
HIGGS_SIGNALS = (0, 50, 100, 200)
HALF = 1000
PEAK, LOW, HIGH = (9.4, 9.52), (9.1, 9.3), (9.6, 9.7)  # GeV: the Υ(1S), and bands beside it


@dataclass(frozen=True)
class Pool:
    """Data and what they are compared with; the first `data` rows are data."""

    x: np.ndarray
    data: int
    seed: int

    def p(self, name: str, toys: int) -> float:
        """By permutations; of several columns the smallest p, chosen in every toy as well."""
        first = np.arange(len(self.x)) < self.data
        rng = rng_for(self.seed, "study power labels")
        labels = np.stack([first, *(rng.permutation(first) for _ in range(toys))])
        kind, settings = TESTS[name]
        t = make_test(kind, **settings).pooled_statistics(self.x, labels)
        if t.shape[1] > 1:
            return combine(t[0], t[1:], "min-p").p.p
        return float((1 + (t[1:, 0] >= t[0, 0]).sum()) / (toys + 1))


def columns(file: str, names: Sequence[str]) -> np.ndarray:
    """Columns of a file with a header."""
    path = DATA / file
    with gzip.open(path, "rt") as lines:
        known = lines.readline().strip().split(",")
        return np.loadtxt(lines, delimiter=",", usecols=[known.index(name) for name in names])


def higgs(samples: int, toys: int, tests: Sequence[str]) -> None:
    """Each sample draws reference, data and signal anew from 5,163 and 5,821 events: samples share events."""
    x = columns("higgs/higgs_uci_subset.csv.gz", (*MASSES, "label"))
    background, signal = (x[x[:, -1] == label][:, :-1] for label in (0, 1))

    def pool(injected: int, i: int) -> Pool:
        rng = rng_for(i, "study power higgs")
        b, s = rng.permutation(background)[: HIGGS_REFERENCE + HIGGS_DATA], rng.permutation(signal)[:injected]
        return Pool(np.concatenate([s, b]), HIGGS_DATA + injected, i)

    print(
        f"\n{HIGGS_REFERENCE} reference events, {HIGGS_DATA} background events in the data; {samples} samples, {toys} "
    )
    print("permutations each; median Z, P(Z ≥ 2)\n")
    header("test", *(f"{n} signal" for n in HIGGS_SIGNALS), "s a sample")
    for name in tests:
        begin = time.perf_counter()
        found = [[pool(n, i).p(name, toys) for i in range(samples)] for n in HIGGS_SIGNALS]
        spent = (time.perf_counter() - begin) / samples / len(HIGGS_SIGNALS)
        row(
            name,
            *(f"{z_from_p(float(np.median(p))):.2f}, {share(np.array(p), LEVELS[0])}" for p in found),
            f"{spent:.2f}",
        )


def cms(samples: int, toys: int, tests: Sequence[str]) -> None:
    """Random halves of real events, early and late runs, the Υ(1S) against its side bands, and these against each other."""
    x = columns("cms_opendata/peakdata3.csv.gz", (*ETAS, "M", "Run", "Event"))
    events, mass, in_time = np.abs(x[:, :2]), x[:, 2], np.lexsort((x[:, 4], x[:, 3]))
    peak, low, high = (np.flatnonzero((mass > band[0]) & (mass < band[1])) for band in (PEAK, LOW, HIGH))

    def some(chosen: np.ndarray, others: np.ndarray, i: int) -> Pool:
        rng = rng_for(i, "study power cms")
        parts = [rng.choice(part, HALF, replace=False) for part in (chosen, others)]
        return Pool(events[np.concatenate(parts)], HALF, i)

    def halves(i: int) -> Pool:
        order = rng_for(i, "study power halves").permutation(len(events))
        return some(order[::2], order[1::2], i)

    def median(p: np.ndarray) -> str:
        return f"{z_from_p(float(np.median(p))):.2f}, {share(p, LEVELS[0])}"

    print(
        f"\n{HALF} + {HALF} of {len(events)} events, |η| of both muons; {samples} samples, {toys} permutations each\n"
    )
    header("test", "random halves", "early and late runs, median Z, P(Z ≥ 2)", "the side bands", "Υ(1S) and side bands")
    late = len(events) // 2
    pairs = [(in_time[:late], in_time[late:]), (low, high), (peak, np.concatenate([low, high]))]
    cases: list[Callable[[int], Pool]] = [halves, *(partial(some, *pair) for pair in pairs)]
    for name in tests:
        alike, *others = (np.array([case(i).p(name, toys) for i in range(samples)]) for case in cases)
        verdict = uniformity(alike - 0.5 / (toys + 1))  # a p of 1 would count as −8 σ
        row(name, f"{verdict.verdict}, KS p {verdict.ks_p:.2f}, {share(alike, LEVELS[0])}", *map(median, others))


def main() -> None:
    """One study."""
    studies: dict[str, Any] = {"higgs": higgs, "cms": cms}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=studies)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--toys", type=int, default=299)
    parser.add_argument("--tests", nargs="*", default=list(TESTS), choices=TESTS)
    given = parser.parse_args()
    with threadpool_limits(1):
        studies[given.study](given.samples, given.toys, given.tests)


if __name__ == "__main__":
    main()
