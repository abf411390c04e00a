"""Methods held against each other on labelled LHC Olympics events, in the functions that `serendip evaluate` runs.

    python -m benchmarks.study_methods compare     # every weak and template method: SIC and template quality
    python -m benchmarks.study_methods shifted     # the same where features move with the mass
    python -m benchmarks.study_methods comparison  # what the size and the quality of the compared sample cost
    python -m benchmarks.study_methods templates   # densities, on all events: C2ST against true background
    python -m benchmarks.study_methods noise       # trees and networks, with features that say nothing
    python -m benchmarks.study_methods features    # four features against many
    python -m benchmarks.study_methods outliers    # scores that compare with nothing
    python -m benchmarks.study_methods memory      # each method in a process of its own

Each writes a line for every method and draw into `--out`, goes on where it was cut off, and ends with its table; `--table`
prints the table alone. A draw is a seed of the injection, of what is set aside, of the folds and of the training.

The data hold half of the background, with S/√B = 2.2 in 3.3–3.7 TeV. The other half is the reference of `idealised`; for
the methods with a simulation it is that, distorted, so that they see as many data as the others.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import study_comparison, study_noise, study_templates
from benchmarks.study_records import Records, Row, table
from benchmarks.study_runs import (
    EXAMPLE,
    EXTENDED,
    extended_draw,
    measured,
    moved_last,
    one_method,
    plain_draw,
    shifted_draw,
    simulated_draw,
)

TREES = {"bins": 127}
SLOW_DRAWS = 1  # of what takes a minute
BY_JET = [["mj_light", "tau21_light"], ["dmj", "tau21_heavy"]]
DENSITY = {"classifier": TREES, "share": True}  # one density for all folds: it sees no event of the window


def weak() -> list[dict[str, Any]]:
    """The methods that need no simulation; those that the order is published for first."""
    return [
        {"name": "supervised", "classifier": TREES},
        {"name": "idealised", "classifier": TREES},
        {"name": "cwola", "classifier": TREES},
        {"name": "cathode", "label": "cathode, 1 ×", "oversample": 1, **DENSITY},
        {"name": "cathode", "label": "cathode, 4 ×", "oversample": 4, **DENSITY},
        {"name": "cwola_decorrelated", **DENSITY},
        {"name": "lacathode", **DENSITY},
        {"name": "curtains", **DENSITY},
        {"name": "anode"},
        {"name": "tag_n_train", "classifier": TREES, "groups": BY_JET},
    ]


def with_simulation() -> list[dict[str, Any]]:
    """Those that do."""
    return [{"name": name, "classifier": TREES} for name in ("sa_cwola", "salad", "feta")]


def rare() -> list[dict[str, Any]]:
    """Scores that compare with nothing."""
    names = ["isolation_forest", "kde", "autoencoder", "vae", "flow", "conditional_flow", "flow_matching"]
    named = [{"name": name, "folds": 2} for name in [*names, "normalised_autoencoder"]]
    return [*named, {"name": "pyod", "label": "pyod, ECOD", "detector": "ECOD", "folds": 2}]


def compare(records: Records, draws: Sequence[int]) -> None:
    """All methods, features as they are."""
    for draw in draws:
        for method in weak():
            measured(records, plain_draw(draw), method, draw, "as they are")
        for method in with_simulation():
            measured(records, simulated_draw(draw), method, draw, "as they are")
    sinkhorn = {"name": "curtains", "label": "curtains, sinkhorn", "transport": "sinkhorn", **DENSITY}
    for draw in draws[:SLOW_DRAWS]:
        measured(records, plain_draw(draw), sinkhorn, draw, "as they are")


def shifted(records: Records, draws: Sequence[int]) -> None:
    """Two features moved by a tenth of the dijet mass; for methods with a simulation, before and after its distortion."""
    for draw in draws:
        for method in weak():
            measured(records, shifted_draw(draw), method, draw, "shifted")
        for method in with_simulation():
            measured(records, simulated_draw(draw, shifted_draw), method, draw, "shifted")
            fairer = method | {"label": f"{method['name']}, moved last"}
            measured(records, moved_last(simulated_draw(draw, shifted_draw)), fairer, draw, "shifted")


def features(records: Records, draws: Sequence[int]) -> None:
    """Four features, and many."""
    for draw in draws:
        for method in weak()[1:3]:
            for name in EXTENDED:
                measured(records, extended_draw(draw, name), method, draw, name)


def outliers(records: Records, draws: Sequence[int]) -> None:
    """Scores of rare events."""
    for draw in draws:
        for method in rare():
            measured(records, plain_draw(draw), method, draw, "as they are")


def memory(records: Records, draws: Sequence[int]) -> None:
    """Time and memory of each method in a process of its own, with the whole of `serendip evaluate`."""
    for method in [{**method, "folds": 2} for method in [*weak(), *with_simulation(), *rare()]]:
        simulated = method["name"] in ("sa_cwola", "salad", "feta")
        given = simulated_draw(1) if simulated else plain_draw(1)
        title = str(method.get("label", method["name"]))
        key = {"method": title, "draw": 1, "features": "as they are"}
        records.measure(key, partial(one_method, given, method))


SIC: dict[str, Callable[[Row], Any]] = {
    "AUC": lambda r: r["auc"],
    "max SIC": lambda r: r["max_sic"],
    "SIC at 1 %": lambda r: r["sic_1"],
    "SIC at 0.1 %": lambda r: r["sic_01"],
}
TEMPLATE: dict[str, Callable[[Row], Any]] = {
    "C2ST, truth": lambda r: r.get("truth_auc"),
    "C2ST, control": lambda r: r.get("control_auc"),
    "largest pull, truth": lambda r: r.get("truth_pull"),
    "s": lambda r: r["seconds"],
}
DIGITS = {
    "AUC": 3,
    "C2ST, truth": 3,
    "C2ST, control": 3,
    "largest pull, truth": 1,
    "s": 1,
    "C2ST": 4,
    "fit, CPU s": 1,
    "MiB": 0,
}
COST: dict[str, Callable[[Row], Any]] = {"s": lambda r: r["seconds"], "whole process, s": lambda r: r["wall"]}

STUDIES: dict[str, tuple[Callable[..., None], Sequence[str], dict[str, Callable[[Row], Any]]]] = {
    "compare": (compare, ("method",), SIC | TEMPLATE),
    "shifted": (shifted, ("method",), SIC | TEMPLATE),
    "comparison": (study_comparison.comparison, ("method",), SIC | TEMPLATE),
    "templates": (study_templates.templates, ("density",), study_templates.COLUMNS),
    "noise": (study_noise.noise, ("features", "classifier"), SIC | {"s": lambda r: r["seconds"]}),
    "features": (features, ("features", "method"), SIC | {"s": lambda r: r["seconds"]}),
    "outliers": (outliers, ("method",), SIC | {"s": lambda r: r["seconds"]}),
    "memory": (memory, ("method",), COST | {"MiB": lambda r: r["peak_mb"]}),
}


def ratios(rows: Sequence[Row]) -> str:
    """Largest SIC of each method over that of `idealised` in the same draw."""
    of = {row["draw"]: row["max_sic"] for row in rows if row["method"] == "idealised"}
    plain = [row for row in rows if row["draw"] in of and row["method"] != "idealised"]
    columns = {"max SIC over idealised's": lambda row: row["max_sic"] / of[row["draw"]]}
    return table(plain, ("method",), columns, {})


def main() -> None:
    """Choose a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*STUDIES])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs"))
    parser.add_argument("--only", default="", help="a regular expression that the name of a method or density matches")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    study, by, columns = STUDIES[given.study]
    records = Records(given.out / f"{given.study}.jsonl", (*dict.fromkeys((*by, "features", "draw")),), given.only)
    begin = time.perf_counter()
    if not given.table:
        study(records, range(1, given.draws + 1))
    print(table(records.rows(), by, columns, DIGITS))
    if given.study in ("compare", "shifted"):
        print(ratios(records.rows()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - begin:.0f} s, {peak:.0f} MiB at most; {EXAMPLE.name}")


if __name__ == "__main__":
    main()
