"""XENON's calibration data, from the public fit code appletree, against a simulated XENONnT at 23 V/cm.

The Rn-220 sample is β decays of Pb-212: flat below 25 keV to a few per cent. Events lie in the fiducial cylinder of
appletree's defaults. Nothing is fitted: gains and field are XENONnT's, yields and widths NEST's.
"""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from serendip.seeds import rng_for
from serendip.simulate.tpc import Deposits
from serendip.simulate.tpc.detector import XENONNT
from serendip.simulate.tpc.simulate import simulate_tpc

DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[2] / "../shared/data") / "xenon"
N = 100_000

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="XENON's data are not here")
pytest.importorskip("nestpy")


def measured(name: str) -> np.ndarray:
    """The two columns of a file: S1 and S2."""
    return np.genfromtxt(DATA / f"data_{name}.csv", delimiter=",", skip_header=1)[:, 1:]


def simulated(energy: np.ndarray) -> np.ndarray:
    """Corrected areas of electron recoils, uniform in the fiducial cylinder."""
    rng, n = rng_for(1, "places"), len(energy)
    radius, angle = 60 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    x, y, z = radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-134.0, -13.4, n)
    found = simulate_tpc(Deposits(energy, np.zeros(n, bool), x, y, z), XENONNT, pulses=False, seed=1)
    return np.column_stack([found.events.columns[name] for name in ("cs1", "cs2")])


def above_median(events: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """log10 of the S2 less that of the reference's median S2 at the same S1: the band's slope is no part of it."""
    edges = np.linspace(1, 101, 51)
    parts = np.split(*_sorted_at(reference, edges))[1:-1]
    line = np.array([np.median(np.log10(part)) for part in parts])
    return np.log10(events[:, 1]) - np.interp(events[:, 0], 0.5 * (edges[1:] + edges[:-1]), line)


def _sorted_at(events: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S2 in the order of S1, and where in it the edges are."""
    s1, s2 = events[np.argsort(events[:, 0])].T
    return s2, np.searchsorted(s1, edges)


def in_bins(events: np.ndarray, values: np.ndarray, edges: list[float]) -> list[np.ndarray]:
    """The values of the events in each bin of the S1."""
    return [values[(events[:, 0] >= a) & (events[:, 0] < b)] for a, b in itertools.pairwise(edges)]


def width(values: np.ndarray) -> float:
    return float(np.subtract(*np.quantile(values, [0.84, 0.16])) / 2)


@pytest.fixture(scope="module")
def flat() -> np.ndarray:
    return simulated(rng_for(1, "energies").uniform(0.5, 25.0, N))


def test_the_argon_line_lies_within_two_per_cent_in_both_areas():
    """2.82 keV: the K shell of Ar-37. 500 events give its medians to 2.0 % and 1.0 %."""
    ratios = np.median(simulated(np.full(N, 2.82)), axis=0) / np.median(measured("Ar37"), axis=0)
    np.testing.assert_allclose(ratios, 1, atol=0.02)


def test_the_radon_band_has_the_measured_median_above_twenty_photoelectrons(flat):
    radon = measured("Rn220")
    for measured_above in in_bins(radon, above_median(radon, flat), [20.0, 40.0, 60.0, 80.0, 100.0]):
        assert 10 ** -np.median(measured_above) == pytest.approx(1, abs=0.04)


def test_below_it_the_band_is_some_six_per_cent_too_low(flat):
    """A known fault: NEST gives β decays of 1 to 4 keV some 3 % too little charge, and as many quanta too much light."""
    radon = measured("Rn220")
    (measured_above,) = in_bins(radon, above_median(radon, flat), [2.0, 20.0])
    assert 0.91 < 10 ** -np.median(measured_above) < 0.97


def test_the_radon_band_is_no_narrower_than_measured_and_a_third_wider_at_most(flat):
    radon, bins = measured("Rn220"), [10.0, 30.0, 50.0, 70.0, 100.0]
    ours, theirs = (in_bins(events, above_median(events, flat), bins) for events in (flat, radon))
    for simulated_above, measured_above in zip(ours, theirs):
        assert 0.95 < width(simulated_above) / width(measured_above) < 1.35
