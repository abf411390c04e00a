import numpy as np
import pytest

from serendip.data import Window
from serendip.errors import ConfigError, InputError
from serendip.score.coordinate_dependence import MAPS, OTHER_SEED, CoordinateDependence, coordinate_dependence
from serendip.score.outlier import ConditionalFlow, Flow, IsolationForest, Kde
from serendip.score.weak import Cwola, Idealised

FAST = {"members": 2, "iterations": 10}


def skewed(n, seed):
    rng = np.random.default_rng(seed)
    first = rng.exponential(1, n)
    return np.column_stack([first, rng.gamma(2, 1 + 0.3 * first), first + rng.normal(size=n)])


X, HELD_OUT = skewed(4000, 1), skewed(2000, 2)
M = np.random.default_rng(3).uniform(0, 10, 4000)


@pytest.mark.parametrize("name", sorted(MAPS))
def test_every_map_rises_and_stays_finite(name):
    values = np.sort(np.random.default_rng(0).exponential(size=500)) - 3
    mapped = MAPS[name](values, np.append(values, -3.0))
    assert np.all(np.diff(mapped) > 0)
    assert np.isfinite(MAPS[name](np.zeros(5), np.zeros(5))).all()


def test_normal_scores_of_a_reference_are_normal():
    mapped = MAPS["normal scores"](X[:, 0], X[:, 0])
    assert (mapped.mean(), mapped.std()) == pytest.approx((0, 1), abs=0.01)


@pytest.mark.parametrize(
    "method", [Flow(density="gaussian"), Kde(centres=1000), IsolationForest(trees=50)], ids=["flow", "kde", "forest"]
)
def test_what_is_rare_depends_on_the_coordinates(method):
    result = coordinate_dependence(method, X, HELD_OUT)
    assert result.lowest < 0.9 < result.correlations[OTHER_SEED]
    assert result.shared["normal scores"] < 0.7
    assert f"'{min(result.correlations, key=result.correlations.get)}'" in result.warning


def test_trees_that_tell_two_samples_apart_are_exactly_invariant():
    signal = np.random.default_rng(4).normal([3, 1, 1], 0.4, (400, 3))
    data, m = np.concatenate([X, signal]), np.append(M, np.full(400, 5.0))
    offered = {"m": m, "window": Window(4, 6), "background": (skewed(4000, 5), None)}
    for method in (Cwola(settings=FAST), Idealised(settings=FAST)):
        result = coordinate_dependence(method, data, HELD_OUT, **offered)
        assert result.lowest == pytest.approx(1, abs=1e-3)
        assert result.warning is None
        assert result.correlations[OTHER_SEED] < 1


def test_a_method_that_scores_with_the_mass_gets_it():
    m = np.random.default_rng(6).uniform(0, 10, 2000)
    result = coordinate_dependence(ConditionalFlow(density="gaussian"), X, HELD_OUT, held_out_m=m, m=M, maps=("root",))
    assert 0 < result.lowest < 1
    with pytest.raises(InputError, match="m: Got none, but ConditionalFlow scores with the mass"):
        coordinate_dependence(ConditionalFlow(density="gaussian"), X, HELD_OUT, m=M)


def test_a_ranking_that_does_not_survive_another_seed_is_blamed_on_that():
    shared = {OTHER_SEED: 0.3, "square": 0.3}
    noisy = CoordinateDependence({OTHER_SEED: 0.67, "square": 0.69}, shared)
    assert "not reproducible: training again with another seed leaves a rank correlation of 0.67" in noisy.warning
    assert "depends on the coordinates" in CoordinateDependence({OTHER_SEED: 0.85, "square": 0.69}, shared).warning
    for again, mapped in ((0.67, 1.0), (0.92, 0.88)):
        assert CoordinateDependence({OTHER_SEED: again, "square": mapped}, shared).warning is None


def test_the_table_has_a_row_a_map():
    columns, rows = coordinate_dependence(Flow(density="gaussian"), X, HELD_OUT, maps=("square", "root")).table()
    assert [row[0] for row in rows] == [OTHER_SEED, "square", "root"]
    assert all(len(row) == len(columns) for row in rows)


def test_names_the_unknown_map_and_the_score_without_a_ranking():
    with pytest.raises(ConfigError, match="Did you mean 'square'"):
        coordinate_dependence(Flow(density="gaussian"), X, HELD_OUT, maps=("squares",))
    with pytest.raises(InputError, match="same score for every event"):
        coordinate_dependence(Flow(density="gaussian"), X, np.repeat(HELD_OUT[:1], 50, axis=0))
