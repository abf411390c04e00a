"""What a search found, drawn, tabled and exported: the page, the figures, HEPData and HistFactory."""

from serendip.report.anomaly_panels import AnomalyPanel
from serendip.report.band_panels import Band, BandEvents, BandPanel, band_of
from serendip.report.figures import draw
from serendip.report.hepdata import write_hepdata
from serendip.report.histfactory import spectrum_workspace, window_workspace, write_workspace
from serendip.report.html import write_report
from serendip.report.latent_panels import LatentPanel, PredictiveFeature, PredictivePanel, predictive_feature
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
from serendip.report.pulse_panels import EventPulses, PulsePanel, example_events
from serendip.report.ratio_panels import PairMaps, PairPanel, RatioPanel
from serendip.report.score_panels import DriverFeature, DriversPanel, RocCurve, RocPanel, ScorePanel, SicPanel
from serendip.report.sensitivity_panels import MedianBand, MixtureScanPanel, RejectionPanel
from serendip.report.tables import result_table

__all__ = [
    "AnomalyPanel",
    "Band",
    "BandEvents",
    "BandPanel",
    "CoordinatePanel",
    "CoordinateSeries",
    "DriverFeature",
    "DriversPanel",
    "EventPulses",
    "LatentPanel",
    "LatentScanPanel",
    "MedianBand",
    "MixtureScanPanel",
    "PairMaps",
    "PairPanel",
    "Panel",
    "PredictiveFeature",
    "PredictivePanel",
    "PulsePanel",
    "RatioPanel",
    "RejectionPanel",
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
    "band_of",
    "draw",
    "example_events",
    "predictive_feature",
    "result_table",
    "spectrum_workspace",
    "window_workspace",
    "write_hepdata",
    "write_report",
    "write_workspace",
]
