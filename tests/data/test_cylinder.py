import numpy as np
import pytest

from serendip.data.cylinder import Cylinder
from serendip.errors import InputError

LIQUID = {"radius": 130.0, "height": 260.0, "density": 2.8611}


def test_the_cylinder_holds_its_mass_with_the_same_margin_everywhere() -> None:
    inner = Cylinder.holding(31.5, **LIQUID)
    assert inner.mass(LIQUID["density"]) == pytest.approx(31.5)
    margins = [130.0 - inner.radius, -inner.top, inner.bottom + 260.0]
    np.testing.assert_allclose(margins, margins[0])


def test_the_whole_liquid_has_no_margin() -> None:
    whole = Cylinder(130.0, 0.0, -260.0)
    assert Cylinder.holding(whole.mass(2.8611), **LIQUID).radius == pytest.approx(130.0)


def test_points_on_the_surface_are_inside_and_unknown_places_are_not() -> None:
    x = np.array([3.0, 3.1, 0.0, 0.0, np.nan])
    z = np.array([-1.0, -1.0, 0.0, -4.1, -1.0])
    np.testing.assert_array_equal(Cylinder(3.0, 0.0, -4.0).contains(x, np.zeros(5), z), [1, 0, 1, 0, 0])


@pytest.mark.parametrize("mass", [0.0, -1.0, 39.6, float("nan")])
def test_a_mass_that_the_liquid_does_not_hold_is_refused(mass: float) -> None:
    with pytest.raises(InputError, match=r"at most the 39\.5 t"):
        Cylinder.holding(mass, **LIQUID)
