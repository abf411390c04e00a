"""Methods: each turns events into an anomaly score, higher being more anomalous."""

from serendip.score.methods import METHODS, fit_inputs, score_events

__all__ = ["METHODS", "fit_inputs", "score_events"]
