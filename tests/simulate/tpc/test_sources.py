"""Rates against published ones; the figures and where they come from stand in docs/xenon_sources.md."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from serendip.errors import InputError
from serendip.simulate.tpc import neutrinos
from serendip.simulate.tpc.detector import DARWIN
from serendip.simulate.tpc.sources import (
    SOURCES,
    draw_deposits,
    expected_events,
    fiducial_volume,
    find_source,
    krypton_source,
    radon_source,
)
from serendip.simulate.tpc.spectra import flat_spectrum
from serendip.simulate.tpc.xenon import ATOMS_PER_TONNE, YEAR, free_electrons, helm_squared

EXPOSURE = 200.0  # t y


# 3.0 /(t y keV) of arXiv:1309.7024; 0.73 and, scaled to 2 ppq, 1.44 of arXiv:1506.08309; radon: between 560 and 900.
@pytest.mark.parametrize(
    ("name", "published", "part"),
    [("pp", 4800, 0.01), ("radon222", 690, 0.3), ("krypton85", 46, 0.2), ("xenon136", 1168, 0.01)],
)
def test_backgrounds_in_the_window_agree_with_published_counts(name: str, published: float, part: float) -> None:
    assert EXPOSURE * SOURCES[name].spectrum.total(2.0, 10.0) == pytest.approx(published, rel=part)


def test_boron_recoils_have_the_known_rate_and_end_at_their_kinematic_limit() -> None:
    boron = SOURCES["cevns_b8"].spectrum
    assert boron.total(1.0) == pytest.approx(90.0, rel=0.1)
    assert 4.2 < boron.energy[boron.rate > 0].max() < 2 * 16.0**2 / (124 * 0.9315)


def test_coherent_scattering_agrees_with_a_plain_double_sum() -> None:
    energy, shape = np.array([1.0, 10.0]), {20.0: 1.0, 40.0: 1.0}
    mass, charge = 131.293 * 0.9315, 131.293 - 54 - 54 * (1 - 4 * 0.2387)
    neutrino = np.linspace(20.0, 40.0, 4001)
    kinematic = np.maximum(1 - mass * energy[:, None] / (2 * neutrino**2), 0.0)
    cross_section = (1.16638e-5 * charge) ** 2 * mass / (4 * np.pi) * kinematic * 3.8938e-28 * 1e-6  # cm²/keV
    expected = 7.0 * cross_section.mean(axis=1) * helm_squared(energy, 131) * ATOMS_PER_TONNE * YEAR
    np.testing.assert_allclose(neutrinos.coherent(shape, 7.0, energy).rate, expected, rtol=0.02)


def test_leaving_out_every_other_point_of_a_table_hardly_moves_the_rate() -> None:
    grid = np.geomspace(1.0, 60.0, 100)
    for shape in (neutrinos.SUPERNOVA_SHAPE, neutrinos.ATMOSPHERIC_SHAPE):
        points = list(shape.items())
        coarse = dict(sorted({*points[::2], points[-1]}))
        full, thinned = (neutrinos.coherent(one, 1.0, grid).total() for one in (shape, coarse))
        assert thinned == pytest.approx(full, rel=0.02)


def test_the_form_factor_falls_from_1_to_its_first_zero() -> None:
    energy = np.linspace(0.0, 90.0, 200)
    f2 = helm_squared(energy, 132)
    assert f2[0] == pytest.approx(1.0)
    assert (np.diff(f2) < 0).all()


def test_tightly_bound_electrons_take_no_part_at_low_energy() -> None:
    np.testing.assert_array_equal(free_electrons(np.array([40.0, 30.0, 5.0, 2.0])), [54, 52, 48, 44])


def test_purity_scales_its_backgrounds() -> None:
    assert krypton_source(1e-13).spectrum.total(2, 10) == pytest.approx(50 * SOURCES["krypton85"].spectrum.total(2, 10))
    assert radon_source(1.0).spectrum.total() == pytest.approx(10 * SOURCES["radon222"].spectrum.total())


def test_each_source_says_where_it_comes_from() -> None:
    assert all(source.name == name for name, source in SOURCES.items())
    assert all("arXiv:" in source.reference or "doi:" in source.reference for source in SOURCES.values())


def test_a_mixture_has_the_shares_of_its_rates() -> None:
    sources = [SOURCES[name].within(1.0, 20.0) for name in ("pp", "radon222", "neutrons")]
    deposits = draw_deposits([*sources[:2], sources[2].scaled(1e4)], 50_000, seed=3)
    rates = expected_events(sources, 1.0) * [1, 1, 1e4]
    share = np.bincount(deposits.source) / len(deposits)
    np.testing.assert_allclose(share, rates / rates.sum(), atol=0.01)
    np.testing.assert_array_equal(deposits.is_nr, deposits.source == 2)
    assert deposits.veto[deposits.source == 2].mean() == pytest.approx(0.87, abs=0.01)
    assert not deposits.veto[deposits.source < 2].any()


def test_deposits_fill_the_fiducial_volume_evenly() -> None:
    deposits = draw_deposits(SOURCES["flat_er"], 20_000, seed=1)
    volume = fiducial_volume(DARWIN, 31.5)
    assert volume.contains(deposits.x, deposits.y, deposits.z).all()
    square = (deposits.x**2 + deposits.y**2) / volume.radius**2
    depth = (deposits.z - volume.bottom) / (volume.top - volume.bottom)
    for values in (square, depth, (deposits.energy - 1) / 99):
        assert kstest(values, "uniform").pvalue > 0.01


def test_the_same_seed_and_chunk_draw_the_same_bits_and_others_do_not() -> None:
    one, same, other = (draw_deposits(SOURCES["pp"], 100, seed=5, index=i).energy for i in (2, 2, 3))
    np.testing.assert_array_equal(one, same)
    assert not np.isin(one, other).any()


def test_two_sources_share_no_places_under_one_seed() -> None:
    one, other = (draw_deposits(SOURCES[name], 100, seed=5).z for name in ("flat_er", "flat_nr"))
    assert not np.isin(one, other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SOURCES["pp"], -1), "events: Got -1"),
        (([], 5), "sources: Got none"),
        ((SOURCES["accidentals"], 5), r"Use accidentals\(\)"),
        ((replace(SOURCES["pp"], spectrum=flat_spectrum(1.0, 2.0, 0.0)), 5), "no rate at all"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_deposits(*arguments)


def test_names_the_source_that_was_meant() -> None:
    with pytest.raises(InputError, match="Did you mean 'krypton85'"):
        find_source("krypton")
