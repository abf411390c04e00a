import numpy as np
import pytest

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.pseudo_experiments import (
    Pool,
    cell_means,
    draw,
    one_data_set,
    pseudo_experiments,
    require_overlap,
    split,
    throw_counts,
)

CELLS = 8


def pool(n=4000, expected=50.0, uncertainty=0.2, weighted=True) -> Pool:
    rng = rng_for(1, "pool")
    columns = {"ts": rng.uniform(0, CELLS, n), "row": np.arange(n)}
    return Pool("er", columns, expected, uncertainty, rng.exponential(size=n) if weighted else None)


def codes(one: Pool) -> np.ndarray:
    cells = np.floor(one.columns["ts"]).astype(int)
    return np.where(cells == 0, -1, cells)


@pytest.mark.parametrize("weighted", [True, False])
def test_counts_of_drawn_events_and_thrown_counts_have_the_same_moments(weighted):
    one, n = pool(weighted=weighted), 20_000
    means = cell_means(one, codes(one), CELLS)
    drawn = draw(one, n, rng_for(2, "drawn")).counts(codes(one), CELLS)
    thrown = throw_counts(means[None], np.array([one.uncertainty]), n, rng_for(2, "thrown"))
    assert drawn.shape == thrown.shape == (n, CELLS)
    covariance = np.diag(means) + one.uncertainty**2 * np.outer(means, means)
    for counts in (drawn, thrown):
        assert np.all(counts[:, 0] == 0)
        np.testing.assert_allclose(counts.mean(0), means, rtol=0.03)
        np.testing.assert_allclose(np.cov(counts.T), covariance, atol=0.25)


def test_the_expectation_outside_the_cells_is_lost():
    one = pool(weighted=False)
    means = cell_means(one, codes(one), CELLS)
    assert means[0] == 0
    assert means.sum() == pytest.approx(one.expected * np.mean(codes(one) >= 0))


def test_parts_of_a_split_share_no_event_and_keep_the_expectation():
    parts = split(pool(), 0.5, 0.3, 0.2, seed=3)
    rows = [part.columns["row"] for part in parts]
    assert [len(part) for part in parts] == [2000, 1200, 800]
    assert len(np.unique(np.concatenate(rows))) == 4000
    assert {part.expected for part in parts} == {50.0}
    np.testing.assert_array_equal(split(pool(), 0.5, 0.3, 0.2, seed=3)[1].columns["row"], rows[1])
    assert np.any(split(pool(), 0.5, 0.3, 0.2, seed=4)[1].columns["row"] != rows[1])


def test_weights_go_along_with_their_events():
    one = pool()
    (part,) = split(one, 0.5)
    np.testing.assert_array_equal(part.w, one.w[part.columns["row"]])


def test_overlap_is_the_expectation_over_the_effective_number():
    one = pool(weighted=True)
    assert one.effective == pytest.approx(one.w.sum() ** 2 / np.sum(one.w**2))
    assert one.overlap == pytest.approx(50 / one.effective)
    require_overlap([one], 0.05)
    with pytest.raises(InputError, match=r"er: Got \d+ effective events to draw 50 from, but expected at least 5000"):
        require_overlap([one], 0.01)


def test_one_data_set_has_the_columns_that_all_kinds_share():
    nr = Pool("nr", {"ts": np.full(10, 99.0)}, 5.0)
    data = one_data_set([pool(), nr], rng_for(3, "data"))
    assert set(data) == {"ts"}
    assert 1 <= np.sum(data["ts"] == 99) <= 20


def test_the_same_seed_draws_the_same_events():
    first, second = (pseudo_experiments([pool()], 5, rng_for(7, "x"))[0] for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.data(3)["ts"], pool().columns["ts"][first.rows[first.experiment == 3]])


def test_nothing_expected_draws_nothing():
    drawn = draw(pool(expected=0.0), 4, rng_for(1, "x"))
    assert drawn.counts(codes(pool()), CELLS).sum() == 0


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({}, {}, "columns of lengths"),
        ({"ts": np.zeros(0)}, {}, "above 0"),
        ({"ts": np.zeros(3), "x": np.zeros(2)}, {}, "of one length"),
        ({"ts": np.array([1.0, np.nan])}, {}, r"er\.ts: Got 1 values not finite"),
        ({"ts": np.zeros(2)}, {"expected": -1.0}, r"er\.expected: Got -1\.0"),
        ({"ts": np.zeros(2)}, {"uncertainty": np.inf}, r"er\.uncertainty: Got inf"),
        ({"ts": np.zeros(2)}, {"w": np.array([1.0, -1.0])}, r"er\.w"),
        ({"ts": np.zeros(2)}, {"w": np.zeros(2)}, r"er\.w"),
    ],
)
def test_pools_that_cannot_be_are_refused(columns, settings, message):
    with pytest.raises(InputError, match=message):
        Pool("er", columns, **{"expected": 1.0, **settings})


def test_impossible_splits_and_columns_are_refused():
    with pytest.raises(InputError, match="sum of at most 1"):
        split(pool(), 0.6, 0.6)
    with pytest.raises(InputError, match="above 0"):
        split(pool(), 0.0)
    with pytest.raises(InputError, match="Got column 'cs1', but expected one of: ts, row"):
        pool().column("cs1")
