import numpy as np
import pytest

from serendip.data.recordings import Recordings
from serendip.errors import TooFewEventsError
from serendip.simulate.tpc.accidentals import accidentals, pair_at_random
from serendip.simulate.tpc.detector import DARWIN
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, draw_deposits

pytest.importorskip("nestpy")


@pytest.fixture(scope="module")
def lone() -> Recordings:
    return simulate_tpc(draw_deposits(SOURCES["flat_er"].within(1.0, 3.0), 300, seed=1), seed=1)


def test_no_s2_keeps_its_own_s1(lone: Recordings) -> None:
    pairs = pair_at_random(lone, DARWIN, np.random.default_rng(1))
    old, new = lone.events.columns, pairs.events.columns
    assert (new["s1"] != old["s1"]).all()
    np.testing.assert_array_equal(np.sort(new["s1"]), np.sort(old["s1"]))
    np.testing.assert_allclose(pairs.s1.sum(axis=1), new["s1"], rtol=0.01, atol=1.0)
    np.testing.assert_array_equal(pairs.s2, lone.s2)
    for name in ("s2", "x", "y"):
        np.testing.assert_array_equal(new[name], old[name])
    assert new.keys() == old.keys()


def test_pairs_leave_the_band_of_electron_recoils(lone: Recordings) -> None:
    """A wrong drift time corrects an S2 for another lifetime: the two areas no longer belong together."""
    pairs = pair_at_random(lone, DARWIN, np.random.default_rng(1))
    own, chance = (
        np.corrcoef(np.log(r.events.columns["cs1"]), np.log(r.events.columns["cs2"]))[0, 1] for r in (lone, pairs)
    )
    assert own > 0.4
    assert abs(chance) < 0.2
    assert pairs.events.columns["z"].min() < -200


def test_the_same_seed_pairs_the_same(lone: Recordings) -> None:
    one, two = (accidentals(200, pulses=False, seed=3, index=1).events.columns["cs1"] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_chunks_share_no_random_numbers() -> None:
    noise = []
    for index in range(2):
        pairs = accidentals(1500, pulses=False, seed=3, index=index)
        away = pairs.events.columns["x"] - pairs.truth["true_x"]
        noise.append(dict(zip(pairs.events.observers["row"].tolist(), away.tolist())))
    both = sorted(noise[0].keys() & noise[1].keys())
    assert len(both) > 300
    assert abs(np.corrcoef(*([one[row] for row in both] for one in noise))[0, 1]) < 0.2


def test_one_event_has_no_partner(lone: Recordings) -> None:
    with pytest.raises(TooFewEventsError, match="Got 1 events to pair"):
        pair_at_random(lone[:1], DARWIN, np.random.default_rng(1))
