import numpy as np
import pytest

from serendip.score.weak.transports import TRANSPORTS, LikelihoodTransport, SinkhornTransport


@pytest.fixture(scope="module", params=sorted(TRANSPORTS))
def learned(request):
    """A transport of x ~ N(m, 1), and of a feature that does not know the mass."""
    rng = np.random.default_rng(0)
    m = rng.uniform(0, 2, 4000)
    x = np.column_stack([m + rng.normal(size=4000), rng.normal(size=4000)])
    if request.param == "likelihood":
        return LikelihoodTransport("gaussian").fit(x, m)
    return SinkhornTransport(pairs=8192, epochs=6, batch=128, blocks=2, hidden=16, learning_rate=5e-3).fit(x, m)


def test_carried_events_are_distributed_as_those_of_the_new_mass(learned):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 2)) + np.array([0.2, 0])
    carried = learned.carry(x, np.full(2000, 0.2), np.full(2000, 1.5))
    assert carried.mean(axis=0) == pytest.approx([1.5, 0.0], abs=0.2)
    assert carried.std(axis=0) == pytest.approx([1, 1], abs=0.15)


def test_carrying_there_and_back_changes_nothing(learned):
    rng = np.random.default_rng(1)
    x, m, to = rng.normal(size=(500, 2)), rng.uniform(0, 2, 500), rng.uniform(0, 2, 500)
    back = learned.carry(learned.carry(x, m, to), to, m)
    assert back == pytest.approx(x, abs=1e-3)
