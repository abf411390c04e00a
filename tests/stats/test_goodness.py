import numpy as np
import pytest

from serendip.seeds import rng_for
from serendip.stats.goodness import expected_chi2, goodness_p


@pytest.mark.parametrize("mu", [0.05, 0.7, 4.0, 300.0])
def test_the_moments_of_a_cell_are_those_of_toys(mu):
    n = rng_for(1, "cell").poisson(mu, 200_000)
    ratio = 2 * (mu - n + np.where(n > 0, n * np.log(np.maximum(n, 1) / mu), 0.0))
    mean, variance = expected_chi2(np.array([mu]), np.array([True]), 0)
    assert mean == pytest.approx(ratio.mean(), rel=0.02)
    assert variance == pytest.approx(ratio.var(), rel=0.05)


def test_well_filled_cells_give_the_usual_chi_square():
    mean, variance = expected_chi2(np.full(40, 1e5), np.ones(40, dtype=bool), 4)
    assert mean == pytest.approx(36.0, rel=1e-3)
    assert variance == pytest.approx(72.0, rel=1e-3)
    assert goodness_p(36.0, float(mean), float(variance)) == pytest.approx(0.47, abs=0.01)


def test_no_freedom_left_means_p_of_one():
    assert goodness_p(0.0, 0.0, 0.0) == 1.0
