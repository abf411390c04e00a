"""
Is a generator good enough?
===========================

A flow that was trained on few events makes events that look right in every histogram. A learned test of goodness of fit asks
whether anything at all tells them from the truth: NPLM fits the likelihood ratio of generated to true events, and toys drawn
from the truth say how large its statistic is by chance. The same test judges the background template of a search.
"""

from serendip.data import Window
from serendip.report import ToyPanel, draw
from serendip.score.densities import make_density
from serendip.score.weak import Cathode
from serendip.seeds import rng_for
from serendip.simulate import simulate_dijet
from serendip.simulate.gaussian_mixture import correlated_mixture
from serendip.stats.calibration import calibrate
from serendip.stats.sample_tests import Sample, make_test

# %%
# The truth: a mixture of five correlated Gaussians in four dimensions. It is the reference, and 100 samples of it
# are the null toys. Two widths of the kernel, for coarse and for fine faults.

truth = correlated_mixture(4, seed=1)
test = make_test("nplm", percentiles=(20, 90), centres=300, penalty=1e-7)
prepared = test.prepare(Sample(truth.sample(20_000, rng_for(1, "reference"))), 2000, seed=1)
null = prepared.statistics([Sample(truth.sample(2000, rng_for(1, "null", i))) for i in range(100)])

# %%
# The same flow, trained on 2,000 and on 20,000 events. Each makes 2,000 events that nobody has seen.

observed = {}
for events, epochs in ((2000, 40), (20_000, 15)):
    flow = make_density("spline_coupling", seed=1, epochs=epochs).fit(truth.sample(events, rng_for(1, "training")))
    observed[events] = prepared.statistics([Sample(flow.sample(2000, seed=2))])[0]
    for column, width in enumerate(prepared.labels):
        print(f"trained on {events:,}, {width}: {calibrate(observed[events][column], null[:, column], seed=1)}")

# %%
# In the finer of the widths, where the toys and the worse of the flows lie:

panel = ToyPanel(
    "generators", "A flow trained on 2,000 events", null[:, 0], float(observed[2000][0]), statistic="t of NPLM"
)
figure = draw(panel)

# %%
# A background template is a generator too: CATHODE draws the background in a window from a density learned beside it.
# Simulated background that no one trained on is the reference, so that the answer is about the template alone.

window = Window(3300, 3700)
data, _ = simulate_dijet(20_000, 0, seed=1)
fresh, _ = simulate_dijet(200_000, 0, seed=2)
in_window = fresh.x()[window.contains(fresh.m)]
template, _ = Cathode(settings={"members": 2, "iterations": 5}, seed=1).background_template(data.x(), data.m, window)
size = len(template) // 2
reference, rest = in_window[: len(in_window) // 2], in_window[len(in_window) // 2 :]
prepared = make_test("nplm", centres=300, penalty=1e-7).prepare(Sample(reference), size, seed=1)
toys = [Sample(rest[rng_for(1, "template toys", i).permutation(len(rest))[:size]]) for i in range(100)]
t = prepared.statistics([Sample(template[:size])])[0, 0]
print(f"CATHODE's template: {calibrate(t, prepared.statistics(toys)[:, 0], seed=1)}")
