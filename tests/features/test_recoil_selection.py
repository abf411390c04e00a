import numpy as np
import pytest

from serendip.data.cylinder import Cylinder
from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.errors import InputError
from serendip.features.recoil_selection import RecoilSelection


def recordings(**columns: list[float]) -> Recordings:
    values = {"x": [0.0] * 5, "y": [0.0] * 5, "z": [-5.0] * 5, "energy": [5.0] * 5, "veto": [0.0] * 5} | columns
    return Recordings(Events({name: np.array(column) for name, column in values.items()}))


def test_each_cut_takes_its_events() -> None:
    sample = recordings(x=[0, 9, 0, 0, 0.0], energy=[5, 5, 1.9, 10, 2.0], veto=[1, 0, 0, 0, 0.0])
    selection = RecoilSelection(Cylinder(5.0, -1.0, -9.0))
    np.testing.assert_array_equal(selection.mask(sample), [0, 0, 0, 0, 1])
    flow = selection.flow(sample)
    assert [cut.name for cut in flow] == ["triggered", "fiducial volume", "2–10 keV", "neutron veto"]
    assert [cut.left for cut in flow] == [5, 4, 2, 1]


def test_cuts_that_are_switched_off_take_nothing() -> None:
    sample = recordings(x=[0, 9, 0, 0, 0.0], veto=[1, 0, 0, 0, 0.0])
    assert RecoilSelection(None, veto=False).mask(sample).all()


@pytest.mark.parametrize("energy", [(10.0, 2.0), (-1.0, 2.0), (float("nan"), 2.0)])
def test_a_window_that_does_not_rise_is_refused(energy: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="two rising energies"):
        RecoilSelection(None, energy)
