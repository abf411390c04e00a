from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.score.semi.toy_recordings import pmt_positions, toy_recordings

from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.pattern_modes import PatternModes, light_parts
from serendip.score.semi.pulse_summaries import build_up, log_areas, log_width, mean_log_time, spans, time_quantiles
from serendip.score.semi.representation import CHUNK, PARTS, Representation
from serendip.score.semi.tube_places import TubePlaces


@pytest.fixture(scope="module")
def recordings():
    return toy_recordings(600)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_standardised_and_finite(recordings, part):
    x = Representation([part]).fit(recordings).transform(recordings)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    np.testing.assert_allclose(x.mean(axis=0, dtype=float), 0, atol=1e-4)
    spread = x.std(axis=0)
    assert np.isclose(spread, 1, atol=1e-3).mean() > 0.5  # a sample that never saw light stays at 0
    assert (np.isclose(spread, 1, atol=1e-3) | (spread == 0)).all()


def test_an_event_is_mapped_alike_whatever_stands_beside_it(recordings):
    fitted = Representation().fit(recordings)
    many = recordings[np.arange(CHUNK + 7) % len(recordings)]
    np.testing.assert_allclose(fitted.transform(many)[-7:], fitted.transform(many[-7:]), atol=2e-5)


def test_reads_neither_truth_nor_the_neutron_veto(recordings):
    fitted = Representation([*PARTS]).fit(recordings)
    veto = replace(recordings.events, columns={**recordings.events.columns, "veto": np.ones(len(recordings))})
    blind = replace(recordings, truth={}, events=veto)
    np.testing.assert_array_equal(fitted.transform(blind), fitted.transform(recordings))


def test_the_summaries_read_no_reconstructed_column_of_the_events_they_describe(recordings):
    fitted = Representation().fit(recordings)
    columns = {"s1": recordings.events.columns["s1"]}
    bare = replace(recordings, events=replace(recordings.events, columns=columns))
    np.testing.assert_array_equal(fitted.transform(bare), fitted.transform(recordings))


def test_scales_come_from_the_fit_alone(recordings):
    fitted = Representation(["areas"]).fit(recordings)
    brighter = replace(recordings, s1=2 * recordings.s1)
    shift = (fitted.transform(brighter) - fitted.transform(recordings))[:, 0] * fitted.scale_[0]
    np.testing.assert_allclose(shift, np.log(2), atol=0.05)


def test_comes_back_from_its_arrays(recordings):
    for parts in ([*PARTS], ["areas"]):
        fitted = Representation(parts).fit(recordings)
        again = Representation(parts).restore(fitted.learned())
        np.testing.assert_array_equal(again.transform(recordings), fitted.transform(recordings))


def test_refuses_areas_alone_and_says_which_mode_has_waveforms(recordings):
    quick = replace(recordings, s1=None, s2=None, pattern=None)
    with pytest.raises(InputError, match="full mode"):
        Representation().fit(quick)
    assert Representation(["corrected"]).fit(quick).transform(quick).shape == (600, 4)


def test_refuses_what_it_does_not_know(recordings):
    with pytest.raises(InputError, match="Did you mean 'pattern'"):
        Representation(["patern"]).fit(recordings)
    with pytest.raises(InputError, match="Got none"):
        Representation([]).fit(recordings)
    with pytest.raises(InputError, match="number of PMTs"):
        Representation(["pattern"], modes=62).fit(recordings)
    with pytest.raises(TooFewEventsError, match="Got 9 events"):
        Representation().fit(recordings[:9])


def test_refuses_recordings_of_another_shape(recordings):
    fitted = Representation().fit(recordings)
    with pytest.raises(InputError, match=r"\[60, 90, 60\] samples and PMTs, but expected \[60, 90, 61\]"):
        fitted.transform(replace(recordings, pattern=recordings.pattern[:, :60]))
    with pytest.raises(InputError, match="as in the fit"):
        fitted.transform(replace(recordings, s1=recordings.s1[:, :50]))


def test_refuses_nan_and_takes_no_events(recordings):
    fitted = Representation().fit(recordings)
    assert fitted.transform(recordings[:0]).shape == (0, len(fitted.centre_))
    broken = recordings.pattern.copy()
    broken[3, 5] = np.nan
    with pytest.raises(InputError, match="Got 1 recordings with NaN"):
        fitted.transform(replace(recordings, pattern=broken))


def test_learns_from_all_along_a_long_sample(recordings, monkeypatch):
    """The moving samples of a sorted sample are those of a shuffled one."""
    monkeypatch.setattr("serendip.score.semi.representation.MOST", 200)
    order = np.argsort(recordings.truth["is_nr"], kind="stable")
    learned = Representation(["s1_timing"]).fit(recordings[order]).samples_
    everything = Representation(["s1_timing"]).fit(recordings[order[::-1]]).samples_
    assert len(np.setxor1d(learned, everything)) <= 3


