import pickle

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import kstest
from sklearn.base import clone

from serendip.errors import ConfigError, FitError, InputError, TooFewEventsError
from serendip.score.densities import make_density
from serendip.score.flow_density import FlowDensity
from serendip.score.quantile_map import QuantileMap

FAST = {"blocks": 2, "hidden": 8, "layers": 1, "epochs": 8, "batch": 128, "learning_rate": 1e-2}


def sidebands(n=4000, seed=0):
    """A feature with a hard edge that moves with the mass, and one with a long tail that depends on it."""
    rng = np.random.default_rng(seed)
    m = 2.0 + rng.exponential(1.0, n)
    edge = m + rng.exponential(1.0, n)
    tail = np.exp(0.5 * rng.normal(size=n) + 0.3 * (edge - m))
    return np.column_stack([100 * edge, tail]), m


@pytest.fixture(scope="module")
def density():
    return make_density("maf", seed=1, **FAST).fit(*sidebands())


@pytest.mark.parametrize("name", ["maf", "spline_maf", "spline_coupling"])
def test_names_of_flows(name):
    density = make_density(name, seed=3, blocks=2)
    assert (density.flow, density.blocks, density.seed) == (name, 2, 3)
    with pytest.raises(ConfigError, match=r"density.block: .*Did you mean 'blocks'"):
        make_density(name, block=2)


def test_draws_are_like_the_events_learned_from(density):
    x, m = sidebands(seed=5)
    drawn = density.sample(m, seed=2)
    for found, true in zip(drawn.T, x.T, strict=True):
        assert kstest(found, true).statistic < 0.05
    lift = [np.corrcoef(features[:, 0] - 100 * m, np.log(features[:, 1]))[0, 1] for features in (drawn, x)]
    assert lift[0] == pytest.approx(lift[1], abs=0.08)


def test_few_draws_lie_beyond_the_edge(density):
    _, m = sidebands(seed=5)
    drawn = density.sample(m, seed=2)
    assert np.mean(drawn[:, 0] < 100 * m - 10) < 0.01


def test_latent_is_standard_normal_at_every_mass(density):
    x, m = sidebands(seed=6)
    z = density.to_latent(x, m)
    for part in (m < 2.5, m > 3.5):
        assert np.abs(z[part].mean(axis=0)).max() < 0.12
        assert np.abs(z[part].std(axis=0) - 1).max() < 0.12


def test_latent_and_back(density):
    x, m = sidebands(500, seed=6)
    np.testing.assert_allclose(density.from_latent(density.to_latent(x, m), m), x, rtol=1e-3)


def test_density_integrates_to_one_in_the_units_of_the_features(density):
    a, b = np.linspace(100, 2500, 600), np.geomspace(1e-3, 300, 600)
    x = np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)
    p = np.exp(density.log_prob(x, np.full(len(x), 3.0))).reshape(600, 600)
    assert trapezoid(trapezoid(p, a, axis=1), b) == pytest.approx(1, abs=0.05)


def test_events_far_from_all_others_are_finite_and_improbable(density):
    x, m = sidebands(200, seed=6)
    near = density.log_prob(x, m)
    for far in (x * 1e3, x - 1e5, x + 1e9):
        assert np.isfinite(density.log_prob(far, m)).all()
        assert density.log_prob(far, m).max() < near.min()
        assert np.isfinite(density.to_latent(far, m)).all()
    assert np.array_equal(density.log_prob(x, np.full(200, 1e6)), density.log_prob(x, np.full(200, 1e9)))


def test_same_seed_same_bits_and_pickle_and_file(density, tmp_path):
    x, m = sidebands(300, seed=6)
    expected = density.log_prob(x, m)
    assert np.array_equal(clone(density).fit(*sidebands()).log_prob(x, m), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(density)).log_prob(x, m), expected)
    density.save(tmp_path / "density.npz")
    loaded = FlowDensity.load(tmp_path / "density.npz")
    assert np.array_equal(loaded.log_prob(x, m), expected)
    assert np.array_equal(loaded.sample(m, 4), density.sample(m, 4))
    assert loaded.get_params() == density.get_params()
    assert not np.array_equal(density.sample(m, 4), density.sample(m, 5))


