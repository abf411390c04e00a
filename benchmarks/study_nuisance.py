"""Is τ − Δ blind to the true nuisance, is τ not, and does a signal still show? 1-D exponential, 2000 events expected.

python -m benchmarks.study_nuisance --toys 300 --cases "norm 15 %" --centres 1000 --penalty 1e-6
"""

import argparse
from functools import partial

import numpy as np
from scipy import stats

from serendip.seeds import rng_for
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.nuisance_draws import NuisanceDraws
from serendip.stats.sample_tests.nuisances import Normalisation, ParametricShape, scale
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.sample_tests.tau_delta import with_nuisances

EXPECTED, RATE = 2000.0, 8.0
SHIFTS = (-2.0, -1.0, 0.0, 1.0, 2.0)
SIGNALS = {"none": (0, 0.5, 0.1), "10 at 0.8 ± 0.02": (10, 0.8, 0.02), "90 at 0.2 ± 0.02": (90, 0.2, 0.02)}


def exponential(n: int, task: str) -> Sample:
    return Sample(rng_for(1, task).exponential(1 / RATE, (n, 1)))


def scaled_exponential(x: np.ndarray, nu: float, sigma: float) -> np.ndarray:
    """ln of the density ratio when x → x (1 + νσ)."""
    return RATE * x[:, 0] * nu * sigma / (1 + nu * sigma) - np.log1p(nu * sigma)


def cases(reference: Sample) -> dict[str, tuple]:
    norm = Normalisation("norm", 0.15)
    learned = scale("scale", 0, 0.05, reference)
    formula = ParametricShape("scale", partial(scaled_exponential, sigma=0.05))
    print(f"closure of the learned scale: p {learned.closure.p:.2f}, AUC {learned.closure.auc:.4f}")
    return {
        "norm 15 %": (norm,),
        "scale 5 %, learned": (learned,),
        "norm 15 %, scale 5 % (learned)": (norm, learned),
        "norm 15 %, scale 5 % (formula)": (norm, formula),
    }


def z_by_chi2(t: np.ndarray, null: np.ndarray) -> float:
    """Median Z of t, by the χ² whose mean is that of the null."""
    return float(np.median(-stats.norm.ppf(np.maximum(stats.chi2.sf(t, null.mean()), 1e-300))))


def z_by_toys(t: np.ndarray, null: np.ndarray) -> float:
    """Median Z of t, by counting."""
    p = (1 + (null[None] >= t[:, None]).sum(axis=1)) / (len(null) + 1)
    return float(np.median(-stats.norm.ppf(p)))


def study(name: str, nuisances: tuple, toys: int, kernel: KernelNPLM, reference: Sample, pool: Sample) -> None:
    prepared = with_nuisances(kernel, nuisances).prepare(reference, EXPECTED)
    t, tau, plain = {}, {}, {}
    for seed, shift in enumerate(SHIFTS):
        nu = tuple(shift * (-1) ** i for i in range(len(nuisances)))  # two of opposite sign
        draws = NuisanceDraws(nuisances, pool, EXPECTED, nu, seed=seed)
        samples = [draws.toy(i).sample for i in range(toys)]
        fits = [prepared.explain(sample) for sample in samples]
        tau[shift] = np.array([fit.tau[0] for fit in fits])
        t[shift] = np.array([fit.statistic[0] for fit in fits])
        plain[shift] = prepared.kernel.statistics(samples)[:, 0]
    print(f"\n{name}: {toys} toys at each ν")
    for shift in SHIFTS:
        ks = stats.ks_2samp(t[shift], t[0.0]).pvalue if shift else 1.0
        z = [z_by_chi2(values[shift], values[0.0]) for values in (tau, plain)]
        print(
            f"  ν {shift:+.0f}: τ−Δ mean {t[shift].mean():.2f} ± {t[shift].std() / toys**0.5:.2f}, KS p to ν = 0 {ks:.2f}, "
            f"Z {z_by_toys(t[shift], t[0.0]):+.2f}; τ mean {tau[shift].mean():.1f}, Z {z[0]:.2f}; "
            f"without nuisances t {plain[shift].mean():.1f}, Z {z[1]:.2f}",
            flush=True,
        )
    print(f"  null of τ−Δ: χ² of {t[0.0].mean():.2f}, KS p {stats.kstest(t[0.0], 'chi2', (t[0.0].mean(),)).pvalue:.2f}")
    power(nuisances, prepared, t[0.0], plain[0.0], pool, toys // 3)


def power(nuisances: tuple, prepared, null: np.ndarray, plain_null: np.ndarray, pool: Sample, toys: int) -> None:
    for label, (events, mean, width) in SIGNALS.items():
        draws = NuisanceDraws(nuisances, pool, EXPECTED, seed=99)
        samples = []
        for i in range(toys):
            drawn, rng = draws.toy(i).sample, rng_for(2, "signal", i)
            signal = rng.normal(mean, width, (rng.poisson(events), 1))
            samples.append(Sample(np.vstack([drawn.x, signal]), auxiliary=drawn.auxiliary))
        t, plain = prepared.statistics(samples)[:, 0], prepared.kernel.statistics(samples)[:, 0]
        shares = [np.mean(a > np.quantile(b, 0.977)) for a, b in ((t, null), (plain, plain_null))]
        print(
            f"  signal {label}: median Z {z_by_chi2(t, null):.2f} (without nuisances {z_by_chi2(plain, plain_null):.2f}), "
            f"P(Z ≥ 2) {shares[0]:.2f} ({shares[1]:.2f}), {toys} toys",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", type=int, default=300, help="at each value of ν")
    parser.add_argument("--cases", nargs="*", help="all where not given")
    parser.add_argument("--centres", type=int, default=1000)
    parser.add_argument("--penalty", type=float, default=1e-6)
    given = parser.parse_args()
    kernel = KernelNPLM(widths=(0.3,), centres=given.centres, penalty=given.penalty, standardise=False)
    reference, pool = exponential(200_000, "reference"), exponential(500_000, "pool")
    for name, nuisances in cases(reference).items():
        if not given.cases or name in given.cases:
            study(name, nuisances, given.toys, kernel, reference, pool)


if __name__ == "__main__":
    main()
