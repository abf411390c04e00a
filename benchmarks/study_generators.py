"""Judge flows that were trained on 100,000 to 500,000 events of correlated Gaussian mixtures, as arXiv:2511.09118 does.

python -m benchmarks.study_generators run [FOLDER] [--only REGEX]
python -m benchmarks.study_generators table [FOLDER]

The truth is the reference, 10,000 generated events are the data; null toys are fresh draws from the truth. Counts are fixed.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.study_records import Records, Row, table
from serendip.score.densities import make_density
from serendip.seeds import rng_for
from serendip.simulate.gaussian_mixture import GaussianMixture, correlated_mixture
from serendip.stats.calibration import calibrate
from serendip.stats.sample_tests import Sample, make_test

DIMENSIONS, TRAINED_ON = (4, 8, 12, 16, 20, 30), (100_000, 200_000, 500_000)
REFERENCE, DATA, NULL, REPEATED, CENTRES = 100_000, 10_000, 100, 20, 1000
PENALTY = 1e-10  # as published
EPOCHS = {100_000: 30, 200_000: 20, 500_000: 10}  # about as many steps for each
FLOW = "spline_coupling"
WIDE, WIDE_IN = {"blocks": 8, "hidden": 64}, (4, 8, 12)  # the default has 4 blocks of 32 units


def judged(d: int, trained_on: int, **settings: int) -> Row:
    """Train one flow; t of its samples and of null toys, for σ at the 90 % quantile of the distances."""
    truth = correlated_mixture(d, seed=1)
    flow = make_density(FLOW, seed=1, epochs=EPOCHS[trained_on], **settings).fit(
        truth.sample(trained_on, rng_for(1, "training", d))
    )
    generated = flow.sample(REPEATED * DATA, seed=2)
    held_out = truth.sample(20_000, rng_for(1, "held out", d))
    gap = float(np.mean(truth.log_prob(held_out) - flow.log_prob(held_out)))
    return judge(truth, [generated[i * DATA : (i + 1) * DATA] for i in range(REPEATED)], d) | {"kl": gap}


def judge(truth: GaussianMixture, samples: list[np.ndarray], d: int) -> Row:
    """Z of each sample, by the χ² fitted to the null toys and by the toys alone."""
    test = make_test("nplm", centres=CENTRES, penalty=PENALTY)
    prepared = test.prepare(Sample(truth.sample(REFERENCE, rng_for(1, "reference", d))), DATA, seed=1)
    toys = [Sample(truth.sample(DATA, rng_for(1, "null", i))) for i in range(NULL)]
    null = np.concatenate([prepared.statistics(toys[i : i + 20])[:, 0] for i in range(0, NULL, 20)])
    t = prepared.statistics([Sample(x) for x in samples])[:, 0]
    found = [calibrate(float(value), null, seed=1) for value in t]
    chi2 = found[0].chi2
    return {
        "z_chi2": float(np.median([one.chi2_p.z for one in found])) if chi2 else None,
        "z_toys": float(np.median([one.p.z for one in found])),
        "reached": float(np.median([np.mean(null >= value) for value in t])),
        "dof": chi2.dof if chi2 else None,
        "ks_p": chi2.ks_p if chi2 else None,
        "t": float(np.median(t)),
    }


def main() -> None:
    """Run what is not done, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/study"))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    records = Records(given.folder / "generators.jsonl", ("case", "d", "trained_on"), given.only)
    if given.what == "run":
        for trained_on in TRAINED_ON:
            for d in DIMENSIONS:
                key = {"case": f"{d}/{trained_on}", "d": d, "trained_on": trained_on}
                records.measure(key, lambda d=d, n=trained_on: judged(d, n))
        for d in WIDE_IN:
            largest = TRAINED_ON[-1]
            key = {"case": f"{d}/{largest}/wide", "d": d, "trained_on": largest}
            records.measure(key, lambda d=d, n=largest: judged(d, n, **WIDE))
    columns = {name: lambda row, name=name: row[name] for name in ("z_chi2", "z_toys", "dof", "ks_p", "kl", "cpu")}
    print(table(records.rows(), ("case",), columns, {"kl": 4, "cpu": 0}))


if __name__ == "__main__":
    main()
