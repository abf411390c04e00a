"""Learning machines that know no physics."""

from serendip.nets.bins import BinnedFeatures, bin_features
from serendip.nets.trees import Trees

__all__ = ["BinnedFeatures", "Trees", "bin_features"]
