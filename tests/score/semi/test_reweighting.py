import numpy as np
import pytest
from tests.score.semi.toy_areas import toy_areas

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.reweighting import CalibrationWeights

FAST = {"members": 1, "hidden": [16], "activation": "silu", "epochs": 12, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def fitted():
    simulated, data = toy_areas(9000, 1)[0], toy_areas(9000, 2, light=1.15)[0]
    return CalibrationWeights(settings=FAST).fit(simulated, data)


def test_weighted_simulation_has_the_yields_of_the_data(fitted):
    simulated, data = toy_areas(20_000, 3)[0], toy_areas(20_000, 4, light=1.15)[0]
    w = fitted.weights(simulated)
    assert w.mean() == pytest.approx(1.0)
    ratio, wanted = (np.log(one.events.columns["cs2"] / one.events.columns["cs1"]) for one in (simulated, data))
    before, after = wanted.mean() - ratio.mean(), wanted.mean() - np.average(ratio, weights=w)
    assert abs(before) > 0.1
    assert abs(after) < 0.15 * abs(before)


def test_the_check_on_events_held_out_says_so(fitted):
    check = fitted.check_
    assert check.auc_before > 0.55
    assert check.passed
    assert 0.3 < check.effective_size < 1
    assert "AUC" in str(check)


def test_the_check_fails_where_the_classifier_is_blind():
    simulated, data = toy_areas(9000, 1)[0], toy_areas(9000, 2, light=1.4)[0]
    cut = CalibrationWeights(settings=FAST, largest=1.01).fit(simulated, data)
    assert not cut.check_.passed
    assert cut.check_.clipped > 0.05


def test_weights_of_a_simulation_that_is_right_are_one():
    simulated, data = (toy_areas(6000, seed)[0] for seed in (1, 2))
    fitted = CalibrationWeights(settings=FAST).fit(simulated, data)
    assert fitted.weights(simulated).std() < 0.25
    assert fitted.check_.effective_size > 0.9


def test_refuses_what_it_cannot_learn_from():
    simulated = toy_areas(1000)[0]
    with pytest.raises(TooFewEventsError, match="calibration sample"):
        CalibrationWeights().fit(simulated, simulated[:100])
    with pytest.raises(InputError, match="largest: Got 1"):
        CalibrationWeights(largest=1.0).fit(simulated, simulated)
