import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError, TooFewEventsError
from serendip.stats.uniformity import uniformity


def p_of(z):
    return stats.norm.sf(z)


def gaussian(n=300, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def test_uniform_p_values_pass_nearly_always():
    passed = [uniformity(p_of(gaussian(seed=seed))).uniform for seed in range(200)]
    assert np.mean(passed) > 0.95


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (p_of(gaussian() + 0.5), "too small on average"),
        (p_of(gaussian() - 0.5), "too large on average"),
        (p_of(1.5 * gaussian()), "too often extreme"),
        (p_of(0.6 * gaussian()), "too rarely extreme"),
        (p_of(np.sign(gaussian())), "their shape differs"),
    ],
)
def test_says_how_p_values_fail(p, words):
    result = uniformity(p)
    assert not result.uniform
    assert words in result.verdict


def test_errors_match_the_spread_of_repeats():
    results = [uniformity(p_of(gaussian(100, seed))) for seed in range(300)]
    assert np.std([r.mean_z for r in results]) == pytest.approx(results[0].mean_z_error, rel=0.2)
    assert np.std([r.sd_z for r in results]) == pytest.approx(results[0].sd_z_error, rel=0.2)


def test_p_of_one_keeps_z_finite():
    assert np.isfinite(uniformity(np.ones(20)).mean_z)


def test_prints_its_figures():
    assert "300 p-values" in str(uniformity(p_of(gaussian())))


def test_refuses_p_of_zero():
    with pytest.raises(InputError, match=r"\(k \+ 1\) / \(n \+ 1\)"):
        uniformity(np.zeros(20))


def test_refuses_few_p_values():
    with pytest.raises(TooFewEventsError, match="9 events in the p values"):
        uniformity(np.full(9, 0.5))
