"""Simulate as many events as wanted, chunk by chunk, so that memory does not grow with them."""

from collections.abc import Iterator, Sequence

from serendip.data.recordings import Recordings
from serendip.errors import TooFewEventsError
from serendip.seeds import seed_for
from serendip.simulate.tpc.accidentals import accidentals
from serendip.simulate.tpc.detector import DARWIN, Detector
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import FIDUCIAL_MASS, Source, draw_deposits, source_names

ROWS = 10_000  # deposits a chunk; another number draws other deposits


def simulate_chunks(
    sources: Source | Sequence[Source],
    n: int,
    detector: Detector = DARWIN,
    *,
    pulses: bool = True,
    seed: int = 0,
    threads: int = 1,
    fiducial: float | None = FIDUCIAL_MASS,
) -> Iterator[Recordings | None]:
    """Draw deposits and simulate them, `ROWS` at a time; gives what of them triggered, None if nothing did.

    The events are the same for any number of threads.

    Args:
        sources: one, or several that are mixed by their rates.
        n: deposits in all.
        detector: its numbers.
        pulses: whether to draw waveforms and patterns, or areas alone.
        seed: of all random numbers.
        threads: that work at once.
        fiducial: mass of the volume where deposits lie, t; None for the whole liquid.

    Raises:
        InputError: a number cannot be, or an energy is outside the validity of the yields.
        MissingExtraError: nestpy is not installed.
    """
    for index, first in enumerate(range(0, n, ROWS)):
        rows = min(ROWS, n - first)
        try:
            yield _chunk(sources, rows, detector, pulses, seed, index, first, threads, fiducial)
        except TooFewEventsError:
            yield None


def _chunk(
    sources: Source | Sequence[Source],
    rows: int,
    detector: Detector,
    pulses: bool,
    seed: int,
    index: int,
    first: int,
    threads: int,
    fiducial: float | None,
) -> Recordings:
    if isinstance(sources, Source) and sources.paired:
        return accidentals(
            rows, detector, pulses=pulses, seed=seed, index=index, first=first, threads=threads, fiducial=fiducial
        )
    deposits = draw_deposits(sources, rows, detector, seed=seed, index=index, fiducial=fiducial)
    own = seed_for(seed, f"simulate_chunks {source_names(sources)}")
    return simulate_tpc(deposits, detector, pulses=pulses, seed=own, first=first, threads=threads)
