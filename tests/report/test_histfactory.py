"""The HistFactory workspace is valid for pyhf, and gives our own significance back."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.report import SpectrumPanel, spectrum_workspace, window_workspace, write_workspace
from serendip.seeds import rng_for
from serendip.stats.excess import local_p_value
from serendip.stats.spectrum import Spectrum

pyhf = pytest.importorskip("pyhf")
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf's own


def discovery_z(workspace: dict) -> float:
    """Z of μ = 0 by pyhf's asymptotics."""
    loaded = pyhf.Workspace(workspace)
    model = loaded.model()
    return float(stats.norm.isf(pyhf.infer.hypotest(0.0, loaded.data(model), model, test_stat="q0")))


def closed_form_z(n: float, b: float, error: float) -> float:
    """Z of n events on b ± error with a Gaussian constraint, the background profiled by hand."""
    v = error**2
    profiled = 0.5 * (b - v + np.sqrt((b - v) ** 2 + 4 * n * v))
    q0 = 2 * (n * np.log(n / profiled) - n + profiled) + (b - profiled) ** 2 / v
    return float(np.sqrt(q0))


def one_bin(n: float, b: float, error: float) -> dict:
    return window_workspace(np.array([n]), np.array([b]), np.array([[error**2]]))


@pytest.mark.parametrize(("n", "b", "error"), [(61, 21.3, 3.0), (1100, 1000.0, 20.0), (8, 2.0, 1.0), (30, 10.0, 0.01)])
def test_pyhf_finds_the_z_of_the_closed_form(n, b, error):
    assert discovery_z(one_bin(n, b, error)) == pytest.approx(closed_form_z(n, b, error), abs=0.01)


def test_a_deficit_has_no_discovery_significance():
    assert discovery_z(one_bin(15, 21.3, 3.0)) == pytest.approx(0, abs=1e-3)


def test_bins_that_move_together_are_as_significant_as_their_sum():
    b = np.array([10.0, 8.0, 6.0])
    n, error = np.array([18.0, 14.4, 10.8]), 0.1 * b
    together = discovery_z(window_workspace(n, b, np.outer(error, error)))
    assert together == pytest.approx(closed_form_z(n.sum(), b.sum(), error.sum()), abs=0.01)


def test_correlated_bins_keep_the_error_of_their_sum():
    b, n = np.array([100.0, 80.0]), np.array([140.0, 112.0])
    covariance = np.array([[36.0, 12.0], [12.0, 25.0]])
    workspace = window_workspace(n, b, covariance)
    modifiers = workspace["channels"][0]["samples"][1]["modifiers"]
    shifts = np.array([m["data"]["hi_data"] for m in modifiers]) - b
    np.testing.assert_allclose(shifts.T @ shifts, covariance, atol=1e-9)
    assert discovery_z(workspace) > 3


def test_the_local_z_of_a_spectrum_comes_back_from_its_workspace():
    edges, window = np.linspace(2000, 6000, 41), Window(3300, 3700)
    centres = 0.5 * (edges[1:] + edges[:-1])
    mean = 4000 * np.exp(-(centres - 2000) / 500) + 60 * np.exp(-0.5 * ((centres - 3500) / 80) ** 2)
    counts = rng_for(4, "workspace").poisson(mean).astype(float)
    ours = local_p_value(Spectrum.from_counts(counts, edges), window, "dijet", 3)
    inside = window.contains(centres)
    covariance = ours.fit.expected_covariance[np.ix_(inside, inside)]
    z_sum = discovery_z(one_bin(ours.observed, ours.expected, ours.expected_error))
    z_bins = discovery_z(window_workspace(counts[inside], ours.fit.expected[inside], covariance))
    panel = SpectrumPanel("s", "S", edges, counts, counts, ours.fit.expected, ours.fit.expected_error, window)
    z_panel = discovery_z(spectrum_workspace(panel))
    assert ours.z > 2.5
    assert z_sum == pytest.approx(ours.z, abs=0.02)
    assert z_panel == pytest.approx(ours.z, abs=0.03)
    assert z_bins == pytest.approx(ours.z, abs=0.05)


def test_weighted_events_enter_as_their_equivalent_count(panels):
    panel = next(p for p in panels if isinstance(p, SpectrumPanel))
    weighted = replace(
        panel, counts=0.5 * panel.counts, variances=0.25 * panel.variances,
        expected=0.5 * panel.expected, expected_error=0.5 * panel.expected_error,
    )  # fmt: skip
    assert discovery_z(spectrum_workspace(weighted)) == pytest.approx(discovery_z(spectrum_workspace(panel)), abs=1e-3)


def test_no_pull_within_the_bounds_drives_a_bin_below_zero():
    b = np.array([2.0, 3.0])
    covariance = np.array([[2.0, -0.5], [-0.5, 4.0]])
    workspace = window_workspace(np.array([6.0, 3.0]), b, covariance)
    parameters = {p["name"]: p["bounds"][0] for p in workspace["measurements"][0]["config"]["parameters"]}
    shifts = [
        (m["name"], np.array(m["data"]["hi_data"]) - b) for m in workspace["channels"][0]["samples"][1]["modifiers"]
    ]
    for signs in np.ndindex(2, 2):
        assert np.all(b + sum(parameters[name][side] * shift for side, (name, shift) in zip(signs, shifts)) > 0)


def test_a_written_workspace_reads_back(tmp_path):
    workspace = one_bin(61, 21.3, 3.0)
    path = write_workspace(tmp_path, workspace)
    assert path.relative_to(tmp_path).as_posix() == "exports/histfactory.json"
    assert json.loads(path.read_text()) == workspace


def test_a_bin_without_background_is_refused():
    with pytest.raises(InputError, match="above 0"):
        one_bin(3, 0.0, 1.0)


def test_a_spectrum_without_a_window_is_refused(panels):
    panel = next(p for p in panels if isinstance(p, SpectrumPanel))
    with pytest.raises(InputError, match="no bin in the window"):
        spectrum_workspace(replace(panel, window=None))
