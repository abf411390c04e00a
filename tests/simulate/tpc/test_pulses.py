"""Pulses look like those of a plain simulation, photon by photon."""

import numpy as np
import pytest
from scipy import stats

from serendip.data.recordings import Recordings
from serendip.seeds import rng_for
from serendip.simulate.tpc import DARWIN, Deposits
from serendip.simulate.tpc.electroluminescence import EXCIMERS
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.steps import make_steps

pytest.importorskip("nestpy")

N, DEPTH, X, Y = 600, 150.0, 40.0, -25.0


@pytest.fixture(
    scope="module", params=[(6.0, True), (5.0, False), (40.0, False)], ids=["NR 6 keV", "ER 5 keV", "ER 40 keV"]
)
def both(request) -> tuple[Recordings, dict[str, np.ndarray]]:
    """Recordings of one kind at one place, and as many events drawn photon by photon from the same quanta."""
    energy, is_nr = request.param
    place = (np.full(N, v) for v in (X, Y, -DEPTH))
    recordings = simulate_tpc(Deposits(np.full(N, energy), np.full(N, is_nr), *place), seed=7)
    rng, truth = rng_for(1, "plain"), recordings.truth
    row = make_steps(DARWIN).times.row(np.array([energy]), np.array([is_nr]))[0]
    events = [plain_event(rng, s1, n, row) for s1, n in zip(recordings.events.columns["s1"], truth["electrons"])]
    return recordings, {name: np.array([e[name] for e in events]) for name in ("s1", "s2", "pattern")}


def plain_event(rng: np.random.Generator, s1: float, electrons: int, row: int) -> dict[str, np.ndarray]:
    """Waveforms and pattern of an event with about this S1 area and so many electrons at the site."""
    steps = make_steps(DARWIN)
    table = steps.times.cumulative[row]
    times = np.interp(rng.random(max(round(s1 / 1.2), 1)), table, np.arange(len(table)))
    begin = times.min() - 10 * (10 + rng.random())
    drift = DEPTH / steps.drift.velocity
    arrived = rng.binomial(electrons, np.exp(-drift / steps.drift.lifetime) * DARWIN.extraction)
    seen = rng.poisson(rng.normal(steps.gas.gain, steps.gas.gain * steps.gas.spread, arrived).clip(0))
    cloud = rng.normal(0, np.sqrt(2 * steps.drift.longitudinal * drift) / steps.drift.velocity, arrived)
    n = seen.sum()
    lives = rng.choice([life for life, _ in EXCIMERS], n, p=[part for _, part in EXCIMERS])
    late = np.repeat(cloud, seen) + steps.gas.crossing * rng.random(n) + lives * rng.exponential(size=n)
    pattern = rng.multinomial(rng.binomial(n, DARWIN.top_fraction), steps.response(np.array([X]), np.array([Y]))[0])
    s2 = np.histogram(late - np.median(late), 300, (-7.5, 7.5))[0]
    return {
        "s1": charges(rng, np.histogram(times - begin, 200, (0, 2000))[0]),
        "s2": charges(rng, s2),
        "pattern": charges(rng, pattern),
    }


def charges(rng: np.random.Generator, photons: np.ndarray) -> np.ndarray:
    electrons = photons + rng.binomial(photons, DARWIN.double_photoelectrons)
    return np.maximum(electrons + DARWIN.gain_spread * np.sqrt(electrons) * rng.normal(size=len(photons)), 0)


def rms(wave: np.ndarray) -> np.ndarray:
    t = np.arange(wave.shape[1])
    part = wave / wave.sum(1, keepdims=True)
    return np.sqrt((part * (t - (part @ t)[:, None]) ** 2).sum(1))


FEATURES = {
    "late part of the S1": ("s1", lambda w: w[:, 13:].sum(1) / w.sum(1)),
    "end of the S1": ("s1", lambda w: w.shape[1] - np.argmax(w[:, ::-1] > 0, axis=1) + 0.0),
    "largest S1 sample": ("s1", lambda w: w.max(1) / w.sum(1)),
    "area of the S2": ("s2", lambda w: w.sum(1)),
    "width of the S2": ("s2", rms),
    "roughness of the S2": ("s2", lambda w: np.abs(np.diff(w, axis=1)).sum(1) / np.sqrt(w.sum(1))),
    "brightest tube": ("pattern", lambda w: w.max(1) / w.sum(1)),
    "tubes that see light": ("pattern", lambda w: (w > 0.1).sum(1) + 0.0),
    "tubes with about one": ("pattern", lambda w: ((w > 0.1) & (w < 1.5)).sum(1) + 0.0),
    "width of the pattern": ("pattern", lambda w: w.std(1) / w.mean(1)),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_pulses_match_a_plain_simulation(both, feature):
    recordings, plain = both
    name, of = FEATURES[feature]
    ours, theirs = of(getattr(recordings, name).astype(float)), of(plain[name])
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
