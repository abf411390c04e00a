"""What drives a discrepancy: closed forms of the deviation and its shares, bins, residuals, and the panels of a search."""

import numpy as np
import pytest
from scipy import stats

from serendip.errors import FitError, InputError
from serendip.report import PairPanel, RatioPanel, TablePanel
from serendip.search.discrepancy import (
    Binned,
    bin_edges,
    binned,
    density_ratio,
    deviation,
    ranked_events,
)
from serendip.search.discrepancy_panels import FEATURES_DRAWN, TOP_EVENTS, drivers
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample

N = 40000
REFERENCE = Sample(rng_for(1, "discrepancy").normal(size=(N, 3)))
EXPECTED = 1000.0


def shifted(*by: float) -> np.ndarray:
    """Ln of the ratio of normals whose means are moved."""
    mean = np.array(by)
    return REFERENCE.x @ mean - 0.5 * mean @ mean


def test_the_deviation_of_a_shift_is_twice_the_events_times_its_divergence():
    found = deviation(REFERENCE, EXPECTED, shifted(0.3, 0.0, 0.0))
    assert found.total == pytest.approx(2 * EXPECTED * 0.5 * 0.3**2, rel=0.03)
    assert found.number == pytest.approx(0.0, abs=0.05)


def test_more_events_of_the_same_shape_are_all_number():
    found = deviation(REFERENCE, EXPECTED, np.full(N, np.log(1.2)))
    assert found.total == pytest.approx(2 * EXPECTED * (1.2 * np.log(1.2) - 0.2))
    assert found.number == pytest.approx(found.total)
    np.testing.assert_allclose(found.features, 0.0, atol=1e-6)
    assert deviation(REFERENCE, EXPECTED, np.zeros(N)).total == 0.0


def test_independent_features_share_by_their_own_divergence():
    found = deviation(REFERENCE, EXPECTED, shifted(0.4, 0.2, 0.0))
    np.testing.assert_allclose(found.features, [0.8, 0.2, 0.0], atol=0.02)
    assert [list(pair) for pair in found.pairs] == [[0, 1], [0, 2], [1, 2]]
    np.testing.assert_allclose(found.pair_shares, [1.0, 0.8, 0.2], atol=0.04)


def test_what_only_a_pair_shows_is_in_no_feature():
    f = 0.5 * np.sign(REFERENCE.x[:, 0] * REFERENCE.x[:, 1])
    found = deviation(REFERENCE, EXPECTED, f - np.log(np.cosh(0.5)))
    assert np.all(found.features < 0.02)
    assert found.pair_shares[0] > 0.85
    assert np.all(found.pair_shares[1:] < 0.05)


def test_a_pair_of_opposite_weights_changes_no_share():
    f = shifted(0.4, 0.2, 0.0)
    more = Sample(
        np.concatenate([REFERENCE.x, REFERENCE.x[:500], REFERENCE.x[:500]]),
        np.concatenate([REFERENCE.w, np.ones(500), -np.ones(500)]),
    )
    with_pairs, without = (
        deviation(sample, EXPECTED, g) for sample, g in ((more, np.concatenate([f, f[:500], f[:500]])), (REFERENCE, f))
    )
    assert with_pairs.total == pytest.approx(without.total)
    np.testing.assert_allclose(with_pairs.features, without.features, atol=0.005)


def test_a_ratio_that_overflows_or_has_no_mean_is_refused():
    for bad in (800.0, np.nan):
        with pytest.raises(FitError, match="diverged"):
            density_ratio(np.array([0.0, bad]))
    with pytest.raises(InputError, match="weights cancel"):
        deviation(Sample(np.arange(3.0)[:, None], np.array([1.0, 1.0, -1.0])), 1.0, np.array([0.0, 0.0, 5.0]))


def test_the_largest_ratios_come_first_and_ties_in_order():
    np.testing.assert_array_equal(ranked_events(np.array([0.0, 2.0, 2.0, 5.0]), 3), [3, 1, 2])


def test_every_event_is_in_a_bin_and_the_reweighted_reference_is_that_of_the_data():
    data = rng_for(2, "discrepancy").normal([0.4, 0, 0], size=(5000, 3))
    w = np.full(N, 5000 / N)
    found = binned(data[:, :1], np.ones(5000), REFERENCE.x[:, :1], w, np.exp(shifted(0.4, 0.0, 0.0)), 20)
    assert found.data.sum() == 5000
    assert found.reference.sum() == pytest.approx(5000)
    chi2 = np.sum((found.data - found.predicted) ** 2 / (found.predicted + found.predicted_variance))
    assert 0.001 < stats.chi2(20).sf(chi2) < 0.999
    pair = binned(data[:, :2], np.ones(5000), REFERENCE.x[:, :2], w, np.ones(N), 8)
    assert pair.data.shape == (8, 8)
    np.testing.assert_array_equal(
        pair.data.sum(axis=1), binned(data[:, :1], np.ones(5000), REFERENCE.x[:, :1], w, np.ones(N), 8).data
    )


