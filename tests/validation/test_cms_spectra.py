"""The dijet spectrum that CMS published (arXiv:1911.03947, HEPData ins1764471): no resonance, and none may be found."""

import os
from pathlib import Path

import numpy as np
import pytest

from serendip.data.window import Window
from serendip.stats.background_fit import fit_background
from serendip.stats.excess import excesses
from serendip.stats.order import choose_order
from serendip.stats.spectrum import Spectrum

DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[2] / "../shared/data")
FILE = DATA / "cms_spectra" / "dijet.csv"
LUMINOSITY = 137_000.0  # 1/pb
TEV = 1000.0

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the CMS spectra are not here")


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    centre, y, _, _, width = np.genfromtxt(FILE, delimiter=",", comments="#", skip_header=7).T
    edges = np.append(centre - 0.5 * width, centre[-1] + 0.5 * width[-1])
    return Spectrum.from_counts(np.rint(y * width / TEV * LUMINOSITY), edges, mass_name="m_jj")


def test_the_counts_are_whole_numbers_of_events(spectrum):
    assert spectrum.counts[-1] == 1
    assert spectrum.counts.sum() > 5e6


def test_the_dijet_family_describes_it(spectrum):
    choice = choose_order(spectrum, "dijet")
    assert choice.tests[0].p < 1e-6, "a power law alone must not do for five million events"
    assert choice.fit.goodness_p > 0.05
    assert fit_background(spectrum, "dijet", 4).goodness_p > 0.05, "the form that CMS quotes"


def test_no_window_holds_three_sigma(spectrum):
    edges = spectrum.edges
    windows = [Window(float(edges[i]), float(edges[i + 4])) for i in range(3, len(spectrum) - 7)]
    found = excesses(np.tile(spectrum.counts, (len(windows), 1)), edges, windows, "dijet", "auto")
    assert found.converged.all()
    assert np.abs(found.z).max() < 3.0
