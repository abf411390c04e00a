"""The table of mean quanta is NEST's, between its points too, and it refuses what NEST does not know."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from serendip.errors import InputError, MissingExtraError
from serendip.seeds import rng_for
from serendip.simulate.tpc import DARWIN
from serendip.simulate.tpc.yields import MODELS, VALID_ENERGY, _tabulate, tabulate


@pytest.fixture
def nestpy():
    return pytest.importorskip("nestpy")


@pytest.mark.parametrize("kind", ["er", "nr"])
def test_between_its_points_the_table_is_nest_to_a_hundredth_of_a_quantum_or_a_ten_thousandth(kind, nestpy):
    energy = np.exp(rng_for(1, kind).uniform(*np.log(VALID_ENERGY[kind]), 400))
    nest, model = nestpy.NESTcalc(nestpy.detectors.VDetector()), getattr(nestpy.interactions, MODELS[kind])
    direct = [nest.GetYields(model, e, density=DARWIN.density, drift_field=DARWIN.drift_field) for e in energy]
    photons, electrons = tabulate(kind, DARWIN).at(energy)
    np.testing.assert_allclose(photons, [y.PhotonYield for y in direct], rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(electrons, [y.ElectronYield for y in direct], rtol=1e-4, atol=1e-2)


def test_a_stronger_field_turns_light_into_charge_and_keeps_the_quanta(nestpy):
    energy = np.array([2.0, 10.0, 50.0])
    (light, charge), (darker, richer) = (
        tabulate("er", replace(DARWIN, drift_field=field)).at(energy) for field in (20.0, 400.0)
    )
    assert np.all(darker < light)
    assert np.all(richer > charge)
    np.testing.assert_allclose(light + charge, darker + richer, rtol=1e-9)


def test_a_detector_is_tabulated_once(nestpy):
    assert tabulate("nr", DARWIN) is tabulate("nr", replace(DARWIN, g1=0.2))
    assert tabulate("nr", DARWIN) is not tabulate("nr", replace(DARWIN, drift_field=199.0))


@pytest.mark.parametrize(
    ("kind", "energy", "said"),
    [
        ("er", 0.05, "Got 0.05 keV of electron recoils .1 such., but expected 0.1 to 3000 keV"),
        ("nr", 310.0, "Got 310 keV of nuclear recoils .1 such., but expected 0.1 to 300 keV"),
        ("nr", np.nan, "Got nan keV of nuclear recoils"),
    ],
)
def test_energies_that_nest_does_not_know_are_named(kind, energy, said, nestpy):
    with pytest.raises(InputError, match=said):
        tabulate(kind, DARWIN).at(np.array([5.0, energy]))


def test_fields_and_densities_that_nest_does_not_know_are_named():
    with pytest.raises(InputError, match=r"detector.drift_field: Got 8000, but expected 1 to 4000 V/cm"):
        tabulate("er", replace(DARWIN, drift_field=8000.0))
    with pytest.raises(InputError, match=r"detector.density: Got 1.4, but expected 2.6 to 3.1 g/cm³"):
        tabulate("er", replace(DARWIN, density=1.4))


def test_without_nestpy_the_message_holds_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "nestpy", None)
    with pytest.raises(MissingExtraError, match=r'pip install "serendip\[xenon\]"'):
        _tabulate.__wrapped__("er", 200.0, 2.86)


def test_nests_own_remarks_do_not_reach_the_terminal(capfd, nestpy):
    _tabulate.__wrapped__("er", 123.0, 2.86)
    assert capfd.readouterr() == ("", "")
