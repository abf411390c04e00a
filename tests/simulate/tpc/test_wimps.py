import sys

import numpy as np
import pytest

from serendip.errors import InputError, MissingExtraError
from serendip.simulate.tpc import wimps
from serendip.simulate.tpc.sources import wimp_source
from serendip.simulate.tpc.wimps import wimp_spectrum
from serendip.simulate.tpc.xenon import helm_squared

pytest.importorskip("wimprates")


def test_the_spectrum_is_that_of_wimprates() -> None:
    import wimprates

    spectrum = wimp_spectrum(50.0, 6.5e-48)
    energy = np.array([2.0, 10.0, 33.0])
    expected = wimprates.rate_wimp_std(energy, mw=50.0, sigma_nucleon=6.5e-48)
    np.testing.assert_allclose(spectrum.at(energy), expected, rtol=0.005)


def test_the_rate_is_proportional_to_the_cross_section() -> None:
    assert wimp_spectrum(50.0, 3e-47).total() == pytest.approx(30 * wimp_spectrum(50.0, 1e-48).total())


def test_heavier_particles_give_harder_recoils() -> None:
    light, heavy = (wimp_spectrum(mass, 1e-47) for mass in (5.0, 10_000.0))
    assert light.total(10.0) < 1e-6 * light.total()
    assert heavy.total(10.0) > 0.5 * heavy.total()


def test_a_wimp_is_a_source_of_nuclear_recoils() -> None:
    source = wimp_source(30.0, 1e-47)
    assert source.is_nr
    assert "30 GeV" in source.summary


@pytest.mark.parametrize(
    ("mass", "cross_section", "message"),
    [
        (4.9, 1e-47, "mass: Got 4.9 GeV, but expected 5–10000 GeV"),
        (20_000.0, 1e-47, "mass: Got 20000 GeV"),
        (float("nan"), 1e-47, "mass: Got nan"),
        (50.0, 0.0, "sigma: Got 0 cm²"),
        (50.0, -1e-47, "sigma: Got -1e-47"),
        (50.0, 1e-20, "sigma: Got 1e-20"),
    ],
)
def test_particles_that_cannot_be_are_refused(mass: float, cross_section: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wimp_spectrum(mass, cross_section)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wimprates", None)
    wimps._spectrum.cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "serendip\[xenon\]"'):
        wimp_spectrum(50.0, 1e-47)


def test_the_form_factor_is_that_of_wimprates() -> None:
    import numericalunits
    import wimprates

    energy = np.array([1.0, 10.0, 50.0])
    expected = wimprates.helm_form_factor_squared(energy * numericalunits.keV, 131)
    np.testing.assert_allclose(helm_squared(energy, 131), expected, rtol=1e-3)
