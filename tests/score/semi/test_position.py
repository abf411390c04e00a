import numpy as np
import pytest
from sklearn.base import clone

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.position import LightResponse, PositionReconstruction, weighted_centroid

DISTANCE, FLOOR = 7.0, 0.15  # cm to the tubes; part of the light that comes from everywhere
TUBE = 3.81  # cm, the radius of a 3-inch tube


def lattice(radius=60.0, pitch=8.0):
    """A hexagonal array, cm."""
    i, j = (a.ravel() for a in np.mgrid[-20:21, -20:21])
    places = pitch * np.column_stack([i + 0.5 * j, np.sqrt(0.75) * j])
    return places[np.hypot(*places.T) <= radius]


PMTS = lattice()


def draw(n, light, seed=0, radius=60.0):
    """Patterns of about `light` PE from places spread evenly over the disc, and these places."""
    rng = np.random.default_rng(seed)
    r, phi = radius * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    xy = np.column_stack([r * np.cos(phi), r * np.sin(phi)])
    away = np.hypot(*(xy[:, None] - PMTS).transpose(2, 0, 1))
    share = (1 + (away / DISTANCE) ** 2) ** -1.5
    share = (1 - FLOOR) * share / share.sum(axis=1, keepdims=True) + FLOOR / len(PMTS)
    return rng.poisson(light * share).astype(np.float32), xy


@pytest.fixture(scope="module")
def fitted():
    return PositionReconstruction(PMTS).fit(*draw(3000, 500))


def off(fitted, pattern, xy):
    return fitted.predict(pattern) - xy


@pytest.mark.parametrize(("light", "limit"), [(60, TUBE), (300, 1.0), (5000, 0.3)])
def test_is_better_than_a_tube_s_radius_and_gains_with_light(fitted, light, limit):
    assert np.sqrt((off(fitted, *draw(1000, light, seed=1)) ** 2).sum(axis=1).mean()) < limit * np.sqrt(2)


def test_is_far_better_than_the_centroid(fitted):
    pattern, xy = draw(1000, 300, seed=1)
    centroid = weighted_centroid(pattern, PMTS) - xy
    assert (off(fitted, pattern, xy) ** 2).mean() < 0.05 * (centroid**2).mean()


@pytest.mark.parametrize("light", [100, 1000])
def test_the_resolution_it_gives_is_the_one_it_has(fitted, light):
    pattern, xy = draw(2000, light, seed=1)
    pulls = off(fitted, pattern, xy) / fitted.resolution(pattern)[:, None]
    assert 0.9 < np.percentile(np.abs(pulls), 68.27) < 1.1


def test_is_not_pulled_inwards_at_the_wall(fitted):
    pattern, xy = draw(6000, 1000, seed=1)
    outer = np.hypot(*xy.T) > 55
    inwards = np.hypot(*xy[outer].T) - np.hypot(*fitted.predict(pattern[outer]).T)
    assert abs(inwards.mean()) < 0.4
    assert np.mean(np.hypot(*xy[outer].T) - np.hypot(*weighted_centroid(pattern[outer], PMTS).T)) > 5


def test_learns_how_the_light_falls_with_distance():
    learned = LightResponse.learn(*draw(4000, 2000), PMTS)
    log, slope = learned.at(np.array([2.0, 6.0, 12.0, 20.0]))
    share = (1 + (np.array([2.0, 6.0, 12.0, 20.0]) / DISTANCE) ** 2) ** -1.5
    np.testing.assert_allclose(log - log[0], np.log((share + 0.003) / (share[0] + 0.003)), atol=0.15)
    assert (slope < 0).all()


def test_a_tube_that_is_dead_costs_little(fitted):
    pattern, xy = draw(1000, 500, seed=1)
    pattern[:, 40] = 0
    places = fitted.predict(pattern)
    assert np.isfinite(places).all()
    assert np.median(np.hypot(*(places - xy).T)) < 1


def test_an_event_without_light_gets_a_place_and_a_wide_spread(fitted):
    dark = np.zeros((2, len(PMTS)), np.float32)
    dark[1] = -0.5
    assert np.isfinite(fitted.predict(dark)).all()
    assert (fitted.resolution(dark) > 5).all()


def test_the_size_of_the_light_does_not_matter_and_neighbours_do_not_either(fitted):
    pattern, _ = draw(50, 500, seed=2)
    np.testing.assert_allclose(fitted.predict(3 * pattern), fitted.predict(pattern), atol=0.05)
    np.testing.assert_allclose(fitted.predict(pattern[:5]), fitted.predict(pattern)[:5], atol=0.05)


def test_comes_back_from_its_file_bit_for_bit(fitted, tmp_path):
    pattern, _ = draw(50, 500, seed=2)
    fitted.save(tmp_path / "position.npz")
    again = PositionReconstruction.load(tmp_path / "position.npz")
    np.testing.assert_array_equal(again.predict(pattern), fitted.predict(pattern))
    np.testing.assert_array_equal(again.resolution(pattern), fitted.resolution(pattern))


def test_refuses_what_does_not_fit(fitted):
    pattern, xy = draw(600, 100)
    with pytest.raises(InputError, match=f"expected {len(PMTS)}, as many as have a place"):
        fitted.predict(pattern[:, 1:])
    with pytest.raises(InputError, match="xy: Got shape"):
        clone(fitted).fit(pattern, xy[:5])
    with pytest.raises(InputError, match="NaN"):
        clone(fitted).fit(pattern, np.full_like(xy, np.nan))
    with pytest.raises(TooFewEventsError, match="at least 500"):
        clone(fitted).fit(pattern[:400], xy[:400])
