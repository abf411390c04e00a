"""
A resonance search in Python
============================

A falling spectrum with a resonance hidden in it, searched without naming the signal: the search of ``serendip demo`` in
small, from Python. All that a YAML config can say is a dictionary here.
"""

import tempfile
from pathlib import Path

import numpy as np

from serendip.config import make_config
from serendip.data import Window
from serendip.report import SpectrumPanel, ToyPanel, draw
from serendip.search import resonance

# %%
# The analysis: 20,000 dijet events between 2 and 6.5 TeV with 150 of a resonance at 3.5 TeV among them, and the four
# features that a classifier may look at. It is told where a window lies and which events are in it, and nothing of the
# signal.

config = make_config(
    {
        "search": "resonance",
        "data": {
            "simulate": {"background": 20_000, "signal": 150, "seed": 1},
        },
        "features": ["mj_light", "dmj", "tau21_1", "tau21_2"],
        "mass": {"name": "mjj", "unit": "GeV", "range": [2600, 6000]},
        "windows": {"from": 2900, "to": 4100, "width": 400, "step": 400},
        "method": {
            "name": "cwola",
            "classifier": {"name": "trees", "members": 4, "iterations": 15},
        },
        "cuts": [0.01],
        "null": {"generator": "mass_shuffle", "toys": 30},
        "seed": 1,
    }
)
folder = Path(tempfile.mkdtemp()) / "run"
result = resonance(config, folder)

# %%
# The local p belongs to the best window alone. The global p is that of the largest excess anywhere, from toys in which
# everything is repeated, training included. No toy came close, so it is an upper limit.

best = result.best
print("best window:", best.window, "cut:", best.cut)
expected = f"{best.expected:.1f} ± {best.expected_error:.1f}"
print(f"observed {best.observed:.0f}, expected {expected}")
print("local: ", result.local_p)
print("global:", result.global_p)

# %%
# The validity gate asked its questions without being told to. One answer is no, and rightly: 30 toys, which keep this
# page quick, are too few to rest a global p on.

for check in result.checks:
    verdict = "passed" if check.passed else "FAILED"
    print(f"{verdict} {check.name:24}{check.value:8.2f}  {check.limit}")
print("valid:", result.valid)

# %%
# The run folder holds the report, and the numbers of every figure as CSV. From them, the spectrum that the cut leaves,
# with the background fitted outside the window:


def numbers(name: str) -> dict[str, np.ndarray]:
    """The columns of a figure's CSV file."""
    path = folder / "figures" / f"{name}.csv"
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    return {column: table[column] for column in table.dtype.names}


bins = numbers("spectrum_cut_1")
spectrum = draw(
    SpectrumPanel(
        name="spectrum",
        title="The 1 % most anomalous events",
        edges=np.append(bins["low"], bins["high"][-1]),
        counts=bins["counts"],
        variances=bins["variance"],
        expected=bins["expected"],
        expected_error=bins["expected_error"],
        window=Window(*result.best.window),
        mass_name="mjj",
        unit="GeV",
    )
)

# %%
# And the largest significance that each background-only toy found anywhere, beside that of the data:

toys = numbers("toys")
is_toy = ~toys["is_observed"]
largest = draw(
    ToyPanel(
        name="toys",
        title="Largest Z of the toys",
        toys=toys["statistic"][is_toy],
        observed=float(toys["statistic"][~is_toy][0]),
    )
)
