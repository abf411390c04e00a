import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn.base import clone
from tests.score.semi.toy_areas import HIGH, LOW, known_posterior, resolution, toy_areas

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.energy import EnergyPosterior

FAST = {"epochs": 12, "batch": 256, "hidden": 32, "learning_rate": 1e-2, "seed": 1}


@pytest.fixture(scope="module")
def posterior():
    recordings, energy, position = toy_areas(12_000, 1)
    return EnergyPosterior(**FAST).fit(recordings, energy, position)


def test_mean_and_variance_are_those_of_the_known_posterior(posterior):
    recordings, *_ = toy_areas(4000, 2)
    mean, variance = posterior.mean_and_variance(recordings)
    true_mean, true_sd = known_posterior(recordings.events.columns["energy"])
    inside = np.abs(recordings.events.columns["energy"] - 52.0) < 40
    assert np.abs((mean - true_mean)[inside] / true_sd[inside]).mean() < 0.15
    assert np.median(np.sqrt(variance)[inside] / true_sd[inside]) == pytest.approx(1.0, abs=0.05)


def test_posterior_means_stay_within_the_prior_at_its_edge(posterior):
    recordings, *_ = toy_areas(1000, 3, energy=HIGH)
    mean, variance = posterior.mean_and_variance(recordings)
    assert np.all(mean < HIGH)
    assert mean.mean() < HIGH - 0.3 * resolution(HIGH)
    assert np.median(np.sqrt(variance)) < 0.8 * resolution(HIGH)


def test_density_of_the_energy_is_that_of_its_draws_and_has_integral_one(posterior):
    recordings = toy_areas(40, 4)[0]
    grid = np.linspace(LOW - 1, HIGH + 1, 4001)
    density = np.exp(posterior.log_posterior(recordings, grid))
    assert trapezoid(density, grid, axis=1) == pytest.approx(1.0, abs=0.01)
    assert np.all(density[:, (grid <= LOW) | (grid >= HIGH)] == 0)
    mean, variance = posterior.mean_and_variance(recordings)
    of_density = trapezoid(density * grid, grid, axis=1) / trapezoid(density, grid, axis=1)
    assert of_density == pytest.approx(mean, abs=0.05)
    draws = posterior.sample(recordings, 400, seed=2)[:, :, 0]
    assert np.abs((draws.mean(axis=1) - mean) / np.sqrt(variance / 400)).max() < 4.5


def test_ranks_of_true_values_among_draws_are_uniform(posterior):
    recordings, energy, position = toy_areas(4000, 5)
    draws = posterior.sample(recordings, 49)
    truth = np.column_stack([energy, position])
    ranks = (draws < truth[:, None]).sum(axis=1)
    # In 10 classes; the network is small, so that a flat histogram within 15 % is all that can be asked.
    for rank in ranks.T:
        counts = np.bincount(rank // 5, minlength=10)
        assert np.abs(counts / 400 - 1).max() < 0.25


def test_draws_hold_the_places_where_places_were_learned(posterior):
    recordings, _, position = toy_areas(500, 6)
    draws = posterior.sample(recordings, 20)
    assert draws.shape == (500, 20, 4)
    assert (draws[:, :, 1:] - position[:, None]).std() == pytest.approx(np.sqrt(2), rel=0.1)


def test_same_seed_gives_the_same_bits(posterior):
    recordings, energy, _ = toy_areas(1000, 7)
    fits = [clone(posterior).set_params(epochs=1).fit(recordings, energy) for _ in range(2)]
    one, other = (fit.mean_and_variance(recordings)[0] for fit in fits)
    np.testing.assert_array_equal(one, other)
    assert fits[0].sample(recordings, 2, seed=1).shape == (len(recordings), 2, 1)


def test_a_saved_posterior_says_the_same(posterior, tmp_path):
    recordings = toy_areas(300, 8)[0]
    posterior.save(tmp_path / "energy.npz")
    again = EnergyPosterior.load(tmp_path / "energy.npz")
    np.testing.assert_array_equal(again.mean_and_variance(recordings), posterior.mean_and_variance(recordings))
    np.testing.assert_array_equal(again.sample(recordings, 2), posterior.sample(recordings, 2))


def test_refuses_energies_outside_the_prior():
    recordings, energy, _ = toy_areas(1000)
    with pytest.raises(InputError, match=r"energy: Got .* expected values from 1.0 to 50 keV"):
        EnergyPosterior(high=50).fit(recordings, energy)
    with pytest.raises(InputError, match="low, high"):
        EnergyPosterior(low=50, high=50).fit(recordings, energy)


def test_refuses_what_it_cannot_learn_from(posterior):
    recordings, energy, _ = toy_areas(1000)
    with pytest.raises(InputError, match="energy: Got 999 entries"):
        EnergyPosterior().fit(recordings, energy[1:])
    with pytest.raises(TooFewEventsError):
        EnergyPosterior().fit(recordings[:400], energy[:400])
    with pytest.raises(InputError, match="n: Got 0"):
        posterior.sample(recordings, 0)
