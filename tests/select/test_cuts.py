import numpy as np
import pytest

from serendip.errors import InputError
from serendip.select.cuts import background_efficiency, passes_cut


def efficiency(score, beside, w=None, seed=0):
    w = np.ones(len(score)) if w is None else w
    return background_efficiency(score, beside, w, np.random.default_rng(seed))


def test_efficiency_falls_with_the_score():
    rng = np.random.default_rng(0)
    score, beside = rng.normal(size=1000), rng.random(1000) < 0.8
    assert (np.diff(efficiency(score, beside)[np.argsort(score)]) <= 0).mean() > 0.8
    assert np.corrcoef(efficiency(score, beside), score)[0, 1] < -0.9


def test_window_and_sidebands_pass_alike_down_to_single_events():
    # 40 sideband events at 5 %: counting an event against itself would pass 3 of 41 window events, not 2.05.
    rng = np.random.default_rng(0)
    beside = np.arange(80) < 40
    passed = np.zeros(2)
    for seed in range(3000):
        passing = passes_cut(-np.log10(efficiency(rng.normal(size=80), beside, seed=seed)), 0.05)
        passed += passing[beside].sum(), passing[~beside].sum()
    assert passed / 3000 == pytest.approx([2, 2], abs=0.12)


def test_equal_scores_pass_in_proportion():
    beside = np.arange(20_000) < 10_000
    passing = efficiency(np.zeros(20_000), beside) <= 0.3
    assert passing[beside].sum() == pytest.approx(3000, abs=1)
    assert passing[~beside].mean() == pytest.approx(0.3, abs=0.02)


def test_weights_count_as_events():
    rng = np.random.default_rng(0)
    score, w = rng.normal(size=20_000), rng.uniform(0, 3, 20_000)
    beside = np.arange(20_000) < 15_000
    passing = efficiency(score, beside, w) <= 0.2
    assert w[passing & beside].sum() / w[beside].sum() == pytest.approx(0.2, abs=0.001)


def test_pairs_of_opposite_weight_change_no_efficiency():
    rng = np.random.default_rng(0)
    score = rng.normal(size=5000)
    beside = np.arange(5000) < 4000
    extra = rng.normal(size=500)
    w = np.concatenate([np.ones(5000), np.ones(500), -np.ones(500)])
    many = efficiency(np.concatenate([score, extra, extra]), np.concatenate([beside, np.ones(1000, dtype=bool)]), w)[
        :5000
    ]
    assert np.abs(many - efficiency(score, beside)).max() < 0.002


def test_efficiencies_are_above_0_and_at_most_1():
    rng = np.random.default_rng(0)
    score, w = rng.normal(size=2000), rng.choice([-1.0, 1.5], 2000)
    of_all = efficiency(score, np.arange(2000) < 1000, w)
    assert of_all.min() > 0
    assert of_all.max() <= 1


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, float("nan")])
def test_an_impossible_efficiency_is_refused(bad):
    with pytest.raises(InputError, match="expected an efficiency"):
        passes_cut(np.zeros(3), bad)


def test_sidebands_whose_weights_cancel_are_refused():
    with pytest.raises(InputError, match="sum to 0"):
        efficiency(np.zeros(4), np.ones(4, dtype=bool), np.array([1.0, -1.0, 1.0, -1.0]))
