"""Learning machines that know no physics."""

from serendip.nets.bins import BinnedFeatures, bin_features
from serendip.nets.flows import Flow, maf, spline_coupling, spline_maf
from serendip.nets.trees import Trees

__all__ = ["BinnedFeatures", "Flow", "Trees", "bin_features", "maf", "spline_coupling", "spline_maf"]
