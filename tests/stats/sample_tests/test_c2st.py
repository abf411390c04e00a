"""The classifier two-sample test: both classifiers, both statistics, and that no event is scored by who saw it."""

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.sample_tests import Sample
from serendip.stats.sample_tests.c2st import C2st

REFERENCE = Sample(rng_for(0, "c2st").normal(size=(2000, 2)))


def draw(i, n=400, shift=0.0):
    return Sample(rng_for(i, "c2st data").normal(shift, 1, size=(n, 2)))


@pytest.mark.parametrize(("classifier", "statistic"), [("trees", "auc"), ("trees", "accuracy"), ("network", "auc")])
def test_is_a_half_where_nothing_is_to_be_found_and_more_elsewhere(classifier, statistic):
    prepared = C2st(statistic=statistic, classifier=classifier).prepare(REFERENCE, 400.0)
    null = prepared.statistics([draw(i) for i in range(6)])
    found = prepared.statistics([draw(i, shift=1.0) for i in range(2)])
    assert np.abs(null.mean() - 0.5) < 0.03
    expected = {"auc": 0.841, "accuracy": 0.760}[statistic]  # Φ(1) and Φ(1/√2), of a shift by √2 σ
    assert np.all(np.abs(found - expected) < 0.04)


def test_has_learned_nothing_of_the_events_it_scores():
    rng = rng_for(1, "memory")
    noise = Sample(rng.normal(size=(300, 30)))
    prepared = C2st().prepare(Sample(rng.normal(size=(600, 30))), 300.0)
    assert abs(prepared.statistics([noise])[0, 0] - 0.5) < 0.08


def test_weights_can_take_a_difference_away():
    rng = rng_for(2, "weights")
    x = rng.normal(0.7, 1, size=(3000, 2))
    log_ratio = np.sum(0.7 * x - 0.7**2 / 2, axis=1)
    prepared = C2st().prepare(REFERENCE, 400.0)
    plain, weighted = prepared.statistics([Sample(x), Sample(x, np.exp(-log_ratio))])[:, 0]
    assert plain > 0.65
    assert abs(weighted - 0.5) < 0.06


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"statistic": "f1"}, "statistic"),
        ({"classifier": "forest"}, "classifier"),
        ({"folds": 1}, "folds"),
        ({"reference_events": 0}, "reference_events"),
    ],
)
def test_refuses_settings_that_cannot_be(settings, names):
    with pytest.raises((InputError, TypeError, ValueError), match=names):
        C2st(**settings)


def test_refuses_samples_too_small_for_its_folds():
    with pytest.raises(InputError, match="20 events of data"):
        C2st().prepare(REFERENCE, 400.0).statistics([draw(1, n=20)])
