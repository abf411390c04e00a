import numpy as np
import pytest
from scipy import ndimage, stats

from serendip.errors import InputError
from serendip.stats.look_elsewhere import gross_vitells, poisson_interval, upcrossings

LENGTH, SIGMA = 1000, 5.0  # a field smoothed by a Gaussian of SIGMA has correlation exp(-d² / 4 SIGMA²)


def gaussian_field(rows, seed):
    white = np.random.default_rng(seed).normal(size=(rows, LENGTH))
    smooth = ndimage.gaussian_filter1d(white, SIGMA, axis=1, mode="wrap", truncate=6)
    return smooth / np.sqrt(1 / (2 * SIGMA * np.sqrt(np.pi)))


def rice(level):
    """Upcrossings of a stationary Gaussian field: length / 2π · √(second spectral moment) · exp(−level²/2)."""
    return LENGTH / (2 * np.pi) / (np.sqrt(2) * SIGMA) * np.exp(-(level**2) / 2)


def test_counts_upcrossings_by_hand():
    scans = np.array([[0.0, 2.0, 0.0, 2.0, 2.0], [2.0, 0.0, 0.0, 0.0, 0.0]])
    assert upcrossings(scans, 1.0).tolist() == [2, 0]


def test_upcrossings_match_rice():
    counted = upcrossings(gaussian_field(400, 0), 0.5)
    assert counted.mean() == pytest.approx(rice(0.5), abs=5 * counted.std() / 20 + 0.01 * rice(0.5))


def test_global_p_of_z_matches_the_closed_form():
    result = gross_vitells(5.0, gaussian_field(300, 1))
    closed = stats.norm.sf(5.0) + rice(5.0)
    assert result.global_p.p == pytest.approx(closed, rel=0.05)
    assert result.trials == pytest.approx(closed / stats.norm.sf(5.0), rel=0.05)
    assert result.local_p.z == pytest.approx(5.0)


def test_global_p_matches_brute_force_where_it_can_be_reached():
    maxima = gaussian_field(20_000, 2).max(axis=1)
    for z in (3.5, 4.0):
        reached = np.mean(maxima > z)
        bound = gross_vitells(z, gaussian_field(200, 3)).global_p.p
        assert bound == pytest.approx(reached, rel=0.25)
        assert bound > reached - 3 * np.sqrt(reached / 20_000)


def test_global_p_of_a_chi2_field_matches_brute_force():
    q = sum(gaussian_field(4000, seed) ** 2 for seed in (4, 5))
    result = gross_vitells(16.0, q[:300], level=2.0, dof=2)
    assert result.global_p.p == pytest.approx(np.mean(q.max(axis=1) > 16.0), rel=0.25)
    assert result.local_p.p == pytest.approx(stats.chi2.sf(16.0, 2))


def test_two_sided_q_and_z_agree_up_to_the_second_side():
    z = gaussian_field(300, 6)
    one, two = gross_vitells(5.0, z, level=1.0), gross_vitells(25.0, z**2, level=1.0, dof=1)
    assert two.global_p.p == pytest.approx(2 * one.global_p.p, rel=0.1)


def test_interval_of_the_observed_scan_alone_covers_the_truth():
    truth, fields = stats.norm.sf(4.0) + rice(4.0), gaussian_field(300, 7)
    intervals = np.array([gross_vitells(4.0, field[None]).global_p.interval for field in fields])
    covered = np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
    assert covered >= 0.68


def test_no_upcrossing_takes_the_upper_limit():
    result = gross_vitells(4.0, np.zeros((10, 50)), level=1.0)
    assert result.upcrossings == 0.0
    assert result.global_p.p == result.global_p.interval[1] > result.local_p.p


def test_a_small_excess_has_a_global_p_of_at_most_one():
    result = gross_vitells(0.6, gaussian_field(10, 8))
    assert result.global_p.p == 1.0
    assert np.isfinite(result.global_p.z)


def test_a_huge_excess_keeps_z_finite():
    assert gross_vitells(60.0, gaussian_field(10, 9)).global_p.z == pytest.approx(59.9, abs=0.1)


def test_poisson_interval_matches_garwood():
    assert poisson_interval(0, 0.9)[1] == pytest.approx(2.3026, abs=1e-4)
    assert poisson_interval(3, 0.9) == pytest.approx((0.8177, 7.7537), abs=1e-4)


def test_refuses_a_level_above_the_observation():
    with pytest.raises(InputError, match=r"Got level=0\.5"):
        gross_vitells(0.2, np.zeros((2, 3)))


def test_refuses_scans_that_are_not_finite():
    with pytest.raises(InputError, match="not finite"):
        gross_vitells(3.0, np.full((2, 3), np.nan))
