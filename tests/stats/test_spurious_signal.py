import numpy as np
import pytest
from tests.stats.falling import EDGES, expected, toys

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.stats.spurious_signal import spurious_signal

WINDOWS = [Window(float(EDGES[i]), float(EDGES[i + 5])) for i in (5, 15, 25)]


def test_a_family_that_holds_the_background_invents_nothing():
    found = spurious_signal(toys(3000, 200), EDGES, WINDOWS, order=3)
    assert found.converged.all()
    assert (np.abs(found.mean) < 4 * found.error).all()
    assert found.error == pytest.approx(200**-0.5, rel=0.2)


def test_a_family_too_stiff_invents_a_signal_and_the_worst_window_is_named():
    found = spurious_signal(expected(1e6)[None], EDGES, WINDOWS, order=2)
    assert found.worst in WINDOWS
    assert np.abs(found.mean).max() > 1.0
    assert np.isnan(found.error).all()


def test_windows_keep_their_order():
    counts = expected(1e4)
    counts[15:20] *= 1.3
    found = spurious_signal(counts[None], EDGES, WINDOWS, order=3)
    assert found.worst == WINDOWS[1]


def test_asks_for_a_window():
    with pytest.raises(InputError, match="no window"):
        spurious_signal(toys(100, 1), EDGES, [])
