"""Methods that learn what is common, without labels or a second sample, and call the rest anomalous."""

from serendip.score.outlier.autoencoder import Autoencoder
from serendip.score.outlier.conditional_flow import ConditionalFlow
from serendip.score.outlier.flow import Flow
from serendip.score.outlier.flow_matching import FlowMatching
from serendip.score.outlier.isolation_forest import IsolationForest
from serendip.score.outlier.kde import Kde
from serendip.score.outlier.normalised_autoencoder import NormalisedAutoencoder
from serendip.score.outlier.pyod import Pyod
from serendip.score.outlier.vae import Vae

__all__ = [
    "Autoencoder",
    "ConditionalFlow",
    "Flow",
    "FlowMatching",
    "IsolationForest",
    "Kde",
    "NormalisedAutoencoder",
    "Pyod",
    "Vae",
]
