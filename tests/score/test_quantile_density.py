import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from serendip.errors import InputError, TooFewEventsError
from serendip.score.densities import make_density


def moving(n=30_000, seed=1, shift=0.5):
    """Two dependent features, skewed, that move and widen with a falling mass."""
    rng = np.random.default_rng(seed)
    m = 2.0 + rng.exponential(1.0, n)
    a = rng.gamma(3.0, 1.0, n)
    b = rng.normal(size=n) + 0.5 * a
    return np.column_stack([a * (1 + 0.1 * m) + shift * m, b + shift * m]), m


def test_the_latent_does_not_know_the_mass():
    x, m = moving()
    z = make_density("quantiles").fit(x, m).to_latent(x, m)
    for low, high in ((2, 2.5), (2.5, 3.5), (3.5, 9)):
        inside = (m > low) & (m < high)
        assert np.abs(z[inside].mean(axis=0)).max() < 0.05
        assert z[inside].std(axis=0) == pytest.approx([1, 1], abs=0.06)


def test_a_steep_trend_is_not_smeared_where_events_are_few():
    x, m = moving(shift=3.0)
    tail = m > np.quantile(m, 0.95)
    z = make_density("quantiles").fit(x, m).to_latent(x, m)[tail, 1]
    assert abs(np.corrcoef(z, m[tail])[0, 1]) < 0.1
    assert z.std() == pytest.approx(1, abs=0.06)


def test_the_dependence_between_features_stays():
    x, m = moving()
    z = make_density("quantiles").fit(x, m).to_latent(x, m)
    assert stats.spearmanr(z[:, 0], z[:, 1]).statistic > 0.4


def test_log_prob_is_a_density_and_latent_comes_back():
    x, m = moving()
    density = make_density("quantiles").fit(x[:, :1], m)
    grid = np.linspace(-5, 60, 4001)
    total = trapezoid(np.exp(density.log_prob(grid[:, None], np.full(4001, 3.0))), grid)
    assert total == pytest.approx(1, abs=0.01)
    assert np.allclose(density.from_latent(density.to_latent(x[:, :1], m), m), x[:, :1], atol=1e-6)


def test_a_window_left_out_is_interpolated():
    x, m = moving(60_000)
    inside = (m > 2.8) & (m < 3.2)
    drawn = make_density("quantiles").fit(x[~inside], m[~inside]).sample(m[inside], seed=2)
    for i in range(2):
        assert stats.ks_2samp(drawn[:, i], x[inside, i]).pvalue > 0.01


def test_pairs_of_opposite_weight_cancel():
    x, m = moving(10_000)
    extra = x[:1000] + 10
    w = np.concatenate([np.ones(11_000), -np.ones(1000)])
    plain = make_density("quantiles").fit(x, m)
    both = make_density("quantiles").fit(np.concatenate([x, extra, extra]), np.concatenate([m, m[:1000], m[:1000]]), w)
    assert np.abs(plain.to_latent(x, m) - both.to_latent(x, m)).mean() < 0.03


def test_names_what_is_wrong():
    x, m = moving(1000)
    with pytest.raises(TooFewEventsError, match="density sample"):
        make_density("quantiles").fit(x[:50], m[:50])
    with pytest.raises(InputError, match="NaN"):
        make_density("quantiles").fit(np.where(x > 5, np.nan, x), m)
    with pytest.raises(InputError, match="the other way"):
        make_density("quantiles").fit(x, m).log_prob(x)
