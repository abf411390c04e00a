"""Simulate what a dual-phase TPC records: energy deposits → quanta → light and charge → areas, waveforms, patterns."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np

from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.errors import InputError, TooFewEventsError
from serendip.simulate.tpc import _kernels_areas as areas
from serendip.simulate.tpc._kernels_pulses import draw_pulses
from serendip.simulate.tpc.deposits import Deposits
from serendip.simulate.tpc.detector import DARWIN, Detector
from serendip.simulate.tpc.quanta import draw_quanta
from serendip.simulate.tpc.steps import NORMAL_TABLE, Steps, make_steps

S1_SAMPLES, S2_SAMPLES = 200, 300
UNITS = (
    dict.fromkeys(("s1", "s2", "cs1", "cs2"), "PE") | dict.fromkeys("xyz", "cm") | {"drift_time": "µs", "energy": "keV"}
)


def simulate_tpc(
    deposits: Deposits,
    detector: Detector = DARWIN,
    *,
    pulses: bool = True,
    seed: int = 0,
    first: int = 0,
    threads: int = 1,
    steps: Steps | None = None,
) -> Recordings:
    """Recordings of the deposits that trigger; observer `row` is the number of the deposit, `first` for the first.

    Areas, positions and the trigger are the same to the bit with pulses and without. What a deposit becomes depends on
    (seed, its number) alone: on no chunk, no thread.

    Args:
        deposits: one site an event.
        detector: its numbers.
        pulses: whether to draw waveforms and patterns: 5.8 kB an event, and some forty times the time of the areas.
        seed: of the simulation, not negative.
        first: number of the first deposit.
        threads: that work at once.
        steps: other physics than `make_steps(detector)`.

    Raises:
        InputError: a deposit outside the detector, or its energy outside the yields' validity.
        TooFewEventsError: none triggers.
        MissingExtraError: nestpy is not installed.
    """
    steps = steps or make_steps(detector)
    recordings = _record(deposits, detector, steps, pulses, seed, first, threads)
    if not len(recordings):
        raise _none_triggers(len(deposits), steps)
    return recordings


def iter_tpc(
    deposits: Deposits,
    detector: Detector = DARWIN,
    *,
    pulses: bool = True,
    seed: int = 0,
    first: int = 0,
    threads: int = 1,
    chunk: int = 20_000,
    steps: Steps | None = None,
) -> Iterator[Recordings]:
    """The same recordings, so many deposits at a time: memory does not grow with them.

    Arguments and errors are `simulate_tpc`'s; chunks in which nothing triggers are left out.
    """
    if chunk < 1:
        raise InputError(f"Got chunk={chunk}, but expected a positive number of deposits.")
    steps = steps or make_steps(detector)
    recorded = 0
    for start in range(0, len(deposits), chunk):
        part = _rows(deposits, slice(start, start + chunk))
        recordings = _record(part, detector, steps, pulses, seed, first + start, threads)
        recorded += len(recordings)
        if len(recordings):
            yield recordings
    if not recorded:
        raise _none_triggers(len(deposits), steps)


def _none_triggers(deposits: int, steps: Steps) -> TooFewEventsError:
    return TooFewEventsError(
        f"Got {deposits} deposits of which none triggers, but expected light in {steps.trigger.coincidence} tubes and an S2 "
        f"of at least {steps.trigger.s2:.0f} PE. Give more deposits or more energy, or a detector that asks for less."
    )


def require_inside(deposits: Deposits, detector: Detector) -> None:
    """Refuse deposits outside the liquid.

    Raises:
        InputError: names the first, and where it is.
    """
    radius = np.hypot(deposits.x, deposits.y)
    inside = (radius <= detector.radius) & (deposits.z <= 0) & (deposits.z >= -detector.height)  # false for NaN
    if not np.all(inside):
        i = int(np.argmin(inside))
        place = ", ".join(f"{name} = {getattr(deposits, name)[i]:g}" for name in "xyz")
        raise InputError(
            f"Got {np.sum(~inside)} deposits outside the detector, the first in row {i} at {place} cm, but expected "
            f"a radius up to {detector.radius:g} cm and z from {-detector.height:g} to 0."
        )


def _record(
    deposits: Deposits, detector: Detector, steps: Steps, pulses: bool, seed: int, first: int, threads: int
) -> Recordings:
    """What triggers of one chunk; may be nothing."""
    require_inside(deposits, detector)
    photons, electrons = draw_quanta(deposits, detector, seed, first)
    detected = np.empty((len(deposits), areas.COLUMNS))
    row = steps.times.row(deposits.energy, deposits.is_nr)

    def detect(part: slice) -> None:
        detected[part] = areas.detect(
            seed, first + part.start, photons[part], electrons[part], deposits.x[part], deposits.y[part], deposits.z[part],
            row[part], steps.numbers(detector), steps.light.relative.arrays, steps.gas.relative.arrays,
            steps.times.cumulative,
        )  # fmt: skip

    _in_threads(detect, len(deposits), threads)
    s2 = detected[:, areas.S2_TOP] + detected[:, areas.S2_BOTTOM]
    kept = np.flatnonzero(steps.trigger(detected[:, areas.CHANNELS], s2))
    deposits, detected = _rows(deposits, kept), detected[kept]
    recordings = Recordings(
        _events(deposits, detected, steps, first + kept), truth=_truth(deposits, photons[kept], electrons[kept])
    )
    if not pulses:
        return recordings
    drawn = _pulses(deposits, detected, row[kept], detector, steps, seed, first + kept, threads)
    return replace(recordings, **drawn)  # type: ignore[arg-type]


def _pulses(
    deposits: Deposits,
    detected: np.ndarray,
    row: np.ndarray,
    detector: Detector,
    steps: Steps,
    seed: int,
    index: np.ndarray,
    threads: int,
) -> dict[str, np.ndarray]:
    """Waveforms and patterns of events that triggered."""
    widths = {"s1": S1_SAMPLES, "s2": S2_SAMPLES, "pattern": detector.pmts}
    drawn = {name: np.zeros((len(index), width), np.float32) for name, width in widths.items()}
    response = (steps.response.distance, steps.response.exponent, steps.response.reflected)
    emission = steps.gas.emission(detector.s2_sample)

    def draw(part: slice) -> None:
        draw_pulses(
            seed, index[part], detected[part], deposits.x[part], deposits.y[part], row[part], steps.numbers(detector),
            steps.times.cumulative, NORMAL_TABLE, emission, steps.response.positions, response,
            (detector.s1_sample, detector.s2_sample), *(values[part] for values in drawn.values()),
        )  # fmt: skip

    _in_threads(draw, len(index), threads)
    return drawn


def _in_threads(work: Callable[[slice], None], n: int, threads: int) -> None:
    """Call `work` on slices of n rows, in threads; its kernels hold no lock."""
    edges = np.linspace(0, n, 1 + max(min(threads, n), 1)).astype(int)
    parts = [slice(int(low), int(high)) for low, high in pairwise(edges)]
    if len(parts) == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(work, parts))


def _rows(deposits: Deposits, rows: slice | np.ndarray) -> Deposits:
    given = {name: getattr(deposits, name) for name in Deposits.__dataclass_fields__}
    return Deposits(**{name: None if values is None else values[rows] for name, values in given.items()})  # type: ignore[arg-type]


def _events(deposits: Deposits, detected: np.ndarray, steps: Steps, number: np.ndarray) -> Events:
    """What an analysis knows."""
    top, s2 = detected[:, areas.S2_TOP], detected[:, areas.S2_TOP] + detected[:, areas.S2_BOTTOM]
    blur = steps.reconstruction.resolution(top)
    x = deposits.x + detected[:, areas.X_SHIFT] + blur * detected[:, areas.X_NOISE]
    y = deposits.y + detected[:, areas.Y_SHIFT] + blur * detected[:, areas.Y_NOISE]
    drift_time = np.maximum(detected[:, areas.DRIFT_TIME] + detected[:, areas.ARRIVAL], 0.0)
    columns = steps.reconstruction.columns(detected[:, areas.S1], s2, x, y, drift_time)
    columns["channels"] = detected[:, areas.CHANNELS]
    columns["veto"] = np.zeros(len(s2)) if deposits.veto is None else deposits.veto.astype(float)
    return Events(columns, observers={"row": number}, units=UNITS)


def _truth(deposits: Deposits, photons: np.ndarray, electrons: np.ndarray) -> dict[str, np.ndarray]:
    truth = {
        "recoil_energy": deposits.energy, "is_nr": deposits.is_nr.astype(np.int64), "true_x": deposits.x,
        "true_y": deposits.y, "true_z": deposits.z, "photons": photons, "electrons": electrons,
    }  # fmt: skip
    return truth if deposits.source is None else truth | {"source": deposits.source}
