"""The LHC Olympics example on real files: it finds the signal, and the gate catches features that know the mass."""

import os
from pathlib import Path

import numpy as np
import pytest

from serendip.config import load_config
from serendip.search.prepare import prepared
from serendip.search.scan import fit_scan, mass_dependence_task, observed_task

EXAMPLE = Path(__file__).parents[2] / "examples" / "lhco.yaml"
DATA = Path(os.environ.get("SERENDIP_DATA") or Path(__file__).parents[3] / "shared" / "data")
EVENTS = DATA / "lhco" / "lhco_rnd_100k.features.h5"

pytestmark = pytest.mark.skipif(not EVENTS.exists(), reason="needs SERENDIP_DATA")


def example(monkeypatch, *overrides):
    monkeypatch.setenv("SERENDIP_DATA", str(DATA))
    return load_config(EXAMPLE, ["windows=[[3300,3700]]", *overrides])


def local_z(config):
    task = observed_task(config.analysis(), 0)
    return fit_scan(prepared(config.analysis()), task["counts"][None], task["variances"][None]).z[0, 0]


def test_the_example_has_the_published_signal_strength(monkeypatch):
    p = prepared(example(monkeypatch).analysis())
    inside = p.windows[0].contains(p.m)
    signal = int((p.truth.is_signal & inside).sum())
    background = int((~p.truth.is_signal & inside).sum())
    assert 2.0 < signal / np.sqrt(background) < 2.4


def test_the_signal_is_found_in_its_window(monkeypatch):
    z = np.array([local_z(example(monkeypatch, f"data.inject.seed={draw}", f"seed={draw}")) for draw in (1, 2, 3)])
    assert np.median(z[:, 0]) > 4
    assert np.median(z[:, 1]) > 6


def test_without_signal_nothing_is_found(monkeypatch):
    assert local_z(example(monkeypatch, "data.inject.signal=0")).max() < 3


def test_features_shifted_by_a_tenth_of_the_mass_are_caught(monkeypatch):
    """FACTS of the project: with mJ, ΔmJ += 0.1 m_jj and no signal, Z ≈ 8 with a good fit."""
    honest = mass_dependence_task(example(monkeypatch).analysis(), 0)
    shifted = example(
        monkeypatch,
        "data.inject.signal=0",
        "features.mj_light=min(mj1, mj2) + 0.1 * pair_mass(pxj1, pyj1, pzj1, mj1, pxj2, pyj2, pzj2, mj2)",
        "features.dmj=abs(mj1 - mj2) + 0.1 * pair_mass(pxj1, pyj1, pzj1, mj1, pxj2, pyj2, pzj2, mj2)",
    )
    limit = shifted.gate.max_mass_auc
    assert honest["auc"] < limit
    assert mass_dependence_task(shifted.analysis(), 0)["auc"] > 0.6 > limit
