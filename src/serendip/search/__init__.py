"""Whole analyses: a config in, a result out."""

from collections.abc import Callable

from serendip.search.goodness_of_fit import goodness_of_fit
from serendip.search.recoil import recoil
from serendip.search.resonance import resonance
from serendip.search.result import Result

SEARCHES: dict[str, Callable[..., Result | None]] = {
    "goodness_of_fit": goodness_of_fit,
    "recoil": recoil,
    "resonance": resonance,
}

__all__ = ["SEARCHES", "goodness_of_fit", "recoil", "resonance"]
