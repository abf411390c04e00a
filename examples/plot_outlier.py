"""
What is rare depends on the coordinates
=======================================

An outlier score learns what is common and calls the rest anomalous. But what is rare depends on how the features are
written down: the logarithm of a mass is as good a feature as the mass, and ranks events otherwise. A ratio of two densities
does not depend on it. This page measures both on simulated dijet events, asks what an autoencoder fails to notice, and how
many latent numbers it needs.
"""

import numpy as np

from serendip.data import Window
from serendip.report import CoordinatePanel, CoordinateSeries, LatentScanPanel, draw
from serendip.score.below_chance import below_chance_warning
from serendip.score.complexity_bias import complexity_bias
from serendip.score.coordinate_dependence import coordinate_dependence
from serendip.score.generalisation import generalisation
from serendip.score.latent_scan import latent_scan
from serendip.score.outlier import Autoencoder, Flow, IsolationForest, Kde
from serendip.score.weak import Cwola
from serendip.simulate import simulate_dijet
from serendip.stats.roc import performance

# %%
# 10,000 events with 200 of a resonance among them to learn from, background that no method saw, and labelled events to judge
# by. No fit reads the labels.

data, _ = simulate_dijet(10_000, 200, seed=1)
background, _ = simulate_dijet(3000, 0, seed=2)
labelled, truth = simulate_dijet(3000, 500, seed=3)
x, held_out, test = (np.column_stack(list(events.columns.values())) for events in (data, background, labelled))

# %%
# Every method learns from the features as they are, and again after a map of each feature that keeps the order of its
# values. `Cwola` compares a window with its sidebands, with trees, which see nothing but that order; the others call
# rare events anomalous.

window = Window(3300, 3700)
methods = {
    "Kernel density": Kde(centres=2000),
    "Isolation forest": IsolationForest(),
    "Normal density": Flow(density="gaussian"),
    "CWoLa, trees": Cwola(settings={"members": 4, "iterations": 15}),
}
dependence = {
    name: coordinate_dependence(method, x, held_out, m=data.m, window=window) for name, method in methods.items()
}
for name, found in dependence.items():
    print(f"{name}: lowest rank correlation {found.lowest:.2f}")
print(dependence["Kernel density"].warning)

# %%
# The rank correlation of each score with itself after the map, and how many of the 5 % most anomalous events, which are all
# that a search looks at, are still among them. The first column is no map but another seed: what training again alone does.

coordinates = draw(
    CoordinatePanel(
        name="coordinates",
        title="The same events in other coordinates",
        series=tuple(
            CoordinateSeries(
                label=name,
                maps=tuple(found.correlations),
                correlations=np.array(list(found.correlations.values())),
                shared=np.array(list(found.shared.values())),
            )
            for name, found in dependence.items()
        ),
    )
)

# %%
# Two more questions need no signal either. Does a score notice events that are unlike all that it learned from? And does it
# rank by how complicated events are, in place of how rare? A third needs labels: an AUC below 0.5 means that the score calls
# this signal more common than the background.

autoencoder = Autoencoder(latent=2, hidden=(32, 32), epochs=10, batch=256)
judged = {"Isolation forest": methods["Isolation forest"], "Autoencoder": autoencoder}
for name, method in judged.items():
    method.fit(x)
    made_up = generalisation(method, held_out)
    bias = complexity_bias(method.anomaly_score(held_out), held_out)
    auc = performance(method.anomaly_score(test), truth.is_signal).auc
    print(name)
    print("  AUC for made-up events:", {k: round(v, 2) for k, v in made_up.score.items()})
    print("  of a classifier:       ", {k: round(v, 2) for k, v in made_up.classifier.items()})
    print("  dimension, least to most anomalous:", np.round(bias.dimensions, 1))
    print("  AUC for the resonance:", auc)
    for warning in (
        made_up.warning,
        bias.warning,
        below_chance_warning(name, auc.value, auc.error),
    ):
        if warning:
            print("  Warning:", warning)

# %%
# One autoencoder for each latent size, now of six features, two of which follow from the other four: the mass of the heavy
# jet and the mean τ21. The loss tells where more numbers stop helping, without labels; with them, the AUC shows what the
# choice does to this signal.


def with_dependent(four: np.ndarray) -> np.ndarray:
    """The four features, the mass of the heavy jet, and the mean τ21."""
    light, difference, tau_1, tau_2 = four.T
    return np.column_stack([four, light + difference, 0.5 * (tau_1 + tau_2)])


scan = latent_scan(
    autoencoder,
    with_dependent(x),
    with_dependent(test),
    (2, 3, 4, 5),
    truth=truth,
)
elbow = draw(
    LatentScanPanel(
        name="latent_scan",
        title="How many latent numbers?",
        sizes=scan.sizes,
        loss=scan.loss,
        error=scan.error,
        elbow=scan.elbow,
        auc=scan.auc,
        loss_name="Reconstruction error",
    )
)
