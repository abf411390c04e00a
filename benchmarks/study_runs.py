"""One method on one draw, as `serendip evaluate` runs it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.study_records import Records, Row
from serendip.config import Config, load_config
from serendip.config.load import make_config
from serendip.data.catalogue import fetch
from serendip.search.evaluate import evaluate_task, evaluation_window, labelled
from serendip.search.prepare import Prepared, prepared
from serendip.seeds import seed_for
from serendip.select.cross_fit import cross_fit
from serendip.stats.roc import performance

EXTENDED_FILE = "lhco_rnd_100k.extended.parquet"
EXAMPLE = Path(__file__).parents[1] / "examples" / "lhco_evaluate.yaml"
MOVED = ("mj_light", "dmj")
DISTORTION = {"mj_light": "1.05 * mj_light", "dmj": "1.1 * dmj"}
Given = dict[str, Any]


def plain_draw(draw: int) -> Given:
    """The example with other signal events, another half set aside, other folds; no method yet."""
    given = yaml.safe_load(EXAMPLE.read_text())
    given["data"]["inject"]["seed"] = given["reference"]["seed"] = given["seed"] = draw
    return given


def shifted_draw(draw: int) -> Given:
    """With features that move with the mass: 0.1 m is added to both, as in arXiv:2001.04990 and arXiv:2109.00546."""
    given = plain_draw(draw)
    mass = given["mass"]["from"]
    moved = {name: f"{given['features'][name]} + 0.1 * {mass}" for name in MOVED}
    return given | {"features": given["features"] | moved}


def simulated_draw(draw: int, of: Callable[[int], Given] = plain_draw) -> Given:
    """The half that is set aside becomes a simulation with wider jet masses."""
    given = of(draw)
    del given["reference"]
    return given | {"simulation": {"split": 0.5, "seed": draw, "features": DISTORTION}}


def moved_last(given: Given) -> Given:
    """The jet masses are distorted, not what was added to them, so that the simulation has events wherever data do."""
    features = {name: f"{text.replace(name, f'({name} - 0.1 * mjj)')} + 0.1 * mjj" for name, text in DISTORTION.items()}
    return given | {"simulation": given["simulation"] | {"features": features}}


def extended_draw(draw: int, features: str) -> Given:
    """The same events from the file that has more columns; `features` is a key of `EXTENDED`."""
    given = plain_draw(draw)
    given["data"] = {
        "path": str(fetch("lhco_rnd").with_name(EXTENDED_FILE)),
        "truth": "label",
        "inject": given["data"]["inject"],
    }
    given["mass"] = {key: value for key, value in given["mass"].items() if key != "from"}
    return given | {"features": EXTENDED[features]}


def _of_jet(light: bool, text: str) -> str:
    """An expression of one jet's columns, written with `#` for the jet's number, for the lighter or the heavier jet."""
    first, second = (text.replace("#", number) for number in ("1", "2"))
    return f"where(mass_1 < mass_2, {first}, {second})" if light else f"where(mass_1 < mass_2, {second}, {first})"


def _of_both(**texts: str) -> dict[str, str]:
    return {
        f"{name}_{jet}": _of_jet(jet == "light", text) for name, text in texts.items() for jet in ("light", "heavy")
    }


FOUR = {"mj_light": "min(mass_1, mass_2)", "dmj": "abs(mass_1 - mass_2)"} | _of_both(
    tau21="ratio_or(tau2_#, tau1_#, 0)"
)
TAUS = FOUR | _of_both(tau32="ratio_or(tau3_#, tau2_#, 0)", tau31="ratio_or(tau3_#, tau1_#, 0)")
EXTENDED = {
    "4": FOUR,
    "8: all τ ratios": TAUS,
    "28: and energy rings": TAUS | _of_both(**{f"ring{ring}": f"eRing{ring}_#" for ring in range(10)}),
}


def measured(records: Records, given: Given, method: Given, draw: int, features: str) -> None:
    """Evaluate one method of a draw, and write what came out."""
    key = {"method": method.get("label", method["name"]), "draw": draw, "features": features}
    records.measure(key, lambda: evaluated(make_config(given | {"method": [method]})))


def evaluated(config: Config) -> Row:
    """The figures of the first method of a config."""
    p = prepared(config.analysis())
    found = evaluate_task(config.analysis(), 0)
    row = figures(p, np.asarray(found["score"])) | {"seconds": round(float(str(found["seconds"])), 2)}
    for name in ("truth", "control"):
        if f"{name}_auc" in found:
            pulls = np.asarray(found[f"{name}_pulls"])
            row |= {f"{name}_auc": found[f"{name}_auc"], f"{name}_error": found[f"{name}_error"]}
            row |= {f"{name}_pull": float(np.abs(pulls).max()), f"{name}_seconds": found[f"{name}_seconds"]}
    if "outlier" in found:
        row["outlier"] = found["outlier"]
    return row


def cross_fitted(p: Prepared, method: Any, seed: int, *, x: np.ndarray | None = None, background: Any = None) -> Row:
    """The figures of a method, or of features, that no config can name; as `evaluate_task` gets them.

    Args:
        p: the analysis.
        method: unfitted.
        seed: of the folds.
        x: features of the labelled events, if not those of the config.
        background: features and weights (or None) of reference events in the window.
    """
    window = evaluation_window(p)
    e = labelled(p, window).experiment
    begin = time.perf_counter()
    anomaly = cross_fit(
        method,
        e.sample.x() if x is None else x,
        e.m,
        window,
        w=e.w,
        folds=p.config.method[0].folds,
        seed=seed,
        background=background,
        trained=e.trained,
    )
    seconds = round(time.perf_counter() - begin, 2)
    return figures(p, anomaly[window.contains(e.m)]) | {"seconds": seconds}


def figures(p: Prepared, score: np.ndarray) -> Row:
    """AUC and SIC of scores of the labelled events in the window."""
    events = labelled(p, evaluation_window(p))
    e = p.config.evaluate
    found = performance(
        score,
        events.is_signal,
        events.w,
        fprs=e.fpr,
        min_background=e.min_background,
        replicas=2,
        seed=seed_for(p.config.seed, "bootstrap"),
    )
    return {
        "auc": found.auc.value,
        "max_sic": found.max_sic.value,
        "at": found.best.eps_b,
        "background": int((~events.is_signal).sum()),
        "sic_1": found.sic_at[0.01].value,
        "sic_01": found.sic_at[0.001].value,
    }


def one_method(given: Given, method: Given) -> Row:
    """`serendip evaluate` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder) / "one.yaml", Path(folder) / "out"
        config.write_text(yaml.safe_dump(given | {"method": [method]}, allow_unicode=True))
        load_config(config)
        begin = time.perf_counter()
        command = [sys.executable, "-m", "serendip", "evaluate", str(config), "-o", str(out)]
        subprocess.run(command, check=True, capture_output=True)
        metrics = json.loads((out / "metrics.json").read_text())
        wall = time.perf_counter() - begin
    (one,) = metrics["methods"].values()
    return {"seconds": one["seconds"], "wall": round(wall, 1), "peak_mb": metrics["peak_memory_mb"]}
