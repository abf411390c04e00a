"""Accidental coincidences: the S1 of one event taken for the partner of another event's S2.

Lone S1s and S2s are made from small electron recoils; where they come from in a real detector (dark counts, electrons
that stay at the surface, events in places without field) is not simulated. The time between the two is random.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from serendip.data.recordings import Recordings
from serendip.errors import TooFewEventsError
from serendip.seeds import rng_for, seed_for
from serendip.simulate.tpc.detector import DARWIN, Detector
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import FIDUCIAL_MASS, SOURCES, draw_deposits
from serendip.simulate.tpc.steps import make_steps

OF_THE_S1 = ("channels",)
TRUTH_OF_THE_S1 = ("photons",)


def accidentals(
    n: int,
    detector: Detector = DARWIN,
    *,
    pulses: bool = True,
    seed: int = 0,
    index: int = 0,
    first: int = 0,
    threads: int = 1,
    fiducial: float | None = FIDUCIAL_MASS,
) -> Recordings:
    """Random pairs of signals of `n` small deposits; x and y are those of the S2, the drift time is random.

    Args:
        n: deposits; there are as many pairs as of them trigger.
        detector: its numbers.
        pulses: whether to draw waveforms and patterns.
        seed: of all random numbers.
        index: of this chunk; each has random numbers of its own.
        first: number of the first deposit.
        threads: that work at once.
        fiducial: mass of the volume where the deposits lie, t; None for the whole liquid.

    Raises:
        TooFewEventsError: fewer than two deposits trigger.
        MissingExtraError: nestpy is not installed.
    """
    lone = replace(SOURCES["accidentals"], paired=False)
    deposits = draw_deposits(lone, n, detector, seed=seed, index=index, fiducial=fiducial)
    own = seed_for(seed, "accidentals", index)  # `first` may be left at 0 in every chunk
    single = simulate_tpc(deposits, detector, pulses=pulses, seed=own, first=first, threads=threads)
    return pair_at_random(single, detector, rng_for(seed, "accidentals", index))


def pair_at_random(recordings: Recordings, detector: Detector, rng: np.random.Generator) -> Recordings:
    """Each event's S2 with the S1 of another event; no event keeps its own.

    Raises:
        TooFewEventsError: there are fewer than two events.
    """
    n = len(recordings)
    if n < 2:
        raise TooFewEventsError(f"Got {n} events to pair, but expected at least 2. Give more deposits.")
    order = rng.permutation(n)
    partner = np.empty(n, int)
    partner[order] = np.roll(order, 1)
    steps, old = make_steps(detector), recordings.events.columns
    drift_time = rng.uniform(0.0, detector.height / steps.drift.velocity, n)
    new = steps.reconstruction.columns(old["s1"][partner], old["s2"], old["x"], old["y"], drift_time)
    columns = _exchanged(old, partner, OF_THE_S1) | new
    return replace(
        recordings,
        events=replace(recordings.events, columns={name: columns[name] for name in old}),
        s1=None if recordings.s1 is None else recordings.s1[partner],
        truth=_exchanged(recordings.truth, partner, TRUTH_OF_THE_S1),
    )


def _exchanged(arrays: Mapping[str, np.ndarray], partner: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: values[partner] if name in names else values for name, values in arrays.items()}
