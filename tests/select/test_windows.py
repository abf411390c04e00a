import numpy as np
import pytest

from serendip.data import Window
from serendip.errors import InputError
from serendip.select.windows import resolution_windows, spectrum_edges, step_windows


def test_a_stepped_scan_ends_with_the_last_window_that_fits():
    windows = step_windows(2700, 5300, 400, 200)
    assert windows[0] == Window(2700, 3100)
    assert windows[-1] == Window(4900, 5300)
    assert len(windows) == 12


def test_resolution_windows_widen_with_the_mass():
    windows = resolution_windows(1000, 3000, 0.1)
    assert np.allclose([w.width / w.low for w in windows], 0.1)
    assert np.allclose(np.diff([w.low for w in windows]), [0.5 * w.width for w in windows[:-1]])
    assert windows[-1].high <= 3000


@pytest.mark.parametrize("windows", [step_windows(2700, 5300, 400, 130), resolution_windows(2700, 5300, 0.07)])
def test_every_window_begins_and_ends_at_a_bin_edge(windows):
    edges = spectrum_edges((2600, 6500), windows, 50)
    assert edges[0] == 2600
    assert edges[-1] == 6500
    assert np.all(np.diff(edges) > 0)
    assert np.diff(edges).max() <= 50 * (1 + 1e-9)
    for window in windows:
        assert np.min(np.abs(edges - window.low)) < 1e-6
        assert np.min(np.abs(edges - window.high)) < 1e-6


def test_names_the_window_that_leaves_the_mass_range():
    with pytest.raises(InputError, match="Got window 2700–3100, but expected it within"):
        spectrum_edges((2800, 6500), [Window(2700, 3100)], 50)


def test_refuses_a_range_that_holds_no_window():
    with pytest.raises(InputError, match="expected a width that fits"):
        step_windows(2700, 3000, 400, 200)
