"""One experiment through the whole chain: score, cut, fit, for every method, window and cut.

Data and toys pass through the same functions, so that a toy repeats every choice that was made on the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serendip.config.schema import Method
from serendip.data import Events, Truth, Window
from serendip.errors import FitError, TooFewEventsError
from serendip.score.classifiers import make_classifier
from serendip.search.prepare import Prepared, prepared
from serendip.seeds import rng_for, seed_for
from serendip.select.cross_fit import cross_fit
from serendip.select.cuts import passes_cut
from serendip.stats.excess import excesses
from serendip.stats.two_sample import two_sample_test

DEPENDENCE_TREES = {"members": 4, "iterations": 15}  # enough to see a shifted feature, in a second a window


@dataclass(frozen=True, eq=False)
class Experiment:
    """Events as the chain sees them: rows of a sample, each with a mass.

    Attributes:
        sample: where the features come from; they are binned once for all experiments drawn from it.
        rows: indices into `sample`, (n,); equal ones are copies of one event and share a fold.
        m: resonant variable, (n,).
        w: weights of either sign, (n,).
        truth: for methods that need it, where it is known.
        trained: rows that models may learn from, (n,); the others are only scored. None for all.
    """

    sample: Events
    rows: np.ndarray
    m: np.ndarray
    w: np.ndarray
    truth: Truth | None = None
    trained: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """What the fits say of one experiment; every array has shape (methods, windows, cuts).

    Attributes:
        z: signed local significance; −inf where the spectrum was not scanned (too few expected events).
        observed: events in the window.
        expected: background there, from the sidebands.
        expected_error: its uncertainty.
        order: parameters of the background function.
        goodness_p: of the fit in the sidebands.
        converged: whether the fits found their minimum.
    """

    z: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    expected_error: np.ndarray
    order: np.ndarray
    goodness_p: np.ndarray
    converged: np.ndarray

    @property
    def best(self) -> tuple[int, int, int]:
        """Indices of the most significant method, window and cut."""
        method, window, cut = np.unravel_index(np.argmax(self.z), self.z.shape)
        return int(method), int(window), int(cut)

    @property
    def largest_z(self) -> float:
        """The statistic of the global test."""
        return float(self.z.max())

    def arrays(self) -> dict[str, object]:
        """The fields by name, for a task's file."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Scan":
        """The inverse of `arrays`."""
        return cls(**{name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__})


def observed_task(config_json: str, index: int) -> dict[str, object]:
    """Scores and cut spectra of the data for one method and window: `index` counts windows fastest."""
    p = prepared(config_json)
    method, window = divmod(index, len(p.windows))
    anomaly = anomalies(p, observed(p), p.config.method[method], p.windows[window], "data", 0)
    counts, variances = cut_spectra(p, observed(p), anomaly)
    return {"anomaly": anomaly.astype(np.float32), "counts": counts, "variances": variances}


def toy_task(config_json: str, index: int) -> dict[str, object]:
    """One background-only experiment, drawn, retrained and fitted like the data."""
    p = prepared(config_json)
    toy = draw_toy(p, index)
    spectra = [_toy_spectra(p, toy, method, window, index) for method in p.config.method for window in p.windows]
    return fit_scan(p, *(np.stack(part) for part in zip(*spectra, strict=True))).arrays()


