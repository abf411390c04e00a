"""Events of a dual-phase xenon TPC: energy deposits → quanta → light and charge → waveforms and patterns."""

from serendip.simulate.tpc.deposits import Deposits
from serendip.simulate.tpc.detector import DARWIN, DETECTORS, Detector, make_detector

__all__ = ["DARWIN", "DETECTORS", "Deposits", "Detector", "make_detector"]
