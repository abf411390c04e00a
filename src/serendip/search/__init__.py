"""Whole analyses: a config in, a result out."""

from serendip.search.resonance import resonance

SEARCHES = {"resonance": resonance}

__all__ = ["SEARCHES", "resonance"]
