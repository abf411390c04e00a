"""What a search found, in the one shape that every search writes to result.json (schema 1)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from serendip.stats.p_value import PValue

SCHEMA = 1


@dataclass(frozen=True)
class Check:
    """One question of the validity gate.

    Attributes:
        name: short, such as "sculpting".
        passed: whether `value` keeps to `limit`.
        value: what was measured.
        limit: what it was held against, in words that carry the number.
        detail: what it means, and what to do where it fails.
    """

    name: str
    passed: bool
    value: float
    limit: str
    detail: str


@dataclass(frozen=True)
class Best:
    """The most significant of all windows, cuts and methods."""

    method: str
    window: tuple[float, float]
    cut: float
    observed: float
    expected: float
    expected_error: float


@dataclass(frozen=True)
class BestStatistic:
    """The most significant of all tests and of the settings that each was made with.

    Attributes:
        test: as the config calls it.
        column: which of its statistics: a width, a feature.
        statistic: its value for the data; None where there are none yet.
        toy_median: its median over toys; None without any.
        toy_interval: the central 68 % of toys.
    """

    test: str
    column: str
    statistic: float | None
    toy_median: float | None = None
    toy_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of one search.

    Attributes:
        local_p: of the best window, or of the best statistic, alone; None where nothing was calibrated.
        global_p: of the largest significance among everything that was tried, by repeating the analysis on toys.
        cross_checks: other ways to the same numbers, such as fits to the tail.
    """

    search: str
    method: str
    local_p: PValue | None
    global_p: PValue | None
    best: Best | BestStatistic
    trials: Mapping[str, int]
    checks: tuple[Check, ...]
    seed: int
    config_sha256: str
    inputs: tuple[Mapping[str, Any], ...] = ()
    cross_checks: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    @property
    def valid(self) -> bool:
        """Whether every check of the gate passed."""
        return all(check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they stand in result.json."""
        return {
            "schema": SCHEMA,
            "search": self.search,
            "method": self.method,
            "local": None if self.local_p is None else p_value_json(self.local_p),
            "global": None if self.global_p is None else p_value_json(self.global_p),
            "best": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.best).items()},
            "trials": dict(self.trials),
            "valid": self.valid,
            "checks": [asdict(check) for check in self.checks],
            "cross_checks": dict(self.cross_checks),
            "events": dict(self.events),
            "inputs": [dict(entry) for entry in self.inputs],
            "seed": self.seed,
            "config_sha256": self.config_sha256,
            "versions": dict(self.versions),
            "timing": dict(self.timing),
            "peak_memory_mb": self.peak_memory_mb,
        }


def p_value_json(value: PValue) -> dict[str, Any]:
    """A p-value as plain values; `is_limit` tells a bound from an estimate."""
    z_low, z_high = value.z_interval
    return {
        "p": value.p,
        "p_interval": list(value.interval),
        "z": value.z,
        "z_interval": [z_low, z_high],
        "how": value.how,
        "n_toys": value.n_toys,
        "is_limit": value.is_limit,
    }
