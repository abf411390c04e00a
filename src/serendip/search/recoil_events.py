"""The tasks of a recoil search that record events, cut, and score them: pools for toys, the data, a calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.data.recordings_file import read_recordings
from serendip.errors import InputError, TooFewEventsError
from serendip.score.semi.anomaly_function import AnomalyFunction
from serendip.search.recoil_models import Models
from serendip.search.recoil_prepare import Kind, RecoilPrepared, recoil_prepared
from serendip.seeds import rng_for, seed_for
from serendip.simulate.tpc.sources import SOURCES

Scored = dict[str, np.ndarray]
SAMPLES = ("data", "calibration")
KEPT = ("cs1", "cs2", "energy")  # of the reconstructed columns, beside the terms of the score
PER_CALL = 10_000  # deposits recorded at once, at most
FEWEST_KEPT = 0.005  # of the simulated events of a kind
FEWEST_LONE = 1000  # deposits that accidental pairs of the data are made of


def score(function: AnomalyFunction, recordings: Recordings) -> Scored:
    """The terms of each event's score, and the few reconstructed quantities that later stages need."""
    terms = function.terms(recordings)
    columns = {name: np.asarray(recordings.events.columns[name], dtype=float) for name in KEPT}
    return {"elbo": terms[:, 0], "h_b": terms[:, 1], **columns}


def places(p: RecoilPrepared) -> list[tuple[Kind, int]]:
    """Kind and number of each task of the pools."""
    return [(kind, number) for kind in p.kinds for number in range(-(-kind.target // p.config.pool.batch))]


def pool_task(models: Models, index: int) -> dict[str, object]:
    """Record and score events of one kind until a batch of them passes the cuts.

    Returns:
        The scored events, `simulated` deposits, and how many were left after each cut.
    """
    p = recoil_prepared(models.config)
    kind, number = places(p)[index]
    wanted = min(p.config.pool.batch, kind.target - number * p.config.pool.batch)
    parts: list[Scored] = []
    flow: dict[str, int] = {}
    simulated, kept, n = 0, 0, min(PER_CALL, 2 * wanted)
    while kept < wanted:
        recordings = p.simulate(kind.sources, n, p.seed(f"pool {kind.name}", number), simulated // n)
        passed, cuts = p.cut(recordings, kind.region)
        parts.append(score(models.function, recordings[passed]))
        flow = {name: flow.get(name, 0) + count for name, count in cuts.items()}
        simulated, kept = simulated + n, kept + int(passed.sum())
        if kept < FEWEST_KEPT * simulated:
            raise InputError(
                f"{kind.name}: Got {kept} events after cuts of {simulated}, but expected at least {FEWEST_KEPT:.1%}. Widen "
                "selection.energy, or leave backgrounds out that do not reach it."
            )
    return {"kind": kind.name, "simulated": simulated, "flow": flow, **joined(parts)}


def joined(parts: Sequence[Mapping[str, Any]]) -> Scored:
    """The arrays of several tasks, one after the other."""
    names = [name for name, value in parts[0].items() if isinstance(value, np.ndarray)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def sample_task(models: Models, index: int) -> dict[str, object]:
    """Score the data, or the calibration events: those that are searched, and those of the control region.

    Both are recorded by the true detector where they are simulated.
    """
    p = recoil_prepared(models.config)
    name = samples(p)[index]
    recordings = data_recordings(p) if name == "data" else calibration_recordings(p)
    passed, flow = p.cut(recordings, p.config.selection.energy)
    control, _ = p.cut(recordings, p.config.gate.control)
    searched, beside = (score(models.function, recordings[rows]) for rows in (passed, control))
    return {"sample": name, "flow": flow, **searched, **{f"control {key}": value for key, value in beside.items()}}


def samples(p: RecoilPrepared) -> list[str]:
    """Which of data and calibration the config has."""
    return [name for name in SAMPLES if getattr(p.config, name) is not None]


def data_recordings(p: RecoilPrepared) -> Recordings:
    """The data of the config."""
    given = p.config.data
    assert given is not None  # `samples` saw to it
    if given.path is not None:
        return _read("data.path", given.path, p.detector.pmts)
    assert given.simulate is not None  # so the config has it
    seed = given.simulate.seed
    region = p.config.selection.energy[0], p.config.gate.control[1]
    sources = [*p.backgrounds(region, False), *p.backgrounds(region, True)]
    if (wimp := given.simulate.signal) is not None:
        sources += p.signal(wimp.mass, wimp.cross_section).sources
    rng = rng_for(seed, "number of data")
    data = p.simulate(sources, int(rng.poisson(p.deposits(sources))), seed_for(seed, "data"), true=True)
    if "accidentals" not in p.config.backgrounds:
        return data
    pairs = _accidental_data(p, seed)
    return concatenate_recordings(*(replace(sample, truth={}) for sample in (data, pairs)))


def _accidental_data(p: RecoilPrepared, seed: int) -> Recordings:
    """Pairs of the exposure, out of more: the few of a small one alone would have no partners to choose from."""
    deposits = p.deposits((p.accidental_pairs,))
    n = max(round(2 * deposits), FEWEST_LONE)
    pairs = p.simulate((p.accidental_pairs,), n, seed_for(seed, "accidental data"), true=True)
    rng = rng_for(seed, "number of accidental data")
    return pairs[rng.permutation(len(pairs))[: rng.poisson(len(pairs) * deposits / n)]]


def calibration_recordings(p: RecoilPrepared) -> Recordings:
    """Electron recoils of a calibration source."""
    calibration = p.config.calibration
    assert calibration is not None  # `samples` saw to it
    if calibration.path is not None:
        return _read("calibration.path", calibration.path, p.detector.pmts)
    low, high = p.deposited((p.config.selection.energy[0], p.config.gate.control[1]), False)
    assert calibration.simulate is not None  # so the config has it
    sources = (SOURCES["flat_er"].within(low, high),)
    return p.simulate(sources, calibration.simulate, p.seed("calibration"), true=True)


def _read(key: str, path: str, pmts: int) -> Recordings:
    try:
        recordings = read_recordings(path)
        _, _, pattern = recordings.require_pulses()
    except InputError as error:
        raise type(error)(f"{key}: {error}") from error
    if (seen := pattern.shape[1]) != pmts:
        raise InputError(f"{key}: Got patterns of {seen} PMTs, but expected {pmts} as the simulated detector has.")
    if len(recordings) == 0:
        raise TooFewEventsError(f"{key}: Got no event in {path}, but expected some.")
    return recordings
