"""Every example of the gallery runs as a script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAID = {  # among what each prints
    "plot_generators": "trained on 20,000",
    "plot_networks": "the same bits: True",
    "plot_outlier": "lowest rank correlation",
    "plot_resonance": "global:",
    "plot_templates": "C2ST",
}
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("example", [pytest.param(path, id=path.stem) for path in EXAMPLES])
def test_runs_as_a_script(example, tmp_path):
    environment = os.environ | {"MPLBACKEND": "Agg", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert SAID[example.stem] in done.stdout
