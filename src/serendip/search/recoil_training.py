"""The tasks of a recoil search that train its models, and that judge them by events which they never saw."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.search.recoil_models import Models, as_bytes
from serendip.search.recoil_prepare import RecoilPrepared, recoil_prepared
from serendip.simulate.tpc.sources import SOURCES

MODELS = ("classifier", "vae")
SHOWN = 2000  # events in the picture of the latent space
LARGEST_SEED = 2**31  # of the models


def train_task(config_json: str, index: int) -> dict[str, object]:
    """Train the classifier (index 0) or the autoencoder (1) on events of their own; the model as a file's bytes."""
    p = recoil_prepared(config_json)
    model = _train_classifier(p) if index == 0 else _train_vae(p)
    losses = model.losses_ if index else (model.training_loss_, model.validation_loss_)
    return {"model": as_bytes(model), "training_loss": np.asarray(losses[0]), "validation_loss": np.asarray(losses[1])}


def _train_classifier(p: RecoilPrepared) -> RecoilClassifier:
    events, is_nr = flat_events(p, "train classifier", 1 - p.config.training.held_out)
    settings = p.config.classifier.given
    return RecoilClassifier(**settings, seed=p.seed("classifier") % LARGEST_SEED).fit(events, is_nr)


def _train_vae(p: RecoilPrepared) -> RecoilVae:
    n = round(p.config.training.electron_recoils * (1 - p.config.training.held_out))
    events = _flat(p, "flat_er", n, "train vae", p.config.training.autoencoder_energy)
    return RecoilVae(**p.config.vae.given, seed=p.seed("vae") % LARGEST_SEED).fit(events)


def flat_events(p: RecoilPrepared, task: str, part: float) -> tuple[Recordings, Bool[np.ndarray, " n"]]:
    """A part of the training's numbers of events of both kinds, flat in energy, and which are nuclear recoils."""
    numbers = round(p.config.training.electron_recoils * part), round(p.config.training.nuclear_recoils * part)
    kinds, region = ("flat_er", "flat_nr"), p.config.training.energy
    er, nr = (_flat(p, name, n, f"{task} {name}", region) for name, n in zip(kinds, numbers))
    return concatenate_recordings(er, nr), np.repeat([False, True], [len(er), len(nr)])


def _flat(p: RecoilPrepared, name: str, n: int, task: str, energy: tuple[float, float]) -> Recordings:
    return p.simulate((SOURCES[name].within(*energy),), n, p.seed(task))


def standard_events(p: RecoilPrepared) -> Recordings:
    """Electron recoils within the cuts, flat in energy, that no model has seen."""
    region = p.config.selection.energy
    sources = (SOURCES["flat_er"].within(*p.deposited(region, False)),)
    recordings = p.simulate(sources, p.config.anomaly.standard, p.seed("standard"))
    return recordings[p.cut(recordings, region)[0]]


def judge_task(models: Models, index: int) -> dict[str, object]:
    """Standardise the terms on electron recoils within the cuts, and judge the models in events held out."""
    p, function, vae = recoil_prepared(models.config), models.function, models.autoencoder
    function.fit(standard_events(p))
    events, is_nr = flat_events(p, "held out", p.config.training.held_out)
    energy = np.asarray(events.truth["recoil_energy"], dtype=float)
    low, high = p.config.training.autoencoder_energy
    learned = np.flatnonzero(~is_nr & (energy >= low) & (energy < high))  # as the autoencoder has seen
    rows = np.sort(np.concatenate([learned, np.flatnonzero(is_nr)]))
    shown = rows[np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)]
    return {
        "standard": as_bytes(function),
        "log_odds": function.classifier.log_odds(events),
        "is_nr": is_nr,
        "energy": np.asarray(events.events.columns["energy"], dtype=float),
        "latent": vae.latent(events[shown]),
        "latent_energy": energy[shown],
        "latent_nr": is_nr[shown],
        "efficiency": p.trigger_efficiency(),
        **examples(events, is_nr),
        "summaries": list(vae.summaries_.names),
        "seen": vae.summaries_.values(events[learned[::2]]),
        # Of the other events: near copies of the same ones would be told apart by memory.
        "drawn": vae.simulate(events[learned[1::2]], seed=p.seed("drawn") % LARGEST_SEED),
    }


def examples(events: Recordings, is_nr: Bool[np.ndarray, " n"]) -> dict[str, np.ndarray]:
    """Waveforms and pattern of one electron and one nuclear recoil with nearly the median energy of the latter."""
    energy = np.asarray(events.events.columns["energy"], dtype=float)
    middle = np.median(energy[is_nr])
    rows = [int(np.flatnonzero(kind)[np.argmin(np.abs(energy[kind] - middle))]) for kind in (~is_nr, is_nr)]
    s1, s2, pattern = events.require_pulses()
    place = np.column_stack([events.events.columns[name][rows] for name in "xy"]).astype(float)
    return {"example_s1": s1[rows], "example_s2": s2[rows], "example_pattern": pattern[rows], "example_place": place}


def classifier_scores(log_odds: Float[np.ndarray, " n"], is_nr: Bool[np.ndarray, " n"]) -> dict[str, float]:
    """Accuracy, recall and precision at even odds, and the leakage of electron recoils at half of the nuclear ones."""
    called = log_odds > 0
    hits = float(np.sum(called & is_nr))
    half = np.median(log_odds[is_nr]) if is_nr.any() else np.nan
    return {
        "accuracy": float(np.mean(called == is_nr)),
        "recall": hits / max(float(is_nr.sum()), 1.0),
        "precision": hits / max(float(called.sum()), 1.0),
        "leakage": float(np.mean(log_odds[~is_nr] >= half)) if (~is_nr).any() else float("nan"),
    }


def models_of(config_json: str, trained: list[dict[str, Any]], standard: bytes = b"") -> Models:
    """The models from the results of `train_task`."""
    classifier, vae = (task["model"].tobytes() for task in trained)
    return Models(config_json, classifier, vae, standard)
