"""What a search found, drawn, tabled and exported: the page, the figures, HEPData and HistFactory."""

from serendip.report.figures import draw
from serendip.report.hepdata import write_hepdata
from serendip.report.histfactory import spectrum_workspace, window_workspace, write_workspace
from serendip.report.html import write_report
from serendip.report.outlier_panels import CoordinatePanel, CoordinateSeries, LatentScanPanel
from serendip.report.panels import (
    Panel,
    ScanPanel,
    ScanSeries,
    SpectrumPanel,
    TablePanel,
    TailCurve,
    ToyPanel,
)
from serendip.report.ratio_panels import PairMaps, PairPanel, RatioPanel
from serendip.report.score_panels import DriverFeature, DriversPanel, RocCurve, RocPanel, ScorePanel, SicPanel
from serendip.report.tables import result_table

__all__ = [
    "CoordinatePanel",
    "CoordinateSeries",
    "DriverFeature",
    "DriversPanel",
    "LatentScanPanel",
    "PairMaps",
    "PairPanel",
    "Panel",
    "RatioPanel",
    "RocCurve",
    "RocPanel",
    "ScanPanel",
    "ScanSeries",
    "ScorePanel",
    "SicPanel",
    "SpectrumPanel",
    "TablePanel",
    "TailCurve",
    "ToyPanel",
    "draw",
    "result_table",
    "spectrum_workspace",
    "window_workspace",
    "write_hepdata",
    "write_report",
    "write_workspace",
]
