"""The steps of the simulation against closed forms and measured values."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.errors import InputError
from serendip.simulate.tpc import DARWIN
from serendip.simulate.tpc._kernels_pulses import _chances
from serendip.simulate.tpc.drift import VELOCITY, Drift
from serendip.simulate.tpc.electroluminescence import CROSSING, EXCIMERS, Electroluminescence
from serendip.simulate.tpc.photon_times import DELAY, TRANSIT, PhotonTimes
from serendip.simulate.tpc.response import LightResponse, pmt_positions
from serendip.simulate.tpc.trigger import Trigger


@pytest.mark.parametrize(("field", "velocity"), VELOCITY.items())
def test_drift_velocity_is_the_measured_one_at_measured_fields(field, velocity):
    drift = Drift.of(replace(DARWIN, drift_field=field))
    assert drift.velocity == pytest.approx(velocity / 10)
    assert drift.time(np.array([-100.0]))[0] == pytest.approx(1000 / velocity)


def test_drift_velocity_agrees_with_nest_at_the_default_field():
    nestpy = pytest.importorskip("nestpy")
    nest = nestpy.NESTcalc(nestpy.detectors.VDetector())
    expected = nest.SetDriftVelocity(177.0, DARWIN.density, DARWIN.drift_field, 1.8) / 10
    assert Drift.of(DARWIN).velocity == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("field", [5.0, 2000.0])
def test_a_field_without_measured_velocity_is_refused(field):
    with pytest.raises(InputError, match="expected 23 to 530"):
        Drift.of(replace(DARWIN, drift_field=field))


@pytest.mark.parametrize(("pmts", "radius"), [(955, 130.0), (253, 66.4), (127, 47.9), (7, 20.0), (1, 8.0)])
def test_the_array_holds_exactly_the_tubes_asked_for_without_overlap(pmts, radius):
    xy = pmt_positions(replace(DARWIN, pmts=pmts, radius=radius))
    assert len(xy) == pmts
    assert np.hypot(*xy.T).max() <= radius
    np.testing.assert_allclose(xy.mean(0), 0, atol=1e-6)
    if pmts > 1:
        apart = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1)) + 1e9 * np.eye(pmts)
        assert apart.min() >= 3 * 2.54 - 1e-9


def test_too_many_tubes_are_refused():
    with pytest.raises(InputError, match="Got 1200 tubes of 3 inch for a radius of 130 cm"):
        pmt_positions(replace(DARWIN, pmts=1200))


def test_light_response_sums_to_one_and_the_kernel_has_the_same():
    response = LightResponse.of(DARWIN)
    x, y = np.array([0.0, 50.0, -129.0]), np.array([0.0, -70.0, 0.0])
    parts = response(x, y)
    np.testing.assert_allclose(parts.sum(1), 1)
    for exponent in (1.5, 1.2):
        parts = replace(response, exponent=exponent)(x, y)
        for i in range(3):
            chances = np.empty(955)
            _chances(x[i], y[i], response.positions, response.distance, exponent, response.reflected, chances)
            np.testing.assert_allclose(chances, parts[i], rtol=1e-12)


def test_gas_light_lasts_as_the_crossing_and_the_excimers():
    emission = Electroluminescence.of(DARWIN).emission(50.0)
    centres = 0.05 * (np.arange(len(emission)) + 0.5)
    decay = sum(part * lifetime for lifetime, part in EXCIMERS)
    assert emission.sum() == pytest.approx(1)
    assert np.all(emission > 0)
    assert emission @ centres == pytest.approx(CROSSING / 2 + decay, rel=2e-3)


def test_photon_times_have_the_mean_of_their_parts_and_rise():
    pytest.importorskip("nestpy")
    times = PhotonTimes.of(DARWIN)
    assert np.all(np.diff(times.cumulative, axis=1) >= -1e-15)
    assert np.all(times.cumulative[:, -1] == 1)
    nr = times.cumulative[times.row(np.array([30.0]), np.array([True]))[0]]
    singlets = 0.269 / 1.269
    expected = singlets * 3.27 + (1 - singlets) * 23.97 + DARWIN.optical_delay + DELAY * TRANSIT
    assert np.sum(1 - nr) == pytest.approx(expected + 0.5, abs=0.6)


def test_nuclear_recoils_have_rows_of_their_own():
    pytest.importorskip("nestpy")
    times = PhotonTimes.of(DARWIN)
    rows = times.row(np.array([0.05, 1.0, 30.0, 3000.0]), np.array([False, True, False, True]))
    assert rows[0] == 0
    assert rows[1] >= 24 > rows[2]
    assert rows[3] == 47


def test_trigger_needs_both_signals():
    trigger = Trigger.of(DARWIN)
    assert trigger.s2 == pytest.approx(5 * 28 * 1.2)
    fires = trigger(np.array([4.0, 3.0, 9.0]), np.array([168.0, 1e4, 167.0]))
    np.testing.assert_array_equal(fires, [True, False, False])
