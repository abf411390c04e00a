import numpy as np
import pytest

from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.anomaly_function import AnomalyFunction, BoundOfRecoil, OddsOfRecoil, combine


class Given:
    """A model and a classifier that read their answers from columns."""

    def negative_elbo(self, recordings):
        return recordings.events.columns["elbo"]

    def log_odds(self, recordings):
        return recordings.events.columns["odds"]


def recordings(n=6000, seed=0, log_odds=None):
    """−ELBO falls with the energy, and scatters more where it is low."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(2, 10, n)
    elbo = 100 - 3 * energy + (1 + 10 / energy) * rng.normal(size=n)
    odds = rng.normal(-6, 2, n) if log_odds is None else np.full(n, float(log_odds))
    return Recordings(Events({"energy": energy, "elbo": elbo, "odds": odds}))


@pytest.fixture
def function():
    return AnomalyFunction(Given(), Given(), ratio=2.0).fit(recordings())


def test_higher_is_more_anomalous_in_both_terms(function):
    events = recordings(4, 1)
    score = function.anomaly_score(events)
    for column in ("elbo", "odds"):
        more = {name: values + (name == column) * 3.0 for name, values in events.events.columns.items()}
        assert np.all(function.anomaly_score(Recordings(Events(more))) > score)


def test_the_elbo_term_is_alike_at_every_energy(function):
    events = recordings(20_000, 2)
    term, energy = function.terms(events)[:, 0], events.events.columns["energy"]
    for low in range(2, 10, 2):
        here = term[(energy > low) & (energy < low + 2)]
        assert np.median(here) == pytest.approx(0, abs=0.1)
        assert np.quantile(here, 0.99) == pytest.approx(2.33, rel=0.15)


def test_with_one_centre_it_follows_the_energy():
    function = AnomalyFunction(Given(), Given(), along=None).fit(recordings())
    events = recordings(2000, 2)
    assert np.corrcoef(function.terms(events)[:, 0], events.events.columns["energy"])[0, 1] < -0.7


def test_h_b_is_exact_where_the_probability_rounds(function):
    assert function.raw_terms(recordings(1, log_odds=800))[0, 1] == 800
    assert function.raw_terms(recordings(1, log_odds=-60))[0, 1] == pytest.approx(np.exp(-60))
    assert function.raw_terms(recordings(1, log_odds=0))[0, 1] == pytest.approx(np.log(2))


def test_one_column_for_each_ratio(function):
    terms = function.terms(recordings(50, 3))
    several = function.combine(terms, np.array([0.0, 1.0, 30.0]))
    assert np.array_equal(several[:, 0], terms[:, 0])
    assert np.allclose(several[:, 2], combine(terms, 30.0))
    assert combine(terms, 1.0).shape == (50,)


def test_the_published_ratio_orders_events_as_terms_that_are_not_standardised():
    function = AnomalyFunction(Given(), Given(), along=None).fit(recordings())
    events = recordings(300, 4)
    raw = function.raw_terms(events)
    mine = function.combine(function.terms(events), function.ratio_from_published(2.5e5))
    assert np.array_equal(np.argsort(mine), np.argsort(raw[:, 0] + 2.5e5 * raw[:, 1]))


def test_a_saved_one_scores_the_same(function, tmp_path):
    function.save(tmp_path / "f.npz")
    again = AnomalyFunction.load(tmp_path / "f.npz", Given(), Given())
    events = recordings(100, 5)
    assert np.array_equal(again.anomaly_score(events), function.anomaly_score(events))
    assert again.ratio == 2.0


def test_any_model_with_these_methods_will_do():
    assert isinstance(Given(), OddsOfRecoil)
    assert isinstance(Given(), BoundOfRecoil)
    assert not isinstance(object(), OddsOfRecoil)


def test_bad_input_is_named(function):
    with pytest.raises(InputError, match=r"ratio: Got -1\.0"):
        function.combine(np.zeros((2, 2)), -1.0)
    with pytest.raises(TooFewEventsError, match="Got 20 events in the electron recoils"):
        AnomalyFunction(Given(), Given()).fit(recordings(20))
    with pytest.raises(InputError, match="Got a term H_B without spread"):
        AnomalyFunction(Given(), Given()).fit(recordings(500, log_odds=-5))
    with pytest.raises(InputError, match="column"):
        AnomalyFunction(Given(), Given(), along="enrgy").fit(recordings(500))
