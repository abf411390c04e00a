"""τ − Δ on the published one-dimensional benchmark: 2000 events of 8 e^{−8x}, of which the yield is uncertain by 15 %.

Published (arXiv:2111.13633, by networks): events thrown 15 % up, and no signal, give Z = 5.74 by τ and −0.19 by τ − Δ.
"""

import numpy as np
import pytest
from scipy import stats

from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.nuisance_draws import NuisanceDraws
from serendip.stats.sample_tests.nuisances import Normalisation, scale
from serendip.stats.sample_tests.tau_delta import PreparedNuisanceNPLM, with_nuisances
from serendip.stats.uniformity import uniformity

EXPECTED, RATE = 2000.0, 8.0
KERNEL = KernelNPLM(widths=(0.3,), centres=1000, penalty=1e-6, standardise=False)
NORM = Normalisation("norm", 0.15)


def exponential(n: int, task: str) -> Sample:
    return Sample(rng_for(3, task).exponential(1 / RATE, (n, 1)))


def tau_and_difference(prepared: PreparedNuisanceNPLM, pool: Sample, nu: tuple[float, ...], toys: int, seed: int):
    draws = NuisanceDraws(prepared.nuisances, pool, EXPECTED, nu, seed=seed)
    fits = [prepared.explain(draws.toy(i).sample) for i in range(toys)]
    return np.array([fit.tau[0] for fit in fits]), np.array([fit.statistic[0] for fit in fits])


def z(t: np.ndarray, null: np.ndarray) -> float:
    """Of the median toy, by the χ² of the null's mean."""
    return float(-stats.norm.ppf(stats.chi2.sf(np.median(t), null.mean())))


def test_a_shifted_yield_alarms_tau_and_not_tau_minus_delta():
    prepared = with_nuisances(KERNEL, (NORM,)).prepare(exponential(50_000, "reference"), EXPECTED)
    pool = exponential(100_000, "pool")
    null_tau, null = tau_and_difference(prepared, pool, (0.0,), 60, 0)
    tau, difference = tau_and_difference(prepared, pool, (1.0,), 60, 1)
    assert z(tau, null_tau) > 5
    assert abs(z(difference, null)) < 1


@pytest.mark.slow
@pytest.mark.parametrize("nu", [(-2.0, 2.0), (-1.0, 1.0), (1.0, -1.0), (2.0, -2.0)])
def test_p_of_tau_minus_delta_is_uniform_at_shifted_yield_and_scale(nu):
    reference, pool = exponential(200_000, "reference"), exponential(500_000, "pool")
    prepared = with_nuisances(KERNEL, (NORM, scale("scale", 0, 0.05, reference))).prepare(reference, EXPECTED)
    null_tau, null = tau_and_difference(prepared, pool, (0.0, 0.0), 300, 0)
    tau, t = tau_and_difference(prepared, pool, nu, 300, 1)
    p = (1 + (null[None] >= t[:, None]).sum(axis=1)) / (len(null) + 1)
    assert stats.ks_2samp(t, null).pvalue > 0.01
    assert abs(uniformity(p).mean_z) < 0.3
    assert stats.ks_2samp(tau, null_tau).pvalue < 1e-6
