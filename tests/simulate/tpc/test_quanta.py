"""Photons and electrons fluctuate as NEST's do, event by event, whatever the chunks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from serendip.errors import InputError
from serendip.simulate.tpc import DARWIN, Deposits
from serendip.simulate.tpc.quanta import draw_quanta
from serendip.simulate.tpc.yields import MODELS, tabulate

nestpy = pytest.importorskip("nestpy")

N = 5000
ENERGIES = (1.0, 2.0, 5.0, 10.0, 30.0, 100.0)


def deposits(energy, is_nr) -> Deposits:
    energy = np.asarray(energy, float)
    return Deposits(energy, np.broadcast_to(is_nr, energy.shape).copy(), *np.zeros((3, len(energy))))


def drawn_by_nest(kind: str, energy: float, field: float) -> np.ndarray:
    nest, model = nestpy.NESTcalc(nestpy.detectors.VDetector()), getattr(nestpy.interactions, MODELS[kind])
    nestpy.RandomGen.rndm().set_seed(5)
    means = nest.GetYields(model, energy, density=DARWIN.density, drift_field=field)
    found = [nest.GetQuanta(means, DARWIN.density) for _ in range(N)]
    return np.array([(quanta.photons, quanta.electrons) for quanta in found]).T


@pytest.mark.parametrize("field", [23.0, 200.0])
@pytest.mark.parametrize("kind", ["er", "nr"])
def test_quanta_and_their_correlation_are_those_of_nest(kind, field):
    detector = replace(DARWIN, drift_field=field)
    for energy in ENERGIES:
        theirs = drawn_by_nest(kind, energy, field)
        ours = np.array(draw_quanta(deposits(np.full(4 * N, energy), kind == "nr"), detector, seed=1))
        for mine, other in zip(ours, theirs):
            assert stats.ks_2samp(mine, other).pvalue > 1e-3, energy
        away = np.arctanh([np.corrcoef(ours)[0, 1], np.corrcoef(theirs)[0, 1]])
        assert abs(away[0] - away[1]) < 4 * np.sqrt(1.25 / N), energy


def test_the_mean_quanta_are_the_tables():
    energy = np.repeat([3.0, 40.0], 20_000)
    photons, electrons = draw_quanta(deposits(energy, False), DARWIN, seed=2)
    for found, expected in zip((photons, electrons), tabulate("er", DARWIN).at(np.array([3.0, 40.0]))):
        parts = found.reshape(2, -1)
        assert np.all(np.abs(parts.mean(1) - expected) < 4 * parts.std(1) / np.sqrt(20_000))


def test_an_event_is_the_same_in_any_chunk_and_order_of_kinds():
    energy, is_nr = np.geomspace(0.3, 200, 600), np.arange(600) % 3 == 0
    whole = np.array(draw_quanta(deposits(energy, is_nr), DARWIN, seed=3))
    parts = [
        draw_quanta(deposits(energy[part], is_nr[part]), DARWIN, seed=3, first=part.start)
        for part in (slice(0, 1), slice(1, 250), slice(250, 600))
    ]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert not np.array_equal(whole, draw_quanta(deposits(energy, is_nr), DARWIN, seed=4))


def test_quanta_are_never_negative_where_nest_has_hardly_any():
    energy = np.geomspace(0.1, 0.5, 4000)
    for is_nr in (False, True):
        photons, electrons = draw_quanta(deposits(energy, is_nr), DARWIN, seed=5)
        assert photons.min() >= 0
        assert electrons.min() >= 0
    assert photons[energy < 0.2].max() == 0, "no nuclear recoil below 0.2 keV makes light"


def test_no_deposits_give_no_quanta():
    assert [len(found) for found in draw_quanta(deposits([], False), DARWIN, seed=0)] == [0, 0]


def test_energies_of_the_wrong_kind_and_negative_numbers_are_refused():
    assert draw_quanta(deposits([1000.0], False), DARWIN, seed=0)[0] > 0
    with pytest.raises(InputError, match="Got 1000 keV of nuclear recoils"):
        draw_quanta(deposits([1000.0, 3.0], [True, False]), DARWIN, seed=0)
    with pytest.raises(InputError, match="Got seed=-1, but expected a non-negative integer"):
        draw_quanta(deposits([5.0], False), DARWIN, seed=-1)