def test_time_quantiles_of_a_constant_pulse_lie_evenly():
    pulse = np.zeros((1, 100), np.float32)
    pulse[:, 20:70] = 3
    np.testing.assert_allclose(time_quantiles(pulse, (0.1, 0.5, 0.9)), [[25, 45, 65]])


def test_time_quantiles_follow_a_shift_and_not_a_scale():
    rng = np.random.default_rng(0)
    pulse = np.zeros((50, 100), np.float32)
    pulse[:, 10:60] = rng.poisson(2, (50, 50))
    moved = np.roll(pulse, 30, axis=1)
    np.testing.assert_allclose(time_quantiles(7 * moved), time_quantiles(pulse) + 30, atol=1e-6)
    np.testing.assert_allclose(spans(moved), spans(pulse), atol=1e-6)


def test_the_mean_log_time_is_of_the_light_and_not_of_its_size():
    pulse = np.zeros((3, 50), np.float32)
    pulse[0, [10, 20]] = 1, 3
    pulse[1] = 7 * pulse[0]
    pulse[2, [2, 5, 30]] = 4, 4, -9  # all before the start, and noise
    expected = [0.75 * np.log(11)] * 2 + [0.0]
    np.testing.assert_allclose(mean_log_time(pulse, 10)[:, 0], expected, rtol=1e-6)


def test_the_s1_delay_alone_holds_most_of_what_the_times_tell():
    """Photons at times of two densities whose ratio falls as a power: no statistic beats their mean logarithm."""
    rng = np.random.default_rng(0)
    edges = np.arange(0, 101)
    densities = [np.diff((1 + edges) ** power) for power in (-1.0, -1.4)]
    early = np.arange(2000) % 2
    pulses = np.stack([rng.multinomial(30, densities[k] / densities[k].sum()) for k in early]).astype(np.float32)
    log_ratio = np.log(densities[1] / densities[0])
    best = roc_auc_score(early, pulses @ log_ratio)
    assert best > 0.85
    assert roc_auc_score(early, -mean_log_time(pulses, 0)[:, 0]) > best - 0.01


def test_a_pulse_without_light_gives_finite_summaries():
    dark = np.zeros((2, 30), np.float32)
    dark[1] = -1
    for summary in (log_areas, build_up, spans, log_width, partial(mean_log_time, start=3)):
        assert np.isfinite(summary(dark)).all()


def test_a_gaussian_pulse_has_its_own_width_wherever_it_stands():
    t = np.arange(200)
    pulses = np.stack([np.exp(-0.5 * ((t - middle) / 12) ** 2) for middle in (70, 120)]).astype(np.float32)
    np.testing.assert_allclose(np.expm1(log_width(pulses)), 12, rtol=1e-3)


def test_learns_where_the_tubes_stand_and_where_the_light_lies(recordings):
    true = np.column_stack([recordings.truth["true_x"], recordings.truth["true_y"]])
    places = TubePlaces.learn(recordings.pattern, true)
    assert np.median(np.hypot(*(places.xy - pmt_positions()).T)) < 4
    bright = recordings.pattern.sum(axis=1) > 500
    off = np.hypot(*(places.centroid(recordings.pattern) - true)[bright].T)
    assert np.median(off) < 3


def test_a_tube_without_light_moves_nothing(recordings):
    xy = np.column_stack([recordings.truth["true_x"], recordings.truth["true_y"]])
    more = np.pad(recordings.pattern, ((0, 0), (0, 1)))
    places = TubePlaces.learn(more, xy)
    np.testing.assert_allclose(places.centroid(more), TubePlaces.learn(recordings.pattern, xy).centroid(more[:, :-1]))


def test_the_modes_follow_the_position_and_not_the_light(recordings):
    modes = PatternModes.find(recordings.pattern, 6)
    np.testing.assert_allclose(modes.axes.T @ modes.axes, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(modes.project(5 * recordings.pattern), modes.project(recordings.pattern), atol=1e-6)
    coordinates = np.column_stack([np.ones(len(recordings)), modes.project(recordings.pattern)])
    for truth in (recordings.truth["true_x"], recordings.truth["true_y"]):
        left = truth - coordinates @ np.linalg.lstsq(coordinates, truth, rcond=None)[0]
        assert left.std() < 0.35 * truth.std()


def test_light_parts_are_the_roots_of_parts_of_one(recordings):
    np.testing.assert_allclose((light_parts(recordings.pattern) ** 2).sum(axis=1), 1, atol=1e-6)
