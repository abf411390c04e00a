"""The figures and tables of a goodness-of-fit search."""

from collections.abc import Iterator

import numpy as np

from serendip.errors import FitError
from serendip.report import Panel, TablePanel, TailCurve, ToyPanel
from serendip.search.discrepancy_panels import drivers
from serendip.search.fit_findings import FitFindings
from serendip.stats.calibration import ChiSquaredFit, log_chi_squared_tail

COMBINED = {
    "avg-p": "− ln of the mean local p",
    "min-p": "− ln of the smallest local p",
    "prod-p": "− ln of the product of local p",
    "smax-t": "Smooth maximum of the statistics",
}


def fit_panels(found: FitFindings) -> tuple[list[Panel], list[str]]:
    """Everything that the report shows, in its order, and remarks on what it cannot show."""
    remarks = []
    try:
        drives = driver_panels(found)
    except FitError as error:
        drives, remarks = [], [f"No figures of what drives the discrepancy: {error}"]
    return [*toy_panels(found), *drives, statistics_table(found), *stability_table(found)], remarks


def toy_panels(found: FitFindings) -> Iterator[ToyPanel]:
    """The combination and the best statistic among their toys."""
    if not len(found.toys):
        return
    if (combined := found.combined) is not None:
        yield ToyPanel(
            "combination",
            f"All statistics together, by {combined.how}",
            combined.toys,
            combined.statistic,
            caption=f"{len(found.columns)} statistics of the same toys, combined in data and toys alike: the global p.",
            statistic=COMBINED[combined.how],
        )
    column, calibration = found.columns[found.best], found.calibrations[found.best]
    toys = found.toys[:, found.best]
    yield ToyPanel(
        "toys",
        f"The statistic of {column}",
        toys,
        calibration.observed,
        None if calibration.chi2 is None else chi_squared_curve(calibration.chi2, toys, calibration.observed),
        caption=f"The most significant statistic among its toys. The p quoted: {calibration}.",
        statistic=f"Statistic of {column}",
    )


def chi_squared_curve(fit: ChiSquaredFit, toys: np.ndarray, observed: float) -> TailCurve:
    """The χ² fitted to the toys; its label is short, as the figure has room for no more."""
    t = np.linspace(max(float(toys.min()), 0.0), max(float(toys.max()), observed) * 1.05, 200)
    flagged = ", flagged" if fit.flagged else ""
    label = f"χ²({fit.dof:.1f} ± {fit.error:.1f}){flagged}"
    return TailCurve(t, np.maximum(np.exp(log_chi_squared_tail(t, fit.dof)), 1e-300), fit.ks_p, label)


def driver_panels(found: FitFindings) -> list[Panel]:
    """What drives the discrepancy, by the learned ratio of the most significant statistic that has one."""
    at = found.best_ratio
    if at is None:
        return []
    p, column = found.p, found.columns[at]
    prepared, within = p.prepared(column.number), at - found.first_of(column.number)
    f = prepared.log_ratio(p.data, np.concatenate([p.data.x, p.reference.x]))[:, within]
    names = tuple(p.config.features)
    units = tuple(p.events.units.get(name, "") for name in names)
    return drivers(p.data, p.reference, p.expected, f[: len(p.data)], f[len(p.data) :], names, units)


def statistics_table(found: FitFindings) -> TablePanel:
    """Every statistic of the data, and its local p."""
    rows = []
    for i, column in enumerate(found.columns):
        one = found.calibrations[i] if found.calibrations else None
        chi2 = None if one is None else one.chi2
        rows.append(
            (
                str(column),
                round(float(found.statistics[i]), 3),
                None if one is None else round(float(np.median(found.toys[:, i])), 3),
                None if one is None else one.quoted.p,
                None if one is None else round(one.quoted.z, 2),
                None if one is None else one.quoted.how,
                None if chi2 is None else round(chi2.dof, 2),
                None if chi2 is None else round(chi2.ks_p, 3),
            )
        )
    names = ("statistic", "data", "median of toys", "local p", "Z", "by", "χ² degrees of freedom", "KS p of the χ²")
    return TablePanel("statistics", "Every statistic", names, tuple(rows))


def stability_table(found: FitFindings) -> Iterator[TablePanel]:
    """Z of the best statistic of each kernel test under other settings."""
    if not found.shifts:
        return
    rows = [
        (one.test, one.name, round(one.before, 2), round(one.after, 2), round(one.error, 2)) for one in found.shifts
    ]
    yield TablePanel(
        "stability",
        "Other settings of the kernels",
        ("statistic", "changed", "Z", "Z with the change", "± of the difference"),
        tuple(rows),
        caption=f"Rough Z, from mean and spread of the cube roots of the same {found.p.config.gate.stability_toys} toys: "
        "for comparison with each other, and not with the p-values above.",
    )
