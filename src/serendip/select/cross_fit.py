"""Cross-fitting: no event is scored by a classifier that saw it, and one cut means the same in all folds."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.base import clone

from serendip.data import Truth, Window
from serendip.errors import InputError, require_events
from serendip.score import fit_inputs, score_events
from serendip.score.classifiers import Features, PerEvent, Sample
from serendip.seeds import rng_for
from serendip.select.cuts import background_efficiency

MIN_HELD_OUT = 20  # sideband events of a fold, which rank all its events


def cross_fit(
    method: Any,
    x: Features,
    m: PerEvent,
    window: Window,
    *,
    w: PerEvent | None = None,
    folds: int = 5,
    groups: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
    background: Sample | None = None,
    simulation: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None,
    truth: Truth | None = None,
    trained: Bool[np.ndarray, " n"] | None = None,
    share: bool = False,
) -> Float[np.ndarray, " n"]:
    """Score each event by a copy of the method that was fitted to the other folds.

    Each fold's scores become −log₁₀ of the background efficiency, ranked among the fold's sideband events:
    all that lie outside the window, whatever the method uses.

    Trap: where x was prepared beforehand, its bins knew the features (not the masses) of held-out events.

    Args:
        method: one that has not been fitted; it is copied for each fold.
        x: features, or what `method.prepare` makes of them.
        m: resonant variable, in the units of `window`.
        window: where the signal is sought.
        w: event weights, of either sign.
        folds: parts of the data.
        groups: events of one group share a fold; copies of one source event must. By default each is its own.
        seed: of the folds and of the order of equal scores.
        background: for methods that need it; it must hold no copies of data events.
        simulation: features, masses and weights (or None) of simulated background, for methods that need it.
        truth: for methods that need it.
        trained: events that models may learn from and that scores are ranked among; the others are scored only, which is
            how labelled events beside the data are judged. All if not given.
        share: let all folds use one density, learned from the sidebands of all of them: quicker, but the density has then
            seen the sideband events that it helps to score, which makes a bump. For methods that have `learn`, and to
            judge events in the window only.

    Returns:
        −log₁₀ of each event's background efficiency; higher is more anomalous. See `passes_cut`.

    Raises:
        TooFewEventsError: a window or sideband is too small, in all or in a fold.
        InputError: `folds` < 2, or weights that are zero or cancel.
    """
    w = np.ones(len(m)) if w is None else w
    number = fold_numbers(len(m) if groups is None else groups, folds, seed)
    trained = np.ones(len(m), dtype=bool) if trained is None else trained
    anomaly = np.empty(len(m))
    learned = {"learned": method.learn(x[trained], m[trained], window, w=w[trained])} if share else {}
    for fold in range(folds):
        held = number == fold
        others = ~held & trained
        inputs = fit_inputs(
            method,
            m=m[others],
            window=window,
            w=w[others],
            background=background,
            simulation=simulation,
            truth=None if truth is None else truth[others],
        )
        score = score_events(clone(method).fit(x[others], **inputs, **learned), x[held], m[held])
        beside = ~window.contains(m[held]) & trained[held]
        require_events(MIN_HELD_OUT, **{f"sidebands_of_fold_{fold + 1}": score[beside]})
        efficiency = background_efficiency(score, beside, w[held], rng_for(seed, "ties", fold))
        anomaly[held] = -np.log10(efficiency)
    return anomaly


def fold_numbers(groups: int | Int[np.ndarray, " n"], folds: int, seed: int = 0) -> Int[np.ndarray, " n"]:
    """A fold for each event, at random, with equally many events in each as far as groups allow.

    Args:
        groups: the group of each event, or how many events there are if each is its own.
        folds: how many.
        seed: other seeds shuffle otherwise.

    Raises:
        InputError: `folds` < 2, or fewer groups than folds.
    """
    if folds < 2:
        raise InputError(f"method.folds: Got {folds}, but expected at least 2.")
    rng = rng_for(seed, "folds")
    if isinstance(groups, int):
        return _deal(np.ones(groups, int), folds, rng)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return _deal(sizes, folds, rng)[group]


def _deal(sizes: Int[np.ndarray, " groups"], folds: int, rng: np.random.Generator) -> Int[np.ndarray, " groups"]:
    """Lay groups end to end in random order, and cut the line into equal parts."""
    if len(sizes) < folds:
        raise InputError(f"Got {len(sizes)} groups of events for {folds} folds, but expected at least one for each.")
    order = rng.permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    middle = ends - 0.5 * sizes[order]
    number = np.empty(len(sizes), int)
    number[order] = np.minimum((middle * folds / ends[-1]).astype(int), folds - 1)
    return number
