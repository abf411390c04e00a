import numpy as np
import pytest

from serendip.errors import InputError, TooFewEventsError
from serendip.score.complexity_bias import complexity_bias, inverse_dimension
from serendip.score.outlier import Flow, IsolationForest


def curve_and_cloud(n, seed):
    """Half of the events on a curve, one-dimensional, half filling six dimensions."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n // 2, 1))
    curve = np.concatenate([np.sin(t), np.cos(t), t, np.zeros((n // 2, 3))], axis=1)
    return np.concatenate([curve + 1e-3 * rng.normal(size=curve.shape), rng.normal(size=(n - n // 2, 6))])


@pytest.mark.parametrize("d", [1, 2, 5])
def test_finds_the_dimension_of_a_plane_in_space(d):
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(3000, d)) @ rng.normal(size=(d, 7))
    assert 1 / inverse_dimension(plane).mean() == pytest.approx(d, rel=0.1)


@pytest.mark.parametrize("d", [2, 4, 8])
@pytest.mark.parametrize("shape", ["normal", "laplace", "uniform"])
def test_does_not_warn_where_all_events_are_alike(d, shape):
    draw = getattr(np.random.default_rng(d), shape)
    x, held_out = draw(size=(4000, d)), draw(size=(3000, d))
    result = complexity_bias(Flow(density="gaussian").fit(x).anomaly_score(held_out), held_out)
    assert result.warning is None
    assert np.mean(result.dimensions) == pytest.approx(d, rel=0.15)


def test_warns_where_the_score_prefers_complicated_events():
    x, held_out = curve_and_cloud(4000, 0), curve_and_cloud(3000, 1)
    score = IsolationForest(trees=50).fit(x).anomaly_score(held_out)
    result = complexity_bias(score, held_out)
    assert result.dimensions[0] < result.dimensions[-1]
    assert result.ratio > 1.3
    assert result.correlation > 0.2
    assert "prefers complicated events" in result.warning
    assert "prefers simple events" in complexity_bias(-score, held_out).warning


def test_the_table_has_a_row_a_fifth():
    x = np.random.default_rng(0).normal(size=(600, 3))
    columns, rows = complexity_bias(x[:, 0], x).table()
    assert [row[0] for row in rows] == ["0–20 %", "20–40 %", "40–60 %", "60–80 %", "80–100 %"]
    assert all(len(row) == len(columns) for row in rows)


def test_copies_of_events_and_constant_features_do_no_harm():
    x = np.column_stack([np.repeat(np.random.default_rng(0).normal(size=(100, 2)), 15, axis=0), np.ones(1500)])
    assert np.isfinite(inverse_dimension(x)).all()


def test_too_few_events_or_neighbours_are_refused():
    x = np.random.default_rng(0).normal(size=(499, 3))
    with pytest.raises(TooFewEventsError, match="499 events in the complexity sample"):
        complexity_bias(x[:, 0], x)
    with pytest.raises(InputError, match="neighbours=2"):
        complexity_bias(np.zeros(500), np.zeros((500, 2)), neighbours=2)
