"""One small search, run once for the tests that read it."""

import copy

import pytest

from serendip.config import make_config
from serendip.search import resonance

SMALL = {
    "search": "resonance",
    "data": {"simulate": {"background": 16_000, "signal": 110, "signal_mass": 3500, "seed": 3}},
    "features": ["mj_light", "dmj", "tau21_1", "tau21_2"],
    "mass": {"name": "mjj", "range": [2600, 6000], "bin_width": 100},
    "windows": {"from": 2900, "to": 4500, "width": 400, "step": 400},
    "method": {"name": "cwola", "folds": 3, "classifier": {"name": "trees", "members": 2, "iterations": 8}},
    "cuts": [0.03],
    "background": {"toys": 200},
    "null": {"toys": 12},
    "gate": {"min_toys": 10},
}


def small(**changes):
    """The small config with some keys set; `a__b` means a.b."""
    given = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = given
        for key in parents:
            place = place[key]
        place[last] = value
    return make_config(given)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished small search with a signal: (config, run folder, result)."""
    folder = tmp_path_factory.mktemp("run") / "small"
    config = small()
    return config, folder, resonance(config, folder)
