"""How good is a background template? Hold it against background that it never saw.

Beside each window lies a control window, as wide, in which there is no signal to speak of. The method predicts it as it
predicts the window itself, the features there unseen; a classifier and the moments of each feature then say how far
prediction and events differ. Where the truth is known, the same in the window.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serendip.config.schema import Config, Method
from serendip.data import Window
from serendip.score import METHODS
from serendip.score.classifiers import MIN_EVENTS, make_classifier
from serendip.search.prepare import Prepared, prepared
from serendip.search.scan import simulation_sample
from serendip.seeds import rng_for, seed_for
from serendip.stats.pulls import moment_pulls
from serendip.stats.two_sample import two_sample_test


@dataclass(frozen=True, eq=False)
class TemplateQuality:
    """A template against events.

    Attributes:
        auc: of a classifier between the two, cross-fitted; 0.5 if they are alike, NaN where there was nothing to judge by.
        error: of the AUC.
        pulls: differences of means and of standard deviations over their errors, (2, features).
        seconds: to make the template.
    """

    auc: float
    error: float
    pulls: np.ndarray
    seconds: float

    def arrays(self, prefix: str) -> dict[str, object]:
        """The fields by name, for a task's file."""
        return {f"{prefix}_{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str) -> "TemplateQuality":
        """The inverse of `arrays`."""
        return cls(
            **{name: float(arrays[f"{prefix}_{name}"]) for name in ("auc", "error", "seconds")},
            pulls=np.asarray(arrays[f"{prefix}_pulls"]),
        )


def makes_template(method: Method) -> bool:
    """Whether the method predicts a background sample."""
    return hasattr(METHODS[method.name], "background_template")


def template_methods(config: Config) -> list[Method]:
    """The methods of the config that do."""
    return [method for method in config.method if makes_template(method)]


def template_task(config_json: str, index: int) -> dict[str, object]:
    """The template of one method in the control window of one window; `index` counts windows fastest."""
    p = prepared(config_json)
    method, window = divmod(index, len(p.windows))
    return control_quality(p, template_methods(p.config)[method], p.windows[window], index).arrays("control")


def control_quality(p: Prepared, method: Method, window: Window, index: int) -> TemplateQuality:
    """The template of the control window against its events.

    The window's events stay in its sideband, as the control's stay in the window's: with both left out the hole to
    interpolate over would be twice as wide, and the template judged too hard (measured: AUC 0.52 in place of 0.51).
    """
    control = control_window(p, window)
    if control is None:
        nothing = np.full((2, len(p.config.features)), np.nan)
        return TemplateQuality(np.nan, np.nan, nothing, 0.0)
    return _quality(p, method, control, control.contains(p.m), index)


def true_quality(p: Prepared, method: Method, window: Window, index: int = 0) -> TemplateQuality:
    """The template of the window against the true background in it: for labelled events only."""
    assert p.truth is not None  # evaluate has asked for it
    inside = window.contains(p.m) & ~p.truth.is_signal
    return _quality(p, method, window, inside, index)


def _quality(p: Prepared, method: Method, window: Window, held: np.ndarray, index: int) -> TemplateQuality:
    seed = seed_for(p.config.seed, f"template/{method.title}/{window}", index)
    estimator = method.make(seed, list(p.config.features))
    x, events_w = p.events.x(), p.events.w
    simulation = {"simulation": simulation_sample(p)} if "simulation" in estimator.needs else {}
    start = time.perf_counter()
    template, w = estimator.background_template(x, p.m, window, w=events_w, **simulation)
    seconds = time.perf_counter() - start
    # At most twice as many as there are events: more say little, and cost time.
    kept = rng_for(seed, "template kept").permutation(len(template))[: 2 * int(held.sum())]
    template, w = template[kept], None if w is None else w[kept]
    found = two_sample_test(
        template,
        x[held],
        w,
        events_w[held],
        classifier=lambda seed: make_classifier("trees", seed=seed),
        seed=seed,
    )
    return TemplateQuality(found.auc, found.error, moment_pulls(template, x[held], w, events_w[held]), seconds)


def control_window(p: Prepared, window: Window) -> Window | None:
    """A window as wide, beside the first: below it where that leaves a sideband further down, else above.

    The lower one holds more events, hence sees more. None where neither has enough events within it and on both sides.
    """
    width = window.high - window.low
    for control in (Window(window.low - width, window.low), Window(window.high, window.high + width)):
        parts = (p.m < control.low, control.contains(p.m), p.m >= control.high)
        if min(int(part.sum()) for part in parts) >= 2 * MIN_EVENTS:
            return control
    return None


def largest_pull(quality: TemplateQuality, features: Sequence[str]) -> tuple[float, str]:
    """The largest pull in size, and what it is of; NaN where nothing was judged."""
    if np.isnan(quality.pulls).all():
        return float("nan"), "nothing"
    moment, feature = np.unravel_index(np.argmax(np.abs(quality.pulls)), quality.pulls.shape)
    return float(quality.pulls[moment, feature]), f"{('mean', 'sd')[int(moment)]} of {list(features)[int(feature)]}"
