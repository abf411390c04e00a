import numpy as np
import pytest
from scipy import stats

from serendip.data import Events
from serendip.errors import InputError
from serendip.run.nulls import DensitySampler, MassShuffle, ReferenceBootstrap
from serendip.score.densities import make_density
from serendip.seeds import rng_for


def sample(n=5000, **weights):
    rng = rng_for(1, "nulls")
    m = rng.exponential(500.0, n) + 2000
    return Events({"a": m + rng.normal(size=n), "b": rng.normal(size=n)}, m=m, **weights)


def test_a_mass_shuffle_follows_the_given_spectrum():
    edges = np.linspace(2000, 3000, 11)
    expected = np.linspace(10, 1, 10)
    draws = [MassShuffle(sample(), edges, expected).draw(rng_for(2, "toy", i)) for i in range(20)]
    counts = sum(np.histogram(d.m, edges)[0] for d in draws)
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-3


def test_a_mass_shuffle_breaks_the_dependence_on_the_mass():
    events = sample()
    draw = MassShuffle(events, np.linspace(2000, 5000, 31), np.ones(30)).draw(rng_for(3, "toy"))
    assert abs(stats.spearmanr(events.m, events.columns["a"])[0]) > 0.99
    assert abs(stats.spearmanr(draw.m, events.columns["a"][draw.rows])[0]) < 0.05


def test_a_mass_shuffle_uses_each_event_once_before_any_twice():
    rows = MassShuffle(sample(200), np.array([2000.0, 3000.0]), np.ones(1)).draw(rng_for(4, "toy", 1)).rows
    assert np.bincount(rows, minlength=200).max() <= 1 + (len(rows) > 200)


def test_toy_sizes_are_poisson():
    null = MassShuffle(sample(400), np.array([2000.0, 3000.0]), np.ones(1))
    sizes = np.array([len(null.draw(rng_for(5, "toy", i)).m) for i in range(400)])
    assert abs(sizes.mean() - 400) < 4
    assert 0.8 < sizes.var() / 400 < 1.25


def test_a_bootstrap_keeps_each_event_with_its_mass():
    events = sample()
    draw = ReferenceBootstrap(events, 3000.0).draw(rng_for(6, "toy"))
    assert np.array_equal(draw.m, events.m[draw.rows])


def test_a_bootstrap_draws_in_proportion_to_the_weights():
    w = np.repeat([1.0, 3.0], 2500)
    draw = ReferenceBootstrap(sample(w=w), 20000.0).draw(rng_for(7, "toy"))
    assert abs((draw.rows >= 2500).mean() - 0.75) < 0.02


def test_a_bootstrap_refuses_negative_weights():
    w = np.ones(100)
    w[:7] = -1
    with pytest.raises(InputError, match="Got 7 negative weights"):
        ReferenceBootstrap(sample(100, w=w), 100.0).draw(rng_for(8, "toy"))


def density_null(events, bins=20):
    edges = np.linspace(2000, 6000, bins + 1)
    density = make_density("gaussian").fit(events.x(), events.m, events.w)
    expected = np.maximum(np.histogram(events.m, edges, weights=events.w)[0], 0.0)
    return DensitySampler(events, edges, expected, density)


def test_a_density_null_keeps_the_dependence_on_the_mass():
    events = sample(20_000)
    draw = density_null(events).draw(rng_for(8, "toy"))
    x = draw.sample.x()[draw.rows]
    assert abs(np.corrcoef(draw.m, x[:, 0])[0, 1]) > 0.99
    assert (x[:, 0] - draw.m).std() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(draw.m, x[:, 1])[0, 1]) < 0.03


def test_a_density_null_repeats_no_event_and_follows_the_spectrum():
    events = sample(20_000)
    null = density_null(events)
    draws = [null.draw(rng_for(9, "toy", i)) for i in range(5)]
    assert all(len(np.unique(d.sample.columns["b"])) == len(d.rows) for d in draws)
    assert len(np.unique(np.concatenate([d.sample.columns["b"] for d in draws]))) == sum(len(d.rows) for d in draws)
    counts = sum(np.histogram(d.m, null.edges)[0] for d in draws)
    filled = null.expected > 5
    share = null.expected[filled] / null.expected[filled].sum()
    assert stats.chisquare(counts[filled], share * counts[filled].sum()).pvalue > 1e-3


def test_a_density_toy_of_weighted_events_has_their_sum_and_its_error():
    w = np.where(np.arange(8000) % 4 == 0, -1.0, 2.0)
    events = sample(8000, w=w)
    sums = np.array([density_null(events).draw(rng_for(10, "toy", i)).w.sum() for i in range(100)])
    assert sums.mean() == pytest.approx(w.sum(), rel=0.01)
    assert sums.std() == pytest.approx(np.sqrt(np.sum(w**2)), rel=0.25)
