"""Learning machines that know no physics."""

from serendip.nets.autoencoder import Autoencoder
from serendip.nets.bins import BinnedFeatures, bin_features
from serendip.nets.flow_matching import VelocityField
from serendip.nets.flows import Flow, maf, spline_coupling, spline_maf
from serendip.nets.mlp import Mlp
from serendip.nets.normalised_autoencoder import EnergyAutoencoder
from serendip.nets.saving import load, save
from serendip.nets.training import DivergedError, Trained, Training, train
from serendip.nets.transport import Transport
from serendip.nets.trees import Trees
from serendip.nets.variational import VariationalAutoencoder

__all__ = [
    "Autoencoder",
    "BinnedFeatures",
    "DivergedError",
    "EnergyAutoencoder",
    "Flow",
    "Mlp",
    "Trained",
    "Training",
    "Transport",
    "Trees",
    "VariationalAutoencoder",
    "VelocityField",
    "bin_features",
    "load",
    "maf",
    "save",
    "spline_coupling",
    "spline_maf",
    "train",
]
