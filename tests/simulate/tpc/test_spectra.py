import numpy as np
import pytest
from scipy.stats import kstest

from serendip.errors import InputError
from serendip.simulate.tpc.spectra import Spectrum, flat_spectrum

TRIANGLE = Spectrum(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0]))


def test_the_total_is_the_area_of_the_straight_pieces() -> None:
    assert TRIANGLE.total() == pytest.approx(3.0)
    assert TRIANGLE.total(0.5, 2.0) == pytest.approx(0.75 + 1.5)
    assert TRIANGLE.total(5.0, 6.0) == 0.0


def test_a_part_keeps_the_rate_and_nothing_else() -> None:
    part = TRIANGLE.within(0.5, 2.0)
    assert (part.energy[0], part.energy[-1]) == (0.5, 2.0)
    np.testing.assert_allclose(part.at(np.array([0.4, 0.5, 1.0, 2.0, 2.1])), [0.0, 1.0, 2.0, 1.0, 0.0])


def test_draws_follow_the_rate() -> None:
    def cdf(energy: np.ndarray) -> np.ndarray:
        return np.where(energy < 1, energy**2, 3 - (3 - energy) ** 2 / 2) / 3

    assert kstest(TRIANGLE.draw(np.random.default_rng(1), 50_000), cdf).pvalue > 0.01


@pytest.mark.parametrize("energies", [(5.0, 6.0), (2.0, 1.0), (3.0, 4.0)])
def test_a_range_outside_the_spectrum_is_refused(energies: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="overlaps the spectrum's, 0–3 keV"):
        TRIANGLE.within(*energies)


def test_what_is_no_spectrum_is_refused() -> None:
    with pytest.raises(InputError, match="do not rise"):
        Spectrum(np.array([2.0, 1.0]), np.ones(2))
    with pytest.raises(InputError, match="Got 2 to 1 keV"):
        flat_spectrum(2.0, 1.0)
    with pytest.raises(InputError, match="below 0"):
        flat_spectrum(1.0, 2.0, -1.0)
    with pytest.raises(InputError, match="without any rate"):
        flat_spectrum(1.0, 2.0, 0.0).draw(np.random.default_rng(1), 3)