def test_pairs_of_opposite_weight_cancel(density):
    x, m = sidebands()
    extra, extra_m = sidebands(1000, seed=8)
    moved = extra + np.array([500.0, 5.0])  # a strange sample, taken away again
    w = np.concatenate([np.ones(len(m)), np.ones(1000), -np.ones(1000)])
    paired = clone(density).fit(np.concatenate([x, moved, moved]), np.concatenate([m, extra_m, extra_m]), w)
    test_x, test_m = sidebands(seed=9)
    assert paired.log_prob(test_x, test_m).mean() == pytest.approx(density.log_prob(test_x, test_m).mean(), abs=0.15)


def test_without_a_mass():
    x, _ = sidebands()
    density = make_density("spline_coupling", **FAST | {"epochs": 3}).fit(x)
    assert density.sample(50).shape == (50, 2)
    np.testing.assert_allclose(density.from_latent(density.to_latent(x[:50])), x[:50], rtol=1e-3)
    assert np.array_equal(pickle.loads(pickle.dumps(density)).log_prob(x[:50]), density.log_prob(x[:50]))
    with pytest.raises(InputError, match="Got a mass, but the fit had it the other way"):
        density.log_prob(x, np.ones(len(x)))


def test_bad_input_is_named():
    x, m = sidebands(400)
    density = make_density("maf", **FAST)
    with pytest.raises(TooFewEventsError, match="density sample"):
        density.fit(x[:50], m[:50])
    with pytest.raises(InputError, match="NaN"):
        density.fit(np.where(x == x[3], np.nan, x), m)
    with pytest.raises(InputError, match="feature 1 constant"):
        density.fit(np.column_stack([x[:, 0], np.ones(400)]), m)
    with pytest.raises(InputError, match="weights that cancel"):
        density.fit(x, m, np.where(np.arange(400) % 2 == 0, 1.0, -1.0))
    with pytest.raises(ConfigError, match=r"density.flow: Got flow 'mfa'"):
        FlowDensity("mfa").fit(x, m)
    assert issubclass(InputError, ValueError)
    assert not issubclass(FitError, InputError)


def test_quantile_map_makes_marginals_normal_and_can_be_undone():
    x, m = sidebands(20_000)
    t = (m - m.mean()) / m.std()
    quantiles = QuantileMap.fit(x, None, np.ones(len(x)), 32)
    z, log_det = quantiles.forward(x, t)
    for column in z.T:
        assert kstest(column, "norm").statistic < 0.01
    np.testing.assert_allclose(quantiles.inverse(z, t), x, rtol=1e-9)
    step = 1e-6 * x
    slopes = (quantiles.forward(x + step, t)[0] - quantiles.forward(x - step, t)[0]) / (2 * step)
    np.testing.assert_allclose(np.log(slopes).sum(axis=1), log_det, atol=1e-3)


def test_quantiles_follow_the_mass_and_never_cross():
    x, m = sidebands(20_000)
    t = (m - m.mean()) / m.std()
    moving = QuantileMap.fit(x, t, np.ones(len(x)), 9, 2.0)
    assert moving.trend[0] == pytest.approx(100 * m.std(), rel=0.1)
    ends = moving.knots[:, :, None] + moving.trend[:, :, None] * np.array([t.min(), t.max()])
    assert (np.diff(ends, axis=1) > 0).all()


def test_values_that_many_events_share_do_no_harm():
    rng = np.random.default_rng(0)
    x, m = sidebands(2000)
    x[rng.random(2000) < 0.3, 1] = 0.0
    counts = rng.poisson(2.0, (2000, 1)).astype(float)
    x = np.concatenate([x, counts], axis=1)
    density = make_density("maf", **FAST | {"epochs": 2}).fit(x, m)
    assert np.isfinite(density.log_prob(x, m)).all()
    assert np.mean(np.abs(density.sample(m)[:, 1]) < 0.05) == pytest.approx(0.3, abs=0.1)
