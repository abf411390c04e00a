import numpy as np
import pytest
from scipy import stats

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.stats._kernels_bump_hunter import deviance, deviance_needed, log_poisson_tail
from serendip.stats.bump_hunter import bump_hunt, bump_statistic


def spectrum(bins=30, scale=200.0):
    return scale * np.exp(-4 * np.arange(bins) / bins)


def brute_t(counts, background, widths, step=1, side_bands=None):
    """Every window with scipy's Poisson tail, in plain loops."""
    best, margin = 0.0, side_bands or 0
    for width in widths:
        for low in range(margin, len(counts) - margin - width + 1, step):
            n, b = counts[low : low + width].sum(), background[low : low + width].sum()
            if side_bands is not None:
                b *= (counts.sum() - n) / (background.sum() - b)
            if n > b > 0:
                best = max(best, -stats.poisson.logsf(n - 1, b))
    return best


@pytest.mark.parametrize(("n", "b"), [(1, 0.01), (3, 2.9), (15, 4.0), (16, 4.0), (200, 120.5), (40_000, 39_500.0)])
def test_poisson_tail_matches_scipy(n, b):
    assert log_poisson_tail(float(n), b) == pytest.approx(stats.poisson.logsf(n - 1, b), rel=1e-10)


def test_poisson_tail_does_not_underflow():
    assert log_poisson_tail(5000.0, 10.0) == pytest.approx(stats.poisson.logpmf(5000, 10.0), rel=1e-4)


def test_the_bound_never_spares_a_window_that_could_win():
    rng = np.random.default_rng(0)
    b = 10 ** rng.uniform(-3, 6, 20_000)
    n = np.ceil(b + np.sqrt(b) * rng.exponential(3, b.size))
    n += n <= b
    for n_i, b_i in zip(n, b):
        assert deviance(n_i, b_i) > deviance_needed(-log_poisson_tail(n_i, b_i))


@pytest.mark.parametrize("side_bands", [None, 0, 3])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_batched_t_equals_plain_loops(side_bands, step, scale):
    background = spectrum(scale=scale)
    counts = np.random.default_rng(2).poisson(background, (20, 30))
    t = bump_statistic(counts, background, step=step, side_bands=side_bands)
    expected = [brute_t(row, background, range(1, 16), step, side_bands) for row in counts]
    np.testing.assert_allclose(t, expected, rtol=1e-9)


def test_finds_the_window_of_an_injected_bump():
    counts, edges = spectrum().round(), np.linspace(0.0, 300.0, 31)
    counts[12:15] += 60
    result = bump_hunt(counts, spectrum(), edges, toys=200)
    assert result.bins == (12, 15)
    assert result.window == Window(edges[12], edges[15])
    assert result.local_p.p == pytest.approx(np.exp(-result.t))
    assert result.global_p.is_limit
    assert result.observed - result.expected == pytest.approx(180, abs=3)


def test_one_histogram_and_many_give_the_same_t():
    background = spectrum()
    counts = np.random.default_rng(3).poisson(background)
    result = bump_hunt(counts, background, np.arange(31.0), toys=10)
    assert result.t == bump_statistic(counts[None], background)[0] == result.window_t.max()


def test_global_p_is_uniform_under_the_background():
    background = spectrum(scale=1000.0)
    t = bump_statistic(np.random.default_rng(4).poisson(background, (400, 30)), background)
    toy_t = bump_hunt(background, background, np.arange(31.0), toys=2000).toy_t
    p = np.mean(toy_t[None] >= t[:, None], axis=1)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_toys_depend_on_the_seed_but_not_on_their_number():
    background, edges = spectrum(), np.arange(31.0)
    first, more, other = (
        bump_hunt(background, background, edges, toys=n, seed=seed).toy_t for n, seed in [(50, 1), (1500, 1), (50, 2)]
    )
    np.testing.assert_array_equal(first, more[:50])
    assert not np.array_equal(first, other)


def test_no_excess_gives_t_zero_and_p_one():
    result = bump_hunt(np.zeros(30), spectrum(), np.arange(31.0), toys=50)
    assert result.t == 0.0
    assert result.local_p.p == 1.0
    assert np.isfinite(result.global_p.z)


def test_an_impossible_excess_keeps_t_and_z_finite():
    counts = spectrum().round()
    counts[5] += 1e5
    result = bump_hunt(counts, spectrum(), np.arange(31.0), toys=20)
    assert 1e5 < result.t < 1e6
    assert np.isfinite(result.local_p.z)
    assert result.local_p.z > 500


def test_empty_background_bins_are_never_a_window_of_their_own():
    background, counts = spectrum(), spectrum().round()
    background[[0, 10, 11]] = 0
    counts[[0, 10, 11]] = 5
    result = bump_hunt(counts, background, np.arange(31.0), widths=(1, 2, 1), toys=20)
    assert not any((low, high) in [(10.0, 11.0), (11.0, 12.0), (10.0, 12.0)] for low, high in result.windows)
    assert result.windows.min() == 1.0


def test_side_bands_absorb_a_wrong_normalisation():
    counts = (3 * spectrum()).round()
    assert bump_statistic(counts[None], spectrum())[0] > 100
    assert bump_statistic(counts[None], spectrum(), side_bands=0)[0] < 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": -np.ones(30)}, "counts with 30 negative"),
        ({"background": np.full(30, np.nan)}, "background with 30 negative or non-finite"),
        ({"background": np.zeros(30)}, "without any event"),
        ({"widths": (0, 3, 1)}, "smallest width"),
        ({"widths": (31, 40, 1)}, "at least one window to fit"),
        ({"side_bands": 15}, "at least one window to fit"),
        ({"step": 0}, "Got step=0"),
        ({"toys": 0}, "Got toys=0"),
    ],
)
def test_refuses_what_cannot_be_scanned(change, message):
    arguments = {"counts": spectrum(), "background": spectrum(), "edges": np.arange(31.0), "toys": 10} | change
    with pytest.raises(InputError, match=message):
        bump_hunt(**arguments)
