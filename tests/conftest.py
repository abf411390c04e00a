"""Runs the suite with jaxtyping's shapes and beartype's types checked."""

import importlib.util
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

CHECKED_ROOMS = ["data", "features", "simulate", "stats", "score", "select", "run", "report", "search"]

if importlib.util.find_spec("beartype"):
    from beartype import BeartypeConf, beartype
    from jaxtyping import install_import_hook

    # The hook takes a dotted name; an int where a float is expected is fine, as everywhere in Python.
    checker = types.ModuleType("serendip_checker")
    checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))
    sys.modules["serendip_checker"] = checker
    # Numba compiles the kernels itself, and cannot see through the hook's wrapper.
    package = Path(__file__).parents[1] / "src" / "serendip"
    files = [file for room in CHECKED_ROOMS for file in (package / room).rglob("*.py") if "_kernels" not in file.name]
    modules = [".".join(file.relative_to(package.parent).with_suffix("").parts) for file in files]
    install_import_hook([name for name in modules if not name.endswith("__init__")], "serendip_checker.check")
