"""Events in 200 t y after trigger, fiducial volume and 2–10 keV, against independent counts."""

import pytest

from serendip.features.recoil_selection import RecoilSelection
from serendip.simulate.tpc.detector import DARWIN
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, fiducial_volume, wimp_source

pytest.importorskip("nestpy")
pytest.importorskip("wimprates")
DEPOSITS = 100_000


def selected(source: Source) -> float:
    """Events of the fiducial volume that pass."""
    volume = fiducial_volume(DARWIN)
    deposits = draw_deposits(source, DEPOSITS, seed=1, fiducial=None)
    recordings = simulate_tpc(deposits, pulses=False, seed=1)
    inside = volume.contains(deposits.x, deposits.y, deposits.z).sum()
    return 200 * source.spectrum.total() * RecoilSelection(volume).mask(recordings).sum() / inside


@pytest.mark.parametrize(("mass", "counted"), [(30.0, 112), (50.0, 172), (100.0, 138)])
def test_dark_matter_of_the_benchmark(mass: float, counted: int) -> None:
    """Counted in wimprates' spectrum at 10.6–45.7 keV, which mean yields turn into 2–10 keV of an electron recoil."""
    assert selected(wimp_source(mass, 6.5e-48)) == pytest.approx(counted, rel=0.04)


def test_solar_and_atmospheric_neutrinos() -> None:
    assert selected(SOURCES["pp"].within(0.5, 20.0)) == pytest.approx(4800, rel=0.02)
    assert selected(SOURCES["cevns_atmospheric"]) == pytest.approx(5.0, rel=0.15)
    assert selected(SOURCES["cevns_b8"].within(1.0, 100.0)) < 0.5


def test_the_veto_leaves_an_eighth_of_the_neutrons() -> None:
    deposits = draw_deposits(SOURCES["neutrons"], 20_000, seed=1)
    recordings = simulate_tpc(deposits, pulses=False, seed=1)
    with_veto, without = (RecoilSelection(None, veto=veto).mask(recordings).sum() for veto in (True, False))
    assert with_veto / without == pytest.approx(0.13, abs=0.01)
