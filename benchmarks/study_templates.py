"""How good is the template of each density, where all events are data? And of several fits mixed?"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from benchmarks.study_records import Records, Row
from benchmarks.study_runs import plain_draw
from serendip.config.load import make_config
from serendip.score.weak.cathode import Cathode
from serendip.score.weak.template import Part, fit_to_template, take_apart
from serendip.search.evaluate import evaluation_window
from serendip.search.prepare import prepared
from serendip.search.template_quality import true_quality
from serendip.seeds import seed_for

SIGNAL, RANGE = 328, [2600, 6500]  # S/√B = 2.2 in the window with all background; 60,000 events beside it
MIXED = 3
# title: density, its settings, how many fits are mixed, how many seeds; the slowest last
CASES: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "spline_maf": ("spline_maf", {}, 1, 5),
    "gaussian": ("gaussian", {}, 1, 3),
    "quantiles": ("quantiles", {}, 1, 3),
    "spline_maf, 3 fits mixed": ("spline_maf", {}, MIXED, 5),
    "spline_maf, 20 epochs": ("spline_maf", {"epochs": 20}, 1, 5),
    "spline_maf, best 4 epochs averaged": ("spline_maf", {"best": 4}, 1, 5),
    "spline_maf, batch 128": ("spline_maf", {"batch": 128}, 1, 5),
    "spline_maf, 10 fits mixed": ("spline_maf", {}, 10, 3),
    "spline_coupling": ("spline_coupling", {}, 1, 3),
    "maf": ("maf", {}, 1, 3),
    "flow_matching": ("flow_matching", {}, 1, 3),
}
COLUMNS: dict[str, Callable[[Row], Any]] = {
    "C2ST": lambda r: r["auc"],
    "largest pull": lambda r: r["pull"],
    "fit, CPU s": lambda r: r["fit"],
}


class Mixed(BaseEstimator):
    """CATHODE with the template of several fits, as many events of each."""

    needs = Cathode.needs

    def __init__(
        self,
        density: str = "spline_maf",
        *,
        density_settings: dict[str, Any] | None = None,
        fits: int = MIXED,
        settings: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.density, self.density_settings, self.fits = density, density_settings, fits
        self.settings, self.seed = settings, seed
        self.classifier = "trees"

    def background_template(self, x: Any, m: Any, window: Any, *, w: Any = None) -> tuple[np.ndarray, None]:
        """Events of each fit in turn; `learning_` says how many seconds of the processor the fits took."""
        seeds = [seed_for(self.seed, "fit", i) for i in range(self.fits)]
        methods = [self._one(seed) for seed in seeds]
        begin = time.process_time()
        densities = [method.learn(x, m, window, w=w) for method in methods]
        self.learning_ = round(time.process_time() - begin, 2)
        made = [
            method.background_template(x, m, window, w=w, learned=density)[0]
            for method, density in zip(methods, densities, strict=True)
        ]
        return np.concatenate(made), None

    def _one(self, seed: int) -> Cathode:
        return Cathode(density=self.density, density_settings=self.density_settings, oversample=2, seed=seed)

    def fit(self, x: Any, m: Any, window: Any, *, w: Any = None) -> "Mixed":
        """The classifier, against all of them."""
        inside, _ = take_apart(Part(x, m, w), window)
        self.classifier_ = fit_to_template(self, inside, self.background_template(x, m, window, w=w))
        return self

    def anomaly_score(self, x: Any) -> np.ndarray:
        """As CATHODE's."""
        return self.classifier_.score(x)


class MixedMethod:
    """Stands where `true_quality` expects the method of a config, and keeps what it makes."""

    def __init__(self, title: str) -> None:
        self.title = title

    def make(self, seed: int, features: Sequence[str] = ()) -> Mixed:
        """The method, unfitted."""
        density, settings, fits, _ = CASES[self.title]
        self.made = Mixed(density, density_settings=settings, fits=fits, seed=seed)
        return self.made


def templates(records: Records, draws: Sequence[int]) -> None:
    """C2ST of the template against true background in the window; seeds of the signal, the fit and the test."""
    for title, (*_, count) in CASES.items():
        for draw in draws[:count]:
            records.measure({"density": title, "draw": draw, "features": "4"}, partial(quality, draw, title))


def quality(draw: int, title: str) -> Row:
    """One template, where every background event is data."""
    given = plain_draw(draw)
    del given["reference"]
    given["data"]["inject"]["signal"] = SIGNAL
    given["mass"]["range"] = RANGE
    p = prepared(make_config(given | {"method": ["cathode"]}).analysis())
    method: Any = MixedMethod(title)
    found = true_quality(p, method, evaluation_window(p))
    row = {"auc": found.auc, "error": found.error, "pull": float(np.abs(found.pulls).max())}
    return row | {
        "pulls": found.pulls.round(2).tolist(),
        "fit": method.made.learning_,
        "seconds": round(found.seconds, 2),
    }
