"""Every test of the registry, with toys and combination as in a search: p uniform without a signal, small with one."""

import numpy as np
import pytest

from serendip.seeds import rng_for
from serendip.stats.combination import combine
from serendip.stats.sample_tests import TESTS, Sample, make_test
from serendip.stats.sample_tests.null_statistics import null_statistics, observed_statistics
from serendip.stats.sample_tests.toys import IndependentDraws, Permutation
from serendip.stats.uniformity import uniformity

TOYS = 19
EXPERIMENTS = 40  # KS at p = 0.01 tells a distance of 0.25 from uniform
MANY = 400  # and one of 0.08
FASTER = {"c2st": {"folds": 3}, "nplm_network": {"epochs": 40}, "sliced_wasserstein": {"directions": 10}}
EVERY = sorted(TESTS)


def configured(name):
    return make_test(name, **FASTER.get(name, {}))


def simulate(rng, n):
    """A Gaussian and an exponential, correlated."""
    z = rng.normal(size=n)
    return Sample(np.stack([z, rng.exponential(1 + z**2 / 2)], axis=1))


def shifted(rng, n):
    sample = simulate(rng, n)
    return Sample(sample.x + np.array([1.5, 1.0]))


def permuted(name, seed, toys, data=simulate):
    """The p of a sample of 60 events against 300, by permutation."""
    rng = rng_for(seed, "permuted")
    source = Permutation(data(rng, 60), simulate(rng, 300), seed=seed)
    test = configured(name)
    observed = observed_statistics(test, None, source, source.data, seed=seed)
    return combine(observed, null_statistics(test, None, source, range(toys), seed=seed)).p.p


def drawn(name, seed, toys, data=simulate, redraw=0):
    """The p of a sample of about 60 events against 300, by Poisson toys from the simulator."""
    rng = rng_for(seed, "drawn")
    reference, sample = simulate(rng, 300), data(rng, int(rng.poisson(60)))
    source = IndependentDraws(simulate, 60, redraw=redraw, seed=seed)
    test = configured(name)
    prepared = test.prepare(reference, 60.0, seed=seed)
    observed = observed_statistics(test, prepared, source, sample, seed=seed)
    return combine(observed, null_statistics(test, prepared, source, range(toys), seed=seed)).p.p


def redrawn(name, seed, toys):
    return drawn(name, seed, toys, redraw=300)


def p_values(chain, name, experiments, toys=TOYS):
    """p-values of background-only samples, each somewhere between two steps of its toys."""
    p = np.array([chain(name, seed, toys) for seed in range(experiments)])
    return p - rng_for(0, "between").random(experiments) / (toys + 1)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("chain", [permuted, drawn])
def test_p_is_uniform_without_a_signal(chain, name):
    result = uniformity(p_values(chain, name, EXPERIMENTS))
    assert result.uniform, result


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("chain", [permuted, drawn])
def test_finds_an_obvious_shift(chain, name):
    assert chain(name, 0, 99, shifted) <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("chain", [permuted, drawn, redrawn])
def test_p_of_many_samples_is_uniform(chain, name):
    result = uniformity(p_values(chain, name, MANY))
    assert result.uniform, result
