"""How the documentation is built: no network, and every warning an error (`make docs`)."""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parent / "_build_tools"))

from serendip import __version__
from serendip.config.goodness_of_fit import FitGate
from serendip.config.recoil_sections import RecoilGate
from serendip.config.schema import Gate

project = "Serendip"
author = "The Serendip developers"
copyright = "The Serendip developers"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "mathml",  # this and what follows: docs/_build_tools
    "from_code",
    "texts",
]
exclude_patterns = ["_build", "_build_tools", "sg_execution_times.rst", "**/*.ipynb", "**/*.py"]
default_role = "code"  # single backticks, as the docstrings have them

html_theme = "furo"
html_title = f"Serendip {release}"
html_copy_source = False

myst_enable_extensions = ["dollarmath", "substitution", "deflist"]
myst_heading_anchors = 3
myst_substitutions = {key: f"{value:g}" for key, value in Gate().model_dump().items()} | {
    f"fit_{key}": f"{value:g}" for key, value in FitGate().model_dump().items()
}
myst_substitutions |= {
    f"recoil_{key}": f"{value:g}" for key, value in RecoilGate().model_dump(exclude={"control"}).items()
}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "image_scrapers": ("gallery_figures",),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
}
