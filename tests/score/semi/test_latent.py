import numpy as np
import pytest
from tests.score.semi.toy_recordings import toy_recordings

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.latent import energy_plane, latent_energy_score, latent_plane, predictive_quantities
from serendip.score.semi.recoil_summaries import RecoilSummaries
from serendip.score.semi.recoil_vae import RecoilVae


def curved(n=1500, seed=0, noise=0.05):
    """A latent space that knows ln E along a bent line, shifted for nuclear recoils, and two numbers that know nothing."""
    rng = np.random.default_rng(seed)
    energy, is_nr = np.exp(rng.uniform(0, 4, n)), rng.random(n) < 0.35
    t = np.log(energy) - 2 - 0.3 * is_nr + noise * rng.normal(size=n)
    return np.column_stack([t + 0.2 * t**2, np.tanh(t) - is_nr, *rng.normal(size=(2, n))]), energy, is_nr


def test_the_energy_is_found_for_both_kinds():
    score = latent_energy_score(*curved())
    assert score["er"].r2 > 0.99
    assert score["nr"].r2 > 0.98
    assert score["er"].spread == pytest.approx(0.05, abs=0.015)
    assert score["nr"].rank > 0.9


def test_a_latent_space_that_knows_nothing_scores_nothing():
    latent, energy, is_nr = curved()
    score = latent_energy_score(latent[:, 2:], energy, is_nr)
    assert abs(score["er"].r2) < 0.05
    assert abs(score["nr"].rank) < 0.15


def test_energies_must_be_above_zero_and_both_kinds_there():
    latent, energy, is_nr = curved(400)
    with pytest.raises(InputError, match="energies of 0 or less"):
        latent_energy_score(latent, 0 * energy, is_nr)
    with pytest.raises(TooFewEventsError, match="nuclear recoils"):
        latent_energy_score(latent, energy, is_nr & (energy > 40))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_plane_keeps_neighbours_together(method):
    latent, energy, _ = curved(120)
    plane = latent_plane(latent[:, :2], method)
    distance = np.linalg.norm(plane[:, None] - plane, axis=2) + 1e9 * np.eye(120)
    step = np.log(energy)[distance.argmin(axis=1)] - np.log(energy)
    assert np.median(np.abs(step)) < 0.15
    assert np.array_equal(plane, latent_plane(latent[:, :2], method))


def test_the_energy_plane_has_the_energy_along_its_first_axis():
    latent, energy, is_nr = curved()
    plane = energy_plane(latent, energy, is_nr)
    er = plane[~is_nr]
    assert np.corrcoef(er[:, 0], np.log(energy[~is_nr]))[0, 1] > 0.95
    assert abs(np.corrcoef(plane.T)[0, 1]) < 0.2


def test_an_unknown_plane_is_named():
    with pytest.raises(InputError, match="Did you mean 'tsne'"):
        latent_plane(np.zeros((10, 3)), "t-sne")
    with pytest.raises(InputError, match="at least 2"):
        latent_plane(np.zeros((10, 1)))


class Doubling(RecoilVae):
    """Draws twice each summary."""

    def simulate(self, like, seed=0):
        return 2 * self.summaries_.values(like)


def test_a_check_draws_from_other_events_than_it_compares_with():
    er = toy_recordings(201, 1, 0.0)
    vae = Doubling()
    vae.summaries_ = RecoilSummaries(modes=2).fit(er)
    found = predictive_quantities(vae, er)
    assert tuple(found) == vae.summaries_.names
    data, drawn = found["log S1"]
    assert np.allclose(data, np.log1p(er.s1[::2].sum(axis=1)), rtol=1e-5)
    assert np.allclose(drawn, 2 * np.log1p(er.s1[1::2].sum(axis=1)), rtol=1e-5)
