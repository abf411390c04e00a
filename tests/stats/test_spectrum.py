import numpy as np
import pytest

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.batched_fit import fit_many
from serendip.stats.precision import float64
from serendip.stats.spectrum import Spectrum, bins_inside, poisson_scale


def test_sums_weights_of_either_sign_and_their_squares():
    spectrum = Spectrum.from_masses(
        np.array([1.5, 1.5, 2.5, 9.0]), np.array([1.0, 2.0, 3.0]), np.array([2.0, -1.0, 0.5, 7.0])
    )
    np.testing.assert_allclose(spectrum.counts, [1.0, 0.5])
    np.testing.assert_allclose(spectrum.variances, [5.0, 0.25])


def test_equal_weights_have_that_weight_as_scale_and_unit_weights_exactly_one():
    counts = rng_for(1, "scale").poisson(np.geomspace(200, 0.1, 30)).astype(float)
    assert (poisson_scale(counts, counts) == 1.0).all()
    np.testing.assert_allclose(poisson_scale(2.5 * counts, 6.25 * counts), 2.5, rtol=1e-9)


@pytest.mark.parametrize("sign", ["positive", "signed"])
def test_weights_that_change_with_mass_leave_pulls_of_unit_width(sign):
    rng, edges, k = rng_for(2, sign), np.linspace(1000.0, 3000.0, 31), 600
    weight = np.geomspace(0.2, 5.0, 30)
    mean = np.full(30, 200.0)
    plus = rng.poisson(mean, (k, 30))
    minus = rng.poisson(0.15 * mean, (k, 30)) if sign == "signed" else np.zeros((k, 30))
    fits = fit_many(weight * (plus - minus), edges, "dijet", 4, variances=weight**2 * (plus + minus))
    truth = weight * mean * (0.85 if sign == "signed" else 1.0)
    part = np.tile(np.arange(30) < 10, (k, 1))
    b, error = fits.sum_over(part)
    pull = (b - truth[:10].sum()) / error
    assert fits.converged.all()
    assert abs(pull.mean()) < 0.2
    assert 0.9 < pull.std() < 1.1
    assert 0.4 < fits.goodness_p.mean() < 0.6


def test_names_the_nearest_edges_for_a_window_between_bins():
    with pytest.raises(InputError, match="The nearest are 2 and 3"):
        bins_inside(np.array([1.0, 2.0, 3.0]), Window(2.2, 3.0))


def test_refuses_weights_that_sum_below_zero():
    with pytest.raises(InputError, match="positive sum"):
        poisson_scale(np.array([-3.0, 1.0]), np.array([3.0, 1.0]))


def test_float64_holds_inside_the_context_only():
    import jax.numpy as jnp

    before = jnp.ones(1).dtype
    with float64():
        assert jnp.ones(1).dtype == jnp.float64
    assert jnp.ones(1).dtype == before