def _toy_spectra(
    p: Prepared, toy: Experiment, method: Method, window: Window, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cut spectra of one window; empty where this toy leaves it too few events to train on, or a training diverges.

    Nothing can be fitted to an empty spectrum, so that it counts among the toys' fits that did not converge, of which the
    gate allows 2 %.
    """
    try:
        return cut_spectra(p, toy, anomalies(p, toy, method, window, "toys", index))
    except (TooFewEventsError, FitError):
        nothing = np.zeros((len(p.config.cuts), len(p.edges) - 1))
        return nothing, nothing


def observed(p: Prepared) -> Experiment:
    """The data themselves."""
    return Experiment(p.events, np.arange(len(p.events)), p.m, p.events.w, p.truth)


def draw_toy(p: Prepared, index: int) -> Experiment:
    """Toy number `index` of the null generator."""
    draw = p.null.draw(rng_for(p.config.seed, "toys", index))
    truth: Truth | None = Truth(np.zeros(len(draw.rows), dtype=bool))  # of a background sample, or a density
    if draw.sample is p.events:
        truth = None if p.truth is None else p.truth[draw.rows]
    return Experiment(draw.sample, draw.rows, draw.m, draw.w, truth)


def anomalies(
    p: Prepared, experiment: Experiment, method: Method, window: Window, stage: str, index: int
) -> np.ndarray:
    """Cross-fitted anomaly of every event, −log₁₀ of its background efficiency, shape (n,)."""
    seed = seed_for(p.config.seed, f"{stage}/{method.title}/{window}", index)
    estimator = method.make(seed, list(p.config.features))
    return cross_fit(
        estimator,
        p.features(experiment.sample, estimator)[experiment.rows],
        experiment.m,
        window,
        w=experiment.w,
        folds=method.folds,
        groups=experiment.rows,
        seed=seed,
        background=background_sample(p, window) if "background" in estimator.needs else None,
        simulation=simulation_sample(p) if "simulation" in estimator.needs else None,
        truth=experiment.truth if "truth" in estimator.needs else None,
        # What reads the truth anyway is a ceiling, and may learn from all of it.
        trained=None if "truth" in estimator.needs else experiment.trained,
        share=method.share,
    )


def background_sample(p: Prepared, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Features and weights of the reference within a window."""
    assert p.reference is not None  # the config saw to it
    assert p.reference.m is not None
    inside = p.reference[window.contains(p.reference.m)]
    return inside.x(), inside.w


def simulation_sample(p: Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, masses and weights of the simulated background, in and outside the window."""
    assert p.simulation is not None  # the config saw to it
    assert p.simulation.m is not None
    return p.simulation.x(), p.simulation.m, p.simulation.w


def cut_spectra(p: Prepared, experiment: Experiment, anomaly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of weights and of squared weights a bin after each cut, (cuts, bins) each."""
    kept = [passes_cut(anomaly, cut) for cut in p.config.cuts]
    spectra = [p.spectrum(experiment.m[k], experiment.w[k]) for k in kept]
    return np.stack([s.counts for s in spectra]), np.stack([s.variances for s in spectra])


def fit_scan(p: Prepared, counts: np.ndarray, variances: np.ndarray) -> Scan:
    """Fit every spectrum of an experiment in one batch.

    Args:
        p: the analysis.
        counts: (methods × windows, cuts, bins), windows fastest.
        variances: likewise.
    """
    background, cuts = p.config.background, len(p.config.cuts)
    shape = (len(p.config.method), len(p.windows), cuts)
    windows = [window for _ in p.config.method for window in p.windows for _ in range(cuts)]
    found = excesses(
        counts.reshape(len(windows), -1),
        p.edges,
        windows,
        background.shape,
        background.order,
        variances=variances.reshape(len(windows), -1),
        alpha=background.alpha,
    )
    z = np.where(found.converged, found.z, -np.inf).reshape(shape)
    return Scan(
        z=np.where(p.scanned, z, -np.inf),
        **{name: getattr(found, name).reshape(shape) for name in Scan.__dataclass_fields__ if name != "z"},
    )


def mass_dependence_task(config_json: str, index: int) -> dict[str, object]:
    """How well the features alone tell a window's events from its sidebands': the two-sample test of the gate."""
    p = prepared(config_json)
    window = p.windows[index]
    inside = window.contains(p.m)
    x = p.events.x()
    found = two_sample_test(
        x[inside],
        x[~inside],
        p.events.w[inside],
        p.events.w[~inside],
        classifier=lambda seed: make_classifier("trees", seed=seed, **DEPENDENCE_TREES),
        seed=seed_for(p.config.seed, "mass dependence", index),
    )
    return {"auc": found.auc, "error": found.error, "p": found.p.p}
