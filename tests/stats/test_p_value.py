import math

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.stats.p_value import (
    PValue,
    asymptotic_p_value,
    clopper_pearson,
    p_from_z,
    p_value_from_log,
    toy_p_value,
    z_from_log_p,
    z_from_p,
)


@pytest.mark.parametrize("z", [-3.0, 0.0, 1.64, 5.0, 20.0])
def test_z_and_p_are_inverse(z):
    assert z_from_p(p_from_z(z)) == pytest.approx(z, abs=1e-9)


def test_five_sigma_is_the_usual_number():
    assert p_from_z(5.0) == pytest.approx(2.8665e-7, rel=1e-4)


def test_z_stays_finite_where_p_underflows():
    assert z_from_log_p(-1e4) == pytest.approx(141.380, abs=1e-3)  # z²/2 + ln(z √2π) = 1e4
    assert z_from_log_p(stats.norm.logsf(100.0)) == pytest.approx(100.0, rel=1e-12)
    assert p_value_from_log(-1e4, "x").p > 0
    assert asymptotic_p_value(50.0).z == 50.0


def test_z_stays_finite_for_p_of_one():
    assert math.isfinite(z_from_p(1.0))
    assert z_from_log_p(0.0) == pytest.approx(z_from_p(1.0))


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1])
def test_refuses_what_is_no_p(p):
    with pytest.raises(InputError, match="expected 0 < p <= 1"):
        z_from_p(p)


@pytest.mark.parametrize("log_p", [0.1, -math.inf, math.nan])
def test_refuses_what_is_no_log_p(log_p):
    with pytest.raises(InputError, match="ln p"):
        z_from_log_p(log_p)


def test_clopper_pearson_matches_scipy_inside():
    ci = stats.binomtest(7, 100).proportion_ci(0.682689492137086, method="exact")
    assert clopper_pearson(7, 100) == pytest.approx((ci.low, ci.high))


def test_clopper_pearson_covers_at_least_its_level():
    n, p = 50, 0.07
    k = np.arange(n + 1)
    inside = [low <= p <= high for low, high in (clopper_pearson(int(i), n) for i in k)]
    assert stats.binom.pmf(k, n, p) @ inside >= 0.6827


def test_clopper_pearson_is_one_sided_at_its_ends():
    assert clopper_pearson(0, 1000)[0] == 0.0
    assert clopper_pearson(0, 1000)[1] == pytest.approx(-math.log(1 - 0.6827) / 1000, rel=1e-2)
    assert clopper_pearson(1000, 1000)[1] == 1.0


def test_refuses_more_successes_than_trials():
    with pytest.raises(InputError, match="Got k=3 of n=2"):
        clopper_pearson(3, 2)


def test_no_toy_reaching_is_an_upper_limit_and_printed_so():
    p = toy_p_value(0, 999)
    assert p.p == pytest.approx(1e-3)
    assert p.is_limit
    assert str(p).startswith("p < 0.0011")
    assert p.z_interval[1] is None


def test_every_toy_reaching_keeps_z_finite():
    assert math.isfinite(toy_p_value(100, 100).z)


def test_interval_of_z_holds_z():
    low, high = toy_p_value(12, 1000).z_interval
    assert low < toy_p_value(12, 1000).z < high


def test_a_formula_has_an_interval_without_width():
    p = asymptotic_p_value(3.0)
    assert isinstance(p, PValue)
    assert p.interval == (p.p, p.p)
    assert "toys" not in str(p)
