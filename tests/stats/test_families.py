import numpy as np
import pytest

from serendip.errors import InputError
from serendip.stats.families import FAMILIES, family_named

EDGES = np.linspace(2000.0, 6000.0, 21)


def test_a_dijet_bin_holds_the_integral_and_not_the_value_at_the_centre():
    design = FAMILIES["dijet"].design(EDGES, 3)
    p0, power, one_minus = 10.0, 5.0, 9.0
    theta = np.linalg.solve(design.to_published, [p0, power, one_minus])
    fine = np.linspace(EDGES[:-1], EDGES[1:], 2001)
    x = 0.5 * (fine[1:] + fine[:-1]) / 13_000
    exact = (np.exp(p0) * (1 - x) ** one_minus / x**power).mean(0) * np.diff(EDGES)
    np.testing.assert_allclose(design.expected(theta), exact, rtol=1e-6)


def test_bernstein_polynomials_with_equal_coefficients_are_flat():
    design = FAMILIES["bernstein"].design(EDGES, 5)
    np.testing.assert_allclose(design.expected(np.full(5, 0.3)), 0.3 * np.diff(EDGES))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_jacobian_is_the_derivative(name):
    family = FAMILIES[name]
    design = family.design(EDGES, family.orders[-1])
    theta = 1.0 + 0.1 * np.arange(family.orders[-1])
    for j, step in enumerate(1e-6 * np.eye(len(theta))):
        slope = (design.expected(theta + step) - design.expected(theta - step)) / 2e-6
        np.testing.assert_allclose(design.jacobian(theta)[:, j], slope, rtol=1e-5, atol=1e-5)


def test_names_what_is_wrong_with_a_family_an_order_or_a_range():
    with pytest.raises(InputError, match="Did you mean 'dijet'"):
        family_named("dijets")
    with pytest.raises(InputError, match="Got order 7 for dijet"):
        FAMILIES["dijet"].design(EDGES, 7)
    with pytest.raises(InputError, match="sqrt_s = 5000"):
        family_named("dijet", sqrt_s=5000.0).design(EDGES, 3)
