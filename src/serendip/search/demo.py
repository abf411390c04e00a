"""The demo: a falling spectrum with a hidden resonance, searched for in about a minute."""

from serendip.config import Run, make_config


def demo_config() -> Run:
    """40,000 simulated background events and 130 of a resonance at 3.5 TeV, six windows, one cut, retrained toys."""
    return make_config(
        {
            "search": "resonance",
            "data": {
                "simulate": {"background": 40_000, "signal": 130, "signal_mass": 3500, "seed": 1},
            },
            "features": ["mj_light", "dmj", "tau21_1", "tau21_2"],
            "mass": {"name": "mjj", "unit": "GeV", "range": [2600, 6000]},
            "windows": {"from": 2900, "to": 4500, "width": 400, "step": 200},
            "method": {"name": "cwola", "classifier": {"name": "trees", "members": 4, "iterations": 15}},
            "cuts": [0.01],
            "null": {"generator": "mass_shuffle", "toys": 100},
            "seed": 1,
        }
    )
