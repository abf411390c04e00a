"""Features that move with the mass, and no signal: what makes an excess from nothing? Selection, template or fit?

    python -m benchmarks.study_moving --draws 5

LHC Olympics background, the masses of both jets moved by a tenth of the dijet mass, all of it as data. For each method and
window: Z after each cut with the order of the fit chosen by the F-test and with three parameters; the efficiency of a 1 %
cut in the window over that beside it (selection); and Z once more after a cut whose threshold follows the mass, so that the
score passes as often at every mass by construction, the window left out (what is left is template or fluctuation).
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from serendip.config import make_config
from serendip.search.prepare import Prepared, prepared
from serendip.search.scan import anomalies, observed
from serendip.select.cuts import passes_cut
from serendip.stats.excess import excesses

EXAMPLE = Path(__file__).parents[1] / "examples" / "lhco_evaluate.yaml"
WINDOWS = [[low, low + 400] for low in range(3100, 4300, 200)]
CUTS = [0.01, 0.002]
TREES = {"bins": 127, "iterations": 15}
SHARED = {"folds": 3, "share": True, "classifier": TREES}
METHODS: list[dict[str, Any]] = [
    {"name": "cwola", "folds": 3, "classifier": TREES},
    {"name": "cathode", **SHARED},
    {"name": "curtains", **SHARED},
    {"name": "lacathode", **SHARED},
    {"name": "cwola_decorrelated", **SHARED},
]
SLICES = 24  # of the mass, in which thresholds are taken before a line is laid through them


def config(draw: int, shift: float) -> Any:
    """All background of the example as data, its features moved."""
    given = yaml.safe_load(EXAMPLE.read_text())
    for name in ("mj_light", "dmj"):
        given["features"][name] += f" + {shift} * {given['mass']['from']}"
    given["data"]["inject"]["signal"] = 0
    del given["reference"], given["evaluate"]
    return make_config(given | {"windows": WINDOWS, "cuts": CUTS, "method": METHODS, "seed": draw})


def followed(anomaly: np.ndarray, m: np.ndarray, outside: np.ndarray, cut: float) -> np.ndarray:
    """Which events pass a threshold that is a parabola of log m, through the cut's quantile in slices of the sidebands."""
    edges = np.quantile(m[outside], np.linspace(0, 1, SLICES + 1))
    where = [outside & (m >= low) & (m < high) for low, high in pairwise(edges)]
    t = np.log(m)
    line = np.polyfit([t[s].mean() for s in where], [np.quantile(anomaly[s], 1 - cut) for s in where], 2)
    return anomaly > np.polyval(line, t)


def z_of(p: Prepared, kept: np.ndarray, window: Any, order: Any) -> float:
    """Local significance of what passed."""
    spectrum = p.spectrum(p.m[kept], p.events.w[kept])
    shape = p.config.background.shape
    found = excesses(spectrum.counts[None], p.edges, [window], shape, order, variances=spectrum.variances[None])
    return float(found.z[0]) if found.converged[0] else float("nan")


def measure(p: Prepared, method: Any, window: Any) -> dict[str, Any]:
    """One method in one window."""
    anomaly = anomalies(p, observed(p), method, window, "data", 0)
    inside = window.contains(p.m)
    near = ~inside & (p.m > window.low - 200) & (p.m < window.high + 200)
    passed = passes_cut(anomaly, CUTS[0])
    found: dict[str, Any] = {"efficiency_ratio": float(passed[inside].mean() / passed[near].mean())}
    for cut in CUTS:
        kept = passes_cut(anomaly, cut)
        found[f"z {cut:g}"] = z_of(p, kept, window, "auto")
        found[f"z {cut:g}, three parameters"] = z_of(p, kept, window, 3)
        found[f"z {cut:g}, threshold follows m"] = z_of(p, followed(anomaly, p.m, ~inside, cut), window, "auto")
    return found


def main() -> None:
    """Measure, one line a method, window and draw, and print means over windows and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--shift", type=float, default=0.1)
    parser.add_argument("--out", type=Path, default=Path("study_moving.jsonl"))
    options = parser.parse_args()
    with options.out.open("a") as file:
        for draw in range(1, options.draws + 1):
            p = prepared(config(draw, options.shift).analysis())
            for method in p.config.method:
                for window in p.windows:
                    row = {"draw": draw, "method": method.title, "window": str(window)} | measure(p, method, window)
                    file.write(json.dumps(row) + "\n")
                    file.flush()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()]
    for name in dict.fromkeys(row["method"] for row in rows):
        ours = [row for row in rows if row["method"] == name]
        print(name, len(ours))
        for key in ours[0].keys() - {"draw", "method", "window"}:
            values = np.array([row[key] for row in ours])
            print(
                f"  {key:36s} mean {np.nanmean(values):+.2f}  sd {np.nanstd(values):.2f}  largest {np.nanmax(values):.2f}"
            )


if __name__ == "__main__":
    main()
