"""Exports of a finished search: HEPData tables and a HistFactory workspace."""

from collections.abc import Mapping, Sequence
from typing import Any

from serendip.errors import InputError, MissingExtraError
from serendip.report.hepdata import write_hepdata
from serendip.report.histfactory import window_workspace, write_workspace
from serendip.report.panels import Panel
from serendip.run.folder import RunFolder
from serendip.stats.background_fit import BackgroundFit
from serendip.stats.spectrum import Spectrum, bins_inside


def write_exports(
    folder: RunFolder,
    panels: Sequence[Panel],
    result: Mapping[str, Any],
    spectrum: Spectrum,
    fit: BackgroundFit,
) -> list[str]:
    """Write what can be written; returns a remark for each export that could not.

    Args:
        folder: the run folder.
        panels: of the report.
        result: result.json.
        spectrum: the best spectrum, unit weights.
        fit: its sideband fit.
    """
    remarks = []
    try:
        write_hepdata(folder.path, result, panels)
    except MissingExtraError as error:
        remarks.append(f"No HEPData tables: {error}")
    inside = bins_inside(spectrum.edges, fit.window)
    try:
        workspace = window_workspace(
            spectrum.counts[inside], fit.expected[inside], fit.expected_covariance[inside][:, inside]
        )
        write_workspace(folder.path, workspace)
    except InputError as error:
        remarks.append(f"No HistFactory workspace: {error}")
    return remarks
