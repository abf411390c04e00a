"""Photons leave the xenon when NEST says."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.simulate.tpc import DARWIN
from serendip.simulate.tpc.scintillation import EmissionTimes, emission_times

nestpy = pytest.importorskip("nestpy")

N = 20_000
TIMES = np.array([5, 10, 30, 100, 300])  # ns


@pytest.mark.parametrize("field", [23.0, 200.0])
@pytest.mark.parametrize("energy", [2.0, 50.0])
def test_electron_recoils_emit_when_nest_says(energy, field):
    found = emission_times("er", energy, replace(DARWIN, drift_field=field))
    nest = nestpy.NESTcalc(nestpy.detectors.VDetector())
    nestpy.RandomGen.rndm().set_seed(5)
    excitons = round(N * (1 - found.recombined))
    theirs = np.array(nest.GetPhotonTimes(nestpy.interactions.beta, N, excitons, field, energy))
    expected = (theirs[:, None] <= TIMES).mean(0)
    np.testing.assert_allclose(found.emitted(1.0, 400)[TIMES], expected, atol=4 * 0.5 / np.sqrt(N))


def test_nuclear_recoils_are_faster_by_their_singlets():
    nuclear, electron = (emission_times(kind, 10.0, DARWIN) for kind in ("nr", "er"))
    assert nuclear.recombination_time == 0 < electron.recombination_time
    assert nuclear.singlets == pytest.approx(0.269 / 1.269)
    assert np.all(nuclear.emitted(1.0, 400)[TIMES] > electron.emitted(1.0, 400)[TIMES])


def test_recombination_is_exact_to_second_order_in_the_step():
    times = EmissionTimes(0.1, 3.0, 25.0, 0.8, 6.0)
    fine = times.emitted(0.01, 20_001)[::100]
    assert np.max(np.abs(times.emitted(1.0, 201) - fine)) < 2e-3
    assert np.max(np.abs(times.emitted(0.5, 401)[::2] - fine)) < 6e-4


def test_emission_begins_with_the_recoil_and_ends_with_every_photon():
    emitted = emission_times("er", 5.0, DARWIN).emitted(2.0, 50_000)
    assert emitted[0] == 0
    assert np.all(np.diff(emitted) > -1e-12)
    assert emitted[-1] == pytest.approx(1, abs=1e-4)
