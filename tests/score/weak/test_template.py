"""What every method with a background template promises."""

import numpy as np
import pytest

from serendip.data import Window
from serendip.errors import InputError, TooFewEventsError
from serendip.score.weak import Anode, Cathode, Curtains, DecorrelatedCwola, Feta, LaCathode, Salad
from serendip.score.weak.template import Part, check_simulation, draw_masses, take_apart, times

WITH_DENSITY = [Anode, Cathode, LaCathode, Curtains, DecorrelatedCwola, Feta]
FAST = {"members": 4, "iterations": 15}


def make(cls, **settings):
    return cls(density="gaussian", **settings) if cls in WITH_DENSITY else cls(settings=FAST, **settings)


def offered(cls, simulation):
    return {"simulation": simulation} if "simulation" in cls.needs else {}


@pytest.fixture(params=[*WITH_DENSITY, Salad], ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def mean_and_error(x, w=None):
    w = np.ones(len(x)) if w is None else w
    mean = w @ x / w.sum()
    return mean, np.sqrt((w**2) @ (x - mean) ** 2) / abs(w.sum())


def test_template_looks_like_the_background_of_the_window(cls, toy):
    template, w = make(cls).background_template(toy.x, toy.m, toy.window, **offered(cls, toy.simulation))
    assert template.shape[1] == 3
    mean, error = mean_and_error(template, w)
    wanted, wanted_error = mean_and_error(toy.background)
    # The sidebands' own mean is wrong by 0.1 to 0.4, the simulation's by 0.5; learning adds to the errors.
    assert np.all(np.abs(mean - wanted) < 4 * np.hypot(error, wanted_error) + 0.06)
    assert np.allclose(template.std(axis=0), toy.background.std(axis=0), rtol=0.1)


def test_template_never_reads_features_of_the_window(cls, toy):
    inside = toy.window.contains(toy.m)
    changed = np.where(inside[:, None], 77.0, toy.x)
    first, second = (
        make(cls).background_template(x, toy.m, toy.window, **offered(cls, toy.simulation)) for x in (toy.x, changed)
    )
    assert np.array_equal(first[0], second[0])
    assert (first[1] is None and second[1] is None) or np.array_equal(first[1], second[1])


def test_template_reads_no_event_beyond_the_sidebands(cls, toy):
    method = make(cls, sidebands=0.8)
    far = (toy.m < 2.2) | (toy.m >= 4.8)
    x_sim, m_sim, _ = toy.simulation
    changed = np.where(far[:, None], 77.0, toy.x)
    first, second = (
        method.background_template(x, toy.m, toy.window, **offered(cls, toy.simulation)) for x in (toy.x, changed)
    )
    assert np.array_equal(first[0], second[0])
    if "simulation" in cls.needs:
        far = (m_sim < 2.2) | (m_sim >= 4.8)
        third = method.background_template(
            toy.x, toy.m, toy.window, simulation=(np.where(far[:, None], 77.0, x_sim), m_sim, None)
        )
        assert np.array_equal(first[0], third[0])


def test_events_of_opposite_weight_cancel_in_the_template(cls, toy, fresh):
    extra = fresh.x[:2000] + 3.0
    x, m = np.concatenate([toy.x, extra, extra]), np.concatenate([toy.m, fresh.m[:2000], fresh.m[:2000]])
    w = np.concatenate([np.ones(len(toy.m) + 2000), -np.ones(2000)])
    template, weights = make(cls).background_template(x, m, toy.window, w=w, **offered(cls, toy.simulation))
    mean, error = mean_and_error(template, weights)
    wanted, wanted_error = mean_and_error(toy.background)
    assert np.all(np.abs(mean - wanted) < 4 * np.hypot(error, wanted_error) + 0.06)


def test_the_same_seed_gives_the_same_template(cls, toy):
    first, second, other = (
        make(cls, seed=seed).background_template(toy.x, toy.m, toy.window, **offered(cls, toy.simulation))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first[0], second[0])
    if cls is Salad:
        assert not np.array_equal(first[1], other[1])
    else:
        assert not np.array_equal(first[0], other[0])


def test_names_what_is_too_small(cls, toy):
    few = ~toy.window.contains(toy.m) | (np.cumsum(toy.window.contains(toy.m)) < 50)
    with pytest.raises(TooFewEventsError, match="49 events in the window"):
        make(cls).background_template(toy.x[few], toy.m[few], toy.window, **offered(cls, toy.simulation))
    with pytest.raises(TooFewEventsError, match="sidebands"):
        make(cls, sidebands=0.01).background_template(toy.x, toy.m, toy.window, **offered(cls, toy.simulation))


@pytest.mark.parametrize(
    ("weight", "message"), [(lambda i: np.where(i % 2, 1.0, -1.5), "that cancel in the"), (np.zeros_like, "all zero")]
)
def test_refuses_weights_that_cancel(cls, toy, weight, message):
    with pytest.raises(InputError, match=message):
        make(cls).fit(toy.x, toy.m, toy.window, w=weight(np.arange(len(toy.m))) * 1.0, **offered(cls, toy.simulation))


@pytest.mark.parametrize("where", ["window", "sidebands"])
def test_refuses_nan(cls, toy, where):
    x, rows = toy.x.copy(), toy.window.contains(toy.m) ^ (where == "sidebands")
    x[np.flatnonzero(rows)[3]] = np.nan
    with pytest.raises(InputError, match="NaN"):
        make(cls).fit(x, toy.m, toy.window, **offered(cls, toy.simulation))


def test_masses_are_those_of_the_events_in_equal_parts():
    part = Part(np.zeros((50, 1)), np.arange(50.0))
    masses, sign = draw_masses(part, 200, seed=0)
    assert sign is None
    assert np.array_equal(np.sort(masses), np.repeat(np.arange(50.0), 4))
    assert not np.array_equal(masses, np.sort(masses))


def test_masses_follow_weights_of_either_sign():
    w = np.where(np.arange(50) < 10, -1.0, 2.0)
    masses, sign = draw_masses(Part(np.zeros((50, 1)), np.arange(50.0), w), 9000, seed=0)
    assert np.sum(masses < 10) == pytest.approx(1000, abs=1)
    assert np.array_equal(sign, np.where(masses < 10, -1.0, 1.0))


def test_window_and_sidebands_share_no_event():
    m = np.repeat(np.arange(0.0, 10.0), 200)
    inside, beside = take_apart(Part(np.zeros((2000, 1)), m), Window(4, 6), 2.0)
    assert sorted(set(inside.m)) == [4, 5]
    assert sorted(set(beside.m)) == [2, 3, 6, 7]


def test_a_simulation_must_have_the_features_of_the_data():
    with pytest.raises(InputError, match="simulation with 2 features, but expected the 3"):
        check_simulation((np.zeros((5, 2)), np.zeros(5), None), 3)
    with pytest.raises(InputError, match="4 masses for 5 simulated"):
        check_simulation((np.zeros((5, 3)), np.zeros(4), None), 3)


def test_product_of_weights_that_may_be_missing():
    w = np.array([1.0, -2.0])
    assert times(None, None) is None
    assert np.array_equal(times(w, None), w)
    assert np.array_equal(times(w, w), [1, 4])
