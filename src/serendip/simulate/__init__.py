"""Events whose truth is known."""

from serendip.simulate.dijet import background_cdf, background_density, feature_log_ratio, simulate_dijet

__all__ = ["background_cdf", "background_density", "feature_log_ratio", "simulate_dijet"]
