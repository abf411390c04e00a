"""What the search could see: p(H0) against R, and rejection against the cross section, by learned and classical tests."""

from collections.abc import Iterator

import numpy as np

from serendip.report.canvas import scientific
from serendip.report.sensitivity_panels import MedianBand, MixtureScanPanel, RejectionPanel
from serendip.search.recoil_findings import RecoilFindings
from serendip.search.recoil_statistics import tuning_of
from serendip.stats.sensitivity import RejectionCurve, strength_at

MARKED = (3e-49, 1e-48, 6.5e-48)  # cm², of arXiv:2410.00755 and below


def power_panels(found: RecoilFindings) -> Iterator[MixtureScanPanel | RejectionPanel]:
    """The scan of R, then one figure of the sensitivity for each mass."""
    if len(found.chosen["ratios"]) > 1:
        yield ratio_panel(found)
    for task, curves in zip(found.sensitivity, found.curves):
        yield rejection_panel(found, float(task["mass"]), curves)


def ratio_panel(found: RecoilFindings) -> MixtureScanPanel:
    """p(H0) against R at the chosen cut, for the signals that R was chosen with."""
    anomaly = found.p.config.anomaly
    tuning = tuning_of(found.chosen, list(anomaly.masses))
    at = int(np.argmin(np.abs(tuning.keeps - found.scores.keep)))
    bands = tuple(
        MedianBand(signal, tuning.ratios, *np.maximum(tuning.p[i, :, at].T, 1e-300))
        for i, signal in enumerate(tuning.signals)
    )
    return MixtureScanPanel(
        "choice_of_ratio",
        "p(H0) against R",
        bands,
        found.scores.ratio,
        note=f"{scientific(anomaly.cross_section)} cm², {found.p.config.exposure:g} t y",
        caption="Median over pseudo-experiments with a signal, and the middle 68 % of them. R and the cut are those of the "
        "largest mean of the median Z, over all masses shown; none of these events comes back in the test.",
    )


def rejection_panel(found: RecoilFindings, mass: float, curves: tuple[RejectionCurve, ...]) -> RejectionPanel:
    """Z of rejecting background alone against the cross section of WIMPs of one mass."""
    level = found.p.config.sensitivity.significance
    shown = curves[0].strengths > 0
    bands = tuple(MedianBand(one.name, one.strengths[shown], *one.z[shown].T) for one in curves)
    low, high = (edge(curves[0].strengths[shown]) for edge in (np.min, np.max))
    return RejectionPanel(
        f"sensitivity_{mass:g}_GeV",
        f"Rejection of background alone, {mass:g} GeV",
        bands,
        tuple(strength_at(one, level).value for one in curves),
        tuple((scientific(value), value) for value in MARKED if low <= value <= high),
        level=level,
        reach=min(one.reach for one in curves),
        note=f"{found.p.config.exposure:g} t y",
        caption="Median and middle 68 % of the same pseudo-experiments for every test. The signal-aware likelihood knows "
        "the mass; the other tests know no signal, but for the choice of R and cut. Left of where its line begins, the "
        "likelihood finds no signal in half of the experiments.",
    )
