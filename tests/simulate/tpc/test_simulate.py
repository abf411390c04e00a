"""Recordings hold the light and charge that the detector's numbers say, whatever the chunks and threads."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.simulate.tpc import DARWIN, Deposits
from serendip.simulate.tpc.simulate import iter_tpc, simulate_tpc
from serendip.simulate.tpc.steps import make_steps

pytest.importorskip("nestpy")


def deposits(n: int, energy=(1.0, 100.0), nr: float = 0.35, radius: float = 130.0, z=(-260.0, 0.0), seed: int = 1):
    rng = rng_for(seed, "deposits")
    r, angle = radius * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    kinds = rng.random(n) < nr
    return Deposits(rng.uniform(*energy, n), kinds, r * np.cos(angle), r * np.sin(angle), rng.uniform(*z, n))


def same(one: Recordings, other: Recordings) -> bool:
    pairs = [(one.events.columns[k], other.events.columns[k]) for k in one.events.columns]
    pairs += [(one.events.observers["row"], other.events.observers["row"])]
    pairs += [(getattr(one, k), getattr(other, k)) for k in ("s1", "s2", "pattern")]
    pairs += [(one.truth[k], other.truth[k]) for k in one.truth]
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def sample() -> Recordings:
    return simulate_tpc(deposits(4000), seed=3)


@pytest.fixture(scope="module")
def areas() -> Recordings:
    return simulate_tpc(deposits(60_000), seed=3, pulses=False)


@pytest.mark.parametrize(("column", "gain", "quanta"), [("cs1", DARWIN.g1, "photons"), ("cs2", DARWIN.g2, "electrons")])
def test_corrected_areas_are_gain_times_quanta(areas, column, gain, quanta):
    bright = areas.truth["photons"] > 500  # else the trigger chooses those that fluctuate upward
    ratio = areas.events.columns[column][bright].sum() / areas.truth[quanta][bright].sum()
    assert ratio == pytest.approx(gain * (1 + DARWIN.double_photoelectrons), rel=0.005)


def test_corrected_areas_do_not_depend_on_the_place(areas):
    c, bright = areas.events.columns, areas.truth["photons"] > 500
    for column, quanta in (("cs1", "photons"), ("cs2", "electrons")):
        ratio = (c[column] / areas.truth[quanta])[bright]
        for place in (c["z"][bright], np.hypot(c["x"], c["y"])[bright]):
            inner = place < np.median(place)
            assert ratio[inner].mean() == pytest.approx(ratio[~inner].mean(), rel=0.01)


def test_electrons_die_with_their_lifetime():
    at = deposits(4000, (50, 60), 0.0, z=(-200.0, -199.0))
    c = simulate_tpc(at, pulses=False).events.columns
    uncorrected = c["s2"].mean() / c["cs2"].mean()
    assert uncorrected == pytest.approx(np.exp(-c["drift_time"].mean() / DARWIN.electron_lifetime), rel=1e-3)
    assert uncorrected == pytest.approx(np.exp(-199.5 / (0.1525 * 5000)), abs=0.01)


def test_energy_scale_of_electron_recoils_is_unbiased_above_the_threshold():
    for energy in (10.0, 30.0, 90.0):
        r = simulate_tpc(deposits(4000, (energy, energy), 0.0), pulses=False)
        assert r.events.columns["energy"].mean() == pytest.approx(energy, rel=0.01)


def test_pulses_sum_to_the_areas(sample):
    c = sample.events.columns
    assert sample.s1.dtype == sample.s2.dtype == sample.pattern.dtype == np.float32
    np.testing.assert_allclose(sample.s1.sum(1), c["s1"], rtol=1e-5)
    outside = 1 - sample.s2.sum(1) / c["s2"]
    assert np.median(np.abs(outside)) < 1e-4
    assert np.all((outside > -1e-5) & (outside < 0.05))
    share = sample.pattern.sum(1) / c["s2"]
    assert share.mean() == pytest.approx(DARWIN.top_fraction, abs=2e-3)


def test_areas_are_the_same_with_pulses_and_without(sample):
    quick = simulate_tpc(deposits(4000), seed=3, pulses=False)
    assert not quick.has_pulses
    for name, values in quick.events.columns.items():
        np.testing.assert_array_equal(values, sample.events.columns[name])


def test_bits_do_not_depend_on_threads_chunks_or_where_they_begin(sample):
    d = deposits(4000)
    assert same(sample, simulate_tpc(d, seed=3, threads=2))
    assert same(sample, concatenate_recordings(*iter_tpc(d, seed=3, chunk=1300)))
    tail = Deposits(*(getattr(d, k)[3000:] for k in ("energy", "is_nr", "x", "y", "z")))
    late = sample.events.observers["row"] >= 3000
    assert same(sample[late], simulate_tpc(tail, seed=3, first=3000))
    assert not np.array_equal(sample.s1[:50], simulate_tpc(d, seed=4).s1[:50])


def test_s2_width_grows_with_the_root_of_the_drift_time():
    def variance(z: float) -> float:
        waves = simulate_tpc(deposits(500, (60, 70), 0.0, z=(z, z)), seed=5).s2.astype(float)
        t = 0.05 * np.arange(waves.shape[1])
        mean = waves @ t / waves.sum(1)
        return float(np.mean((waves * (t - mean[:, None]) ** 2).sum(1) / waves.sum(1)))

    drift = make_steps(DARWIN).drift
    for depth in (100.0, 240.0):
        expected = 2 * drift.longitudinal * depth / drift.velocity**3  # µs²
        assert variance(-depth) - variance(-0.01) == pytest.approx(expected, rel=0.03)


def test_pattern_points_to_the_place(sample):
    tubes = make_steps(DARWIN).response.positions
    assert sample.pattern.shape[1] == len(tubes) == 955
    inner = np.hypot(sample.truth["true_x"], sample.truth["true_y"]) < 100
    brightest = tubes[np.argmax(sample.pattern[inner], axis=1)]
    truth = np.column_stack([sample.truth["true_x"], sample.truth["true_y"]])[inner]
    assert np.quantile(np.hypot(*(brightest - truth).T), 0.9) < 8.0  # a tube and its neighbours


def test_reconstructed_place_is_unbiased_and_blurred_as_stated(sample):
    c, response = sample.events.columns, make_steps(DARWIN).reconstruction
    pull = (c["x"] - sample.truth["true_x"]) / response.resolution(sample.pattern.sum(1).astype(float))
    assert abs(pull.mean()) < 4 * pull.std() / np.sqrt(len(pull))
    assert pull.std() == pytest.approx(1.0, abs=0.06)
    np.testing.assert_allclose(c["z"], sample.truth["true_z"], atol=0.5)


def test_nuclear_recoils_shine_faster(sample):
    late = sample.s1[:, 14:].sum(1) / sample.s1.sum(1)
    enough, is_nr = sample.events.columns["s1"] > 50, sample.truth["is_nr"] == 1
    assert late[enough & ~is_nr].mean() - late[enough & is_nr].mean() > 0.05


def test_areas_are_whole_photoelectrons_where_gains_do_not_spread():
    r = simulate_tpc(deposits(300, (20, 30), 0.5), replace(DARWIN, gain_spread=0.0), seed=2)
    for name in ("s1", "s2"):
        np.testing.assert_array_equal(r.events.columns[name], np.round(r.events.columns[name]))


def test_trigger_needs_four_tubes_within_the_window():
    faint = deposits(4000, (0.8, 2.5), 0.0)
    channels = {}
    for wanted in (2, 3, 4):
        r = simulate_tpc(faint, replace(DARWIN, coincidence=wanted), pulses=False)
        channels[wanted] = len(r)
        assert r.events.columns["channels"].min() >= wanted
    assert channels[2] > channels[3] > channels[4] > 0
    slow = simulate_tpc(faint, replace(DARWIN, coincidence_window=20.0), pulses=False)
    assert len(slow) < 0.7 * channels[4]


def test_channels_do_not_jump_where_counting_them_ends(areas):
    c = areas.events.columns
    photons = c["s1"] / (1 + DARWIN.double_photoelectrons)
    few, more = ((photons > low) & (photons < low + 6) for low in (24, 36))
    assert (c["channels"][few] / photons[few]).mean() == pytest.approx(
        (c["channels"][more] / photons[more]).mean(), rel=0.02
    )


def test_s1_begins_where_the_trigger_saw_it(sample):
    enough = sample.events.columns["s1"] > 60
    assert np.all(sample.s1[enough, :10] == 0)
    assert np.mean(sample.s1[enough, 10] > 0) > 0.999


def test_s2_median_is_in_the_middle(sample):
    cumulative = np.cumsum(sample.s2, axis=1, dtype=float) / sample.events.columns["s2"][:, None]
    middle = np.argmax(cumulative >= 0.5 - 1e-6, axis=1)
    assert np.mean(middle == 150) > 0.995
    assert np.all(np.abs(middle - 150) <= 2)


def test_steps_can_be_replaced():
    steps = make_steps(DARWIN)
    dim = replace(steps, light=replace(steps.light, g1=0.5 * steps.light.g1))
    d = deposits(2000, (20, 30), 0.0)
    half, whole = (simulate_tpc(d, pulses=False, steps=s).events.columns["s1"].mean() for s in (dim, steps))
    assert half / whole == pytest.approx(0.5, rel=0.01)


def test_s1_areas_spread_as_detection_and_charge_say():
    d = deposits(5000, (40.0, 40.0), 1.0, radius=1.0, z=(-130.0, -130.0))
    r = simulate_tpc(d, pulses=False)
    photons, hits = r.truth["photons"], r.events.columns["s1"] / 1.2
    chance = DARWIN.g1 * make_steps(DARWIN).light.relative(*(np.array([v]) for v in (0.0, 0.0, -130.0)))[0]
    one = (0.2 * 0.8 + 1.2 * DARWIN.gain_spread**2) / 1.2**2  # variance of a photon's charge over its squared mean
    expected = photons.var() * chance**2 + photons.mean() * chance * (1 - chance + one)
    assert hits.mean() == pytest.approx(photons.mean() * chance, rel=0.01)
    assert hits.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / len(hits)))


@pytest.mark.parametrize(
    ("x", "z", "named"), [(140.0, -10.0, "x = 140"), (0.0, 3.0, "z = 3"), (0.0, -261.0, "-261"), (np.nan, -1.0, "nan")]
)
def test_names_the_first_deposit_outside_the_detector(x, z, named):
    d = deposits(10)
    d.x[4], d.y[4], d.z[4] = x, 0.0, z
    with pytest.raises(InputError, match=f"row 4 at .*{named}.* radius up to 130 cm and z from -260 to 0"):
        simulate_tpc(d)


def test_says_so_when_no_event_triggers():
    with pytest.raises(InputError, match="none triggers, but expected light in 4 tubes"):
        simulate_tpc(deposits(20, (0.2, 0.3), 1.0))
    with pytest.raises(InputError, match="Got 20 deposits of which none"):
        list(iter_tpc(deposits(20, (0.2, 0.3), 1.0), chunk=7))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"first": -1}])
def test_refuses_negative_numbers_of_seed_and_event(wrong):
    with pytest.raises(InputError, match="non-negative"):
        simulate_tpc(deposits(5), **wrong)


def test_refuses_chunks_of_nothing():
    with pytest.raises(InputError, match="chunk=0"):
        next(iter_tpc(deposits(5), chunk=0))


def test_gains_that_spread_widely_leave_finite_pulses():
    wild = replace(DARWIN, single_electron_spread=30.0)
    r = simulate_tpc(deposits(500, (2.0, 4.0), 0.5), wild)
    assert np.all(np.isfinite(r.s2))
    assert np.all(np.isfinite(r.pattern))
