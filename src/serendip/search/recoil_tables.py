"""The tables of a recoil search: cut flow, backgrounds, classifier, choice, statistics, sensitivity."""

from collections.abc import Iterator

import numpy as np

from serendip.report import TablePanel
from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_statistics import tuning_of
from serendip.stats.sensitivity import strength_at
from serendip.stats.unbinned import STATISTICS


def recoil_tables(found: RecoilFindings) -> Iterator[TablePanel]:
    """Every table, in the order of the report."""
    if found.sensitivity:
        yield sensitivity_table(found)
    yield backgrounds_table(found)
    yield classifier_table(found)
    yield choice_table(found)
    yield statistics_table(found)
    yield cut_flow_table(found)


def sensitivity_table(found: RecoilFindings) -> TablePanel:
    """The cross section at which the median experiment rejects background alone, by test."""
    level, rows = found.p.config.sensitivity.significance, []
    for task, curves in zip(found.sensitivity, found.curves):
        for curve in curves:
            at = strength_at(curve, level)
            rows.append((f"{task['mass']:g}", curve.name, at.value, at.error, at.events, at.why))
    columns = ("mass [GeV]", "test", "cross section [cm²]", "±", "signal events", "why none")
    caption = (
        f"Where the median pseudo-experiment reaches Z = {level:g}, at {found.p.config.exposure:g} t y. The last is "
    )
    return TablePanel(
        "sensitivity",
        f"Cross sections seen at {level:g} σ",
        columns,
        tuple(rows),
        caption=caption + "told the signal's mass and is the ceiling of the others, which are not.",
    )


def backgrounds_table(found: RecoilFindings) -> TablePanel:
    """Rates, what is left after cuts, and where the rates come from."""
    rows: list[tuple[str | float, ...]] = []
    for kind in found.p.searched:
        after = found.scores.expected(kind) / found.p.deposits(kind.sources)
        for source in kind.sources:
            events = found.p.deposits((source,)) * after
            recoil = "nuclear" if source.is_nr else "electron"
            rows.append((source.name, recoil, round(events, 2), source.uncertainty, source.summary, source.reference))
    expected, error = expected_background(found)
    rows.append(("all", "", round(expected, 2), round(error / expected, 4), "", ""))
    left_out = set(found.p.config.backgrounds) - {str(row[0]) for row in rows}
    below = f" None of these energies: {', '.join(sorted(left_out))}." if left_out else ""
    return TablePanel(
        "backgrounds",
        "Backgrounds",
        ("source", "recoils", "events after cuts", "relative uncertainty", "what it is", "reference"),
        tuple(rows),
        caption="Expected in the exposure; sources of one kind of recoil share the part that passes the cuts." + below,
    )


def expected_background(found: RecoilFindings) -> tuple[float, float]:
    """Events of all backgrounds after cuts, and what their rates' uncertainties make of that."""
    events = np.array([found.scores.expected(kind) for kind in found.p.searched])
    errors = events * [kind.uncertainty for kind in found.p.searched]
    return float(events.sum()), float(np.hypot.reduce(errors))


def classifier_table(found: RecoilFindings) -> TablePanel:
    """How well the classifier tells recoils apart, in events held out."""
    energy = found.judged["energy"]
    low, high = found.p.config.selection.energy
    inside = (energy >= low) & (energy < high)
    rows = []
    for label, part in (("all", np.ones(len(energy), bool)), (f"{low:g}–{high:g} keV", inside)):
        scores = found.classifier_in(part)
        rows.append((label, int(part.sum()), *(round(scores[name], 4) for name in scores)))
    return TablePanel(
        "classifier",
        "Classifier of recoils",
        ("energies", "events", *found.classifier),
        tuple(rows),
        caption="Events held out, flat in energy of the recoil; at even odds. Leakage: electron recoils that pass where "
        "half of the nuclear ones do.",
    )


def choice_table(found: RecoilFindings) -> TablePanel:
    """The median rejection by R and cut, for the signals that they were chosen with."""
    tuning = tuning_of(found.chosen, list(found.p.config.anomaly.masses))
    rows = [(signal, ratio, keep, p, round(z, 2)) for signal, ratio, keep, p, z in tuning.rows()]
    return TablePanel(
        "choice",
        "Choice of R and cut",
        ("signal", "R", "background above the cut", "median p", "median Z"),
        tuple(rows),
        caption=f"At {found.p.config.anomaly.cross_section:g} cm², by pseudo-experiments whose events come back nowhere. "
        f"Chosen: R = {found.scores.ratio:g}, {found.scores.keep:g} of the background above the cut, by the mean of the Z.",
    )


def statistics_table(found: RecoilFindings) -> TablePanel:
    """The quoted statistic, and the others beside it."""
    rows = []
    for name in STATISTICS:
        p = found.p_of(name)
        value = None if p is None else float(found.tested[f"{name} observed"])
        median = float(np.median(found.tested[f"{name} toys"]))
        quoted = "yes" if name == found.statistic else "no"
        rows.append((name, value, median, None if p is None else p.p, None if p is None else round(p.z, 2), quoted))
    return TablePanel(
        "statistics",
        "Statistics of the score",
        ("statistic", "data", "median of toys", "p", "Z", "quoted"),
        tuple(rows),
        caption="Only the quoted one was chosen to be; the others are for comparison.",
    )


def cut_flow_table(found: RecoilFindings) -> TablePanel:
    """How many events are left after each cut."""
    flows = found.cut_flows
    cuts = list(dict.fromkeys(cut for flow in flows.values() for cut in flow if not cut.endswith("keV")))
    order = [*cuts[:3], "energy", *cuts[3:]]
    rows = [(name, *(_left(flow, cut) for cut in order)) for name, flow in flows.items()]
    low, high = found.p.config.gate.control
    caption = (
        f"Left after each cut in turn. Control: electron recoils of {low:g}–{high:g} keV, which two checks look at."
    )
    return TablePanel("cut_flow", "Cut flow", ("events", *order), tuple(rows), caption=caption)


def _left(flow: dict[str, int], cut: str) -> int | None:
    if cut == "energy":
        return next(left for name, left in flow.items() if name.endswith("keV"))
    return flow.get(cut)