def test_few_values_have_a_bin_each():
    np.testing.assert_allclose(bin_edges(np.array([0.0, 1.0]), np.array([1.0, 3.0]), 10), [-0.5, 0.5, 2.0, 3.5])
    np.testing.assert_allclose(bin_edges(np.ones(2), np.ones(3), 10), [0.5, 1.5])
    spiked = np.append(np.zeros(10000), np.linspace(1, 2, 5))
    assert np.all(np.diff(bin_edges(spiked, spiked, 4)) > 0)


def test_residuals_are_the_signed_root_of_the_poisson_likelihood_ratio():
    one = np.ones(3)
    found = Binned(
        (np.arange(4.0),), np.array([0.0, 10, 130]), np.array([0.0, 10, 130]), np.array([2.0, 10, 100]), one, one, one
    )
    expected = [-2.0, 0.0, np.sqrt(2 * (130 * np.log(1.3) - 30))]
    np.testing.assert_allclose(found.residuals(found.data), expected, atol=1e-7)
    halves = Binned(found.edges, found.data, found.data / 2, found.reference, one, one, one)
    np.testing.assert_allclose(halves.residuals(found.data), np.sqrt(2) * np.array(expected), atol=1e-7)


def test_a_bin_without_reference_has_a_residual_only_of_events_in_it():
    data, nothing = np.array([3.0, 9.0, 0.0]), np.array([0.0, 10.0, 0.0])
    found = Binned((np.arange(4.0),), data, data, nothing, nothing, nothing, nothing)
    assert found.residuals(found.data)[0] < 0 < found.residuals(np.array([30.0, 0, 0]))[0]
    np.testing.assert_array_equal(found.residuals(found.predicted), np.zeros(3))


def test_predicted_residuals_sum_to_the_share_of_their_bins():
    f = shifted(0.4, 0.2, 0.0)
    ratio, w = np.exp(f), np.full(N, EXPECTED / N)
    found = binned(REFERENCE.x[:, :1], w, REFERENCE.x[:, :1], w, ratio, 30)
    found = Binned(
        found.edges,
        *(
            getattr(found, name)
            for name in ("data", "data", "reference", "reference_variance", "predicted", "predicted_variance")
        ),
    )
    whole = deviation(REFERENCE, EXPECTED, f)
    assert np.sum(found.residuals(found.predicted) ** 2) == pytest.approx(whole.total * whole.features[0], rel=0.03)


def panels(d: int = 3) -> list:
    data = Sample(rng_for(3, "discrepancy").normal([0.4, 0.2, 0.0], size=(900, 3))[:, :d])
    mean = np.array([0.4, 0.2, 0.0])[:d]
    f, f_reference = (x @ mean - 0.5 * mean @ mean for x in (data.x, REFERENCE.x[:, :d]))
    names, units = ("a", "b", "c")[:d], ("GeV", "", "")[:d]
    return drivers(data, Sample(REFERENCE.x[:, :d]), EXPECTED, f, f_reference, names, units)


def test_drivers_are_shares_the_learned_ratio_features_by_share_pairs_and_events():
    found = panels()
    assert [panel.name for panel in found] == [
        "drivers", "ratio_learned", "ratio_1", "ratio_2", "ratio_3", "pairs", "driving_events",
    ]  # fmt: skip
    assert [panel.feature for panel in found[2:5]] == ["a", "b", "c"]
    assert found[0].rows[0][0] == "a, b"
    events = found[-1]
    assert events.columns == ("event", "a [GeV]", "b", "c", "weight", "data / reference")
    assert len(events.rows) == TOP_EVENTS
    ratios = [row[-1] for row in events.rows]
    assert ratios == sorted(ratios, reverse=True)


def test_one_feature_has_no_pairs():
    assert not [panel for panel in panels(1) if isinstance(panel, PairPanel)]
    assert [type(panel) for panel in panels(1)] == [TablePanel, RatioPanel, RatioPanel, TablePanel]


def test_many_features_are_drawn_by_the_largest_shares():
    x = rng_for(4, "discrepancy").normal(size=(3000, 8))
    found = drivers(Sample(x[:500]), Sample(x), 500.0, x[:500, 7] / 2, x[:, 7] / 2, tuple("abcdefgh"), ("",) * 8)
    ratios = [panel.feature for panel in found if isinstance(panel, RatioPanel)]
    assert len(ratios) == FEATURES_DRAWN + 1
    assert ratios[1] == "h"
