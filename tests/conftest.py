"""Runs the suite with jaxtyping's shapes and beartype's types checked."""

import importlib.util
import os
import sys
import types

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
    install_import_hook([f"serendip.{room}" for room in CHECKED_ROOMS], "serendip_checker.check")
