"""
How near networks come to the best
==================================

The densities of the simulated dijet events are known in closed form, hence also the best score that there can be: their
ratio. This page trains an ensemble of networks, boosted trees and two flows, and holds each against it.
"""

import tempfile
from pathlib import Path

import numpy as np

from serendip.data import Events
from serendip.report import RocCurve, SicPanel, draw
from serendip.score.classifiers import make_classifier
from serendip.score.densities import make_density
from serendip.score.networks import Network
from serendip.simulate import feature_log_ratio, simulate_dijet
from serendip.stats.roc import performance, roc_curve

# %%
# What a search has to learn from: background with a few signal events among it, and background alone. And labelled events to
# judge by. The ratio of the two known densities follows from that of signal and background.

data, truth = simulate_dijet(9700, 300, seed=1)
background, _ = simulate_dijet(10_000, 0, seed=2)
others, judged = simulate_dijet(10_000, 2000, seed=3)
x = np.concatenate([data.x(), background.x()])
is_data = np.arange(len(x)) < len(data)


def known_ratio(events: Events) -> np.ndarray:
    """ln p(data) / p(background) of each event."""
    share = truth.is_signal.mean()
    return np.log1p(share * np.expm1(feature_log_ratio(events)))


# %%
# An ensemble of networks, all of which train at once. Each holds out a fifth of the events of its own, stops
# after ten epochs without a lower loss on them, and becomes the average of its five best epochs.

network = Network(members=5, epochs=40, seed=1).fit(x, is_data)
trees = make_classifier("trees", seed=1).fit(x, is_data)

# %%
# A flow learns the density of one sample. The ratio of two such densities is a score as well, that of ANODE, but it has to
# get two densities right where a classifier learns their ratio.

of_data, of_background = (make_density("spline_maf", seed=1).fit(x[one]) for one in (is_data, ~is_data))

test = others.x()
scores = {
    "known densities": known_ratio(others),
    "network": network.score(test),
    "trees": trees.score(test),
    "ratio of two flows": of_data.log_prob(test) - of_background.log_prob(test),
}
for name, score in scores.items():
    found = performance(score, judged.is_signal)
    print(f"{name:20} AUC {found.auc}, largest improvement of significance {found.max_sic}")

# %%
# How much a cut on each score would raise the significance of a signal, against the background that it keeps. A curve is
# dotted where less than 25 events are behind it.


def curve(name: str, score: np.ndarray) -> RocCurve:
    """Efficiencies of a score on the labelled events."""
    roc = roc_curve(score, judged.is_signal)
    number = np.bincount(judged.is_signal)
    return RocCurve(name, roc.eps_b, roc.eps_s, n_background=number[0], n_signal=number[1])


improvement = draw(
    SicPanel(
        name="sic",
        title="What can be learned from 300 signal events in 10,000",
        curves=tuple(curve(name, score) for name, score in scores.items()),
    )
)

# %%
# Networks and flows go to a file of arrays and JSON, that runs nothing when it is read, and come back bit for bit.

path = Path(tempfile.mkdtemp()) / "network.npz"
network.save(path)
print("the same bits:", np.array_equal(Network.load(path).score(test), scores["network"]))
