"""
Features that know the mass
===========================

The mass of a jet grows with that of the pair. A classifier of a window against its sidebands then tells them apart
without any signal, and a cut on it makes a bump. Template methods learn how the features move with the mass, beside the
window, and compare the window's events with what they should look like there. This page has no signal in its
events: whatever stands out is a fault of the method.
"""

import numpy as np

from serendip.data import Window
from serendip.report.canvas import BLUE, COLOURS, GREY, MARKERS, ORANGE, legend_below, new_figure, style
from serendip.score.classifiers import make_classifier
from serendip.score.weak import Cathode, Cwola, DecorrelatedCwola
from serendip.select.cross_fit import cross_fit
from serendip.select.cuts import passes_cut
from serendip.simulate import simulate_dijet
from serendip.stats.two_sample import two_sample_test

# %%
# 40,000 background events, in which the mass of the lighter jet and the difference of both masses grow by a tenth of the
# dijet mass: the shifted features of arXiv:2109.00546.

events, _ = simulate_dijet(40_000, 0, mass_correlation=0.1, seed=1)
x, m = events.x(), events.m
window = Window(3300, 3700)
inside = window.contains(m)

# %%
# Three predictions of the background in the window, each made without its features: the sidebands as they are, which
# is what CWoLa compares with; the template of CATHODE, drawn from a density p(x | m) that was learned in the sidebands; and
# sideband events carried to the window's masses by quantiles that move with the mass. A classifier says how
# far each is from the events in the window (C2ST: 0.5 if nothing tells them apart).

trees = {"members": 4, "iterations": 15}
methods = {
    "CWoLa": Cwola(settings=trees, seed=1),
    "CATHODE": Cathode(settings=trees, seed=1),
    "CWoLa, decorrelated": DecorrelatedCwola(settings=trees, seed=1),
}
templates = {
    "Sidebands": x[~inside],
    "CATHODE": methods["CATHODE"].background_template(x, m, window)[0],
    "Sidebands, carried": methods["CWoLa, decorrelated"].background_template(x, m, window)[0],
}
for name, template in templates.items():
    found = two_sample_test(
        template[: 2 * inside.sum()], x[inside], classifier=lambda seed: make_classifier("trees", seed, **trees), seed=1
    )
    print(f"{name}: C2ST {found.auc:.3f} ± {found.error:.3f}")

# %%
# The feature that moves most, in the window and in each of the predictions:

feature = list(events.columns).index("mj_light")
edges = np.linspace(200, 700, 51)
with style():
    prediction, ax = new_figure("What the background in the window should look like", 8, 5.4)
    counts, _ = np.histogram(x[inside, feature], edges, density=True)
    ax.stairs(counts, edges, fill=True, color=GREY, alpha=0.4, label="Events in the window")
    for (name, template), colour, line in zip(templates.items(), (ORANGE, BLUE, "black"), ("--", "-", ":")):
        counts, _ = np.histogram(template[:, feature], edges, density=True)
        ax.stairs(counts, edges, color=colour, ls=line, lw=1.8, label=name)
    ax.set_xlabel("Mass of the lighter jet [GeV]")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel("Density [1/GeV]")
    legend_below(prediction, ax)

# %%
# A good template is not enough. A score that is a function of the features alone, as CATHODE's, still passes another share
# of the background at every mass, since the features move. Scores in a space where the background does not know the mass
# pass the same share everywhere. Every event is scored by a model that did not see it, and 5 % of the sideband events
# are kept:

cut = 0.05
steps = np.arange(2100, 5301, 400)
kept = {name: passes_cut(cross_fit(method, x, m, window, folds=2, seed=1), cut) for name, method in methods.items()}
with style():
    sculpting, ax = new_figure("What a cut keeps of the background", 8, 5.4)
    ax.axvspan(window.low, window.high, color=ORANGE, alpha=0.18, lw=0)
    ax.axhline(cut, color=GREY, ls=":", lw=1)
    total, _ = np.histogram(m, steps)
    centres = 0.5 * (steps[1:] + steps[:-1])
    for (name, passed), colour, marker in zip(kept.items(), COLOURS, MARKERS):
        share = np.histogram(m[passed], steps)[0] / total
        error = np.sqrt(share * (1 - share) / total)
        ax.errorbar(centres, share, error, fmt=marker + "-", color=colour, label=name)
        print(f"{name}: {100 * passed[inside].mean():.1f} % of the window kept, {100 * cut:g} % of its sidebands")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("mjj [GeV]")
    ax.set_ylabel("Share of background kept")
    legend_below(sculpting, ax)
