"""Is this batch healthy? Its rank among healthy batches."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.errors import SerendipError
from serendip.search.fitted import Fitted
from serendip.search.oddities import Oddities
from serendip.search.result import p_value_json
from serendip.stats.combination import Combined, combine

BEYOND = 1e300  # stands for a statistic that overflowed: larger than that of any toy


@dataclass(frozen=True, eq=False)
class Judge:
    """Ranks batches among healthy ones.

    Under the null a batch and the n toys are exchangeable, so that p = (k + 1) / (n + 1) ≤ α happens with probability
    ⌊α (n + 1)⌋ / (n + 1), exactly. All batches meet the same toys, however: over many of them the fraction of alarms
    settles at a value that varies from one set of toys to another by √(α (1 − α) / n).

    Attributes:
        fitted: the reference and the tests.
        toys: statistics of the healthy batches, (toys, columns).
    """

    fitted: Fitted
    toys: Float[np.ndarray, "toys columns"]

    def warm_up(self) -> None:
        """Judge some reference events, so that the first batch does not wait for a compiler."""
        size, x = self.fitted.config.monitor.batch, self.fitted.reference.x
        self.judge(x[np.arange(size) % len(x)])

    @np.errstate(all="ignore")  # what overflows is told by the note
    def judge(self, x: Float[np.ndarray, "n d"]) -> dict[str, Any]:
        """The record of a batch of as many events as toys have: p, alarm, each test's p, and what is odd where it alarms."""
        began = time.perf_counter()
        t, note = self._statistics(x)
        combined = combine(t, self.toys, self.fitted.config.combination)
        alarm = self._is_alarm(combined)
        seconds = time.perf_counter() - began
        return {
            "events": len(x),
            **p_value_json(combined.p),
            "alarm": alarm,
            "tests": self._by_test(t, combined),
            "features": self._oddities.features(x) if alarm else [],
            "pairs": self._oddities.pairs(x, combined.best) if alarm else [],
            "note": note,
            "seconds": round(seconds, 5),
        }

    @cached_property
    def _oddities(self) -> Oddities:
        return Oddities(self.fitted)

    def _statistics(self, x: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " columns"], str]:
        """A batch so odd that a test cannot digest it is odder than every toy, and must not stop the monitor."""
        try:
            t = self.fitted.statistics(x)
        except SerendipError as error:
            return np.full(self.toys.shape[1], BEYOND), str(error)
        finite = np.isfinite(t)
        return np.where(finite, t, BEYOND), "" if finite.all() else "a statistic overflowed"

    def _is_alarm(self, combined: Combined) -> bool:
        rows = len(self.toys) + 1
        return combined.p.p * rows <= self.fitted.config.monitor.false_alarms * rows * (1 + 1e-9)

    def _by_test(self, t: Float[np.ndarray, " columns"], combined: Combined) -> list[dict[str, Any]]:
        return [
            {"test": test, "column": label, "statistic": None if value >= BEYOND else float(value), "p": p.p}
            for (test, label), value, p in zip(self.fitted.columns, t, combined.local, strict=True)
        ]
