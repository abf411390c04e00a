"""Events whose truth is known."""

from serendip.simulate.dijet import background_cdf, background_density, feature_log_ratio, simulate_dijet
from serendip.simulate.drift_tubes import simulate_drift_tubes
from serendip.simulate.exponential import ideal_log_ratio, simulate_exponential

__all__ = [
    "background_cdf",
    "background_density",
    "feature_log_ratio",
    "ideal_log_ratio",
    "simulate_dijet",
    "simulate_drift_tubes",
    "simulate_exponential",
]
