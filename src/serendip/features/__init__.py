"""From events to features that a method can learn from."""

from serendip.features.checks import check_features, is_monotone
from serendip.features.scaling import Standardise

__all__ = ["Standardise", "check_features", "is_monotone"]
