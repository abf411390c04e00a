from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from tests.score.semi.toy_recordings import labels, toy_recordings

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.representation import SUMMARIES

FAST = {"members": 2, "hidden": (16,), "epochs": 30, "batch": 128, "dropout": 0.0}


@pytest.fixture(scope="module")
def calibration():
    return toy_recordings(2000, part_nr=0.3)


@pytest.fixture(scope="module")
def fitted(calibration):
    return RecoilClassifier(**FAST).fit(calibration, labels(calibration))


@pytest.fixture(scope="module")
def others():
    return toy_recordings(2000, seed=1)


def test_tells_recoils_apart_that_it_never_saw(fitted, others):
    odds = fitted.log_odds(others)
    assert roc_auc_score(labels(others), odds) > 0.99
    assert np.abs(odds).mean() > 3


def test_is_sure_of_nothing_where_labels_mean_nothing(calibration, others):
    shuffled = np.random.default_rng(0).permutation(labels(calibration))
    odds = RecoilClassifier(**FAST).fit(calibration, shuffled).log_odds(others)
    assert np.abs(odds).mean() < 0.6


def test_probabilities_are_those_of_as_many_nuclear_as_electron_recoils(fitted, others):
    p, nr = fitted.probability(others), labels(others)
    assert p.mean() == pytest.approx(nr.mean(), abs=0.02)
    sure = (p > 0.02) & (p < 0.98)
    assert p[sure].mean() == pytest.approx(nr[sure].mean(), abs=0.12)


def test_a_prior_shifts_the_log_odds_by_its_own(fitted, others):
    rare = clone(fitted).set_params(prior=0.1)
    rare.representation_, rare.model_ = fitted.representation_, fitted.model_
    np.testing.assert_allclose(rare.log_odds(others), fitted.log_odds(others) + logit(0.1))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(calibration, fitted, others):
    settings = FAST | {"epochs": 3}
    first, again, other = (
        RecoilClassifier(**settings, seed=seed).fit(calibration, labels(calibration)).log_odds(others)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_an_event_of_weight_zero_teaches_nothing(calibration, others):
    """The kinds swapped in half of the sample ruin the fit, unless their weight is 0."""
    wrong = np.arange(len(calibration)) % 2 == 0
    mixed = labels(calibration) ^ wrong
    fitted = RecoilClassifier(**FAST).fit(calibration, mixed, w=(~wrong).astype(float))
    assert roc_auc_score(labels(others), fitted.log_odds(others)) > 0.98


def test_comes_back_from_its_file_bit_for_bit(fitted, others, tmp_path):
    fitted.save(tmp_path / "classifier.npz")
    again = RecoilClassifier.load(tmp_path / "classifier.npz")
    np.testing.assert_array_equal(again.log_odds(others), fitted.log_odds(others))
    assert again.get_params()["hidden"] == [16]


def test_refuses_a_file_of_another_kind(tmp_path):
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(InputError, match="cannot be read as a model"):
        RecoilClassifier.load(tmp_path / "other.npz")


def test_refuses_one_kind_alone_and_too_few_events(calibration):
    with pytest.raises(InputError, match="in class 1"):
        RecoilClassifier(**FAST).fit(calibration, np.zeros(len(calibration)))
    few = labels(calibration) & (np.arange(len(calibration)) < 100)
    with pytest.raises(TooFewEventsError, match="events in the nuclear recoils, but expected at least 50"):
        RecoilClassifier(**FAST).fit(calibration, few)


def test_refuses_labels_of_another_length_and_areas_alone(calibration):
    with pytest.raises(InputError, match="labels of shape"):
        RecoilClassifier(**FAST).fit(calibration, np.ones(3))
    quick = replace(calibration, s1=None, s2=None, pattern=None)
    with pytest.raises(InputError, match="full mode"):
        RecoilClassifier(**FAST).fit(quick, labels(calibration))


def test_names_the_corrected_column_that_events_lack(fitted, others):
    columns = {name: values for name, values in others.events.columns.items() if name != "cs2"}
    with pytest.raises(InputError, match="cs2"):
        fitted.log_odds(replace(others, events=replace(others.events, columns=columns)))


def test_waveforms_and_pattern_alone_tell_recoils_apart_too(calibration, others):
    bare = {"x": calibration.events.columns["x"], "y": calibration.events.columns["y"]}
    learned = replace(calibration, events=replace(calibration.events, columns=bare))
    fitted = RecoilClassifier(SUMMARIES, **FAST).fit(learned, labels(calibration))
    assert roc_auc_score(labels(others), fitted.log_odds(others)) > 0.99


@pytest.mark.parametrize(
    "setting",
    [{"members": 0}, {"hidden": ()}, {"prior": 0.0}, {"prior": 1.0}, {"dropout": 1.0}, {"seed": -1}, {"epochs": 0}],
)
def test_refuses_settings_that_cannot_be(calibration, setting):
    with pytest.raises(InputError, match=f"{next(iter(setting))}: Got"):
        RecoilClassifier(**(FAST | setting)).fit(calibration, labels(calibration))
