"""The scored events of a recoil search as pools with rates, cut into parts that share no event.

density   f0, the templates of the classical tests; within the choice of R and cut, its halves stand for both parts
toys      pseudo-experiments, background alone and with signals
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from serendip.run.task import decode, encode
from serendip.score.semi.anomaly_function import combine
from serendip.search.recoil_events import KEPT, joined, places
from serendip.search.recoil_prepare import SEARCHED, UNIT_CROSS_SECTION, Kind, RecoilPrepared, recoil_prepared
from serendip.stats.pseudo_experiments import Pool, split

TERMS = ("elbo", "h_b")
PARTS = ("density", "toys")
ENERGY_BINS = 16  # in which calibration events are given the energies of the background


@dataclass(frozen=True)
class Scores:
    """What the statistics of a search need, under one config; hashable, so that a worker reads each once.

    Attributes:
        config: canonical JSON of the config.
        content: the scored events, as the bytes of an .npz.
        choice: R, and the part of the background above the cut; None before they were chosen.
    """

    config: str
    content: bytes
    choice: tuple[float, float] | None = None

    @classmethod
    def of(cls, config: str, pools: Sequence[Mapping[str, Any]], samples: Sequence[Mapping[str, Any]]) -> "Scores":
        """From the results of the tasks that scored."""
        p = recoil_prepared(config)
        arrays: dict[str, object] = {}
        for kind in p.kinds:
            parts = [part for (one, _), part in zip(places(p), pools, strict=True) if one is kind]
            arrays |= {f"{kind.name}/{name}": values for name, values in joined(parts).items()}
            arrays[f"{kind.name}/simulated"] = sum(int(part["simulated"]) for part in parts)
        for sample in samples:
            arrays |= {f"{sample['sample']}/{name}": v for name, v in sample.items() if isinstance(v, np.ndarray)}
        return cls(config, encode(arrays))

    def with_choice(self, ratio: float, keep: float) -> "Scores":
        """The same with R and the cut, as the part of the background above it."""
        return replace(self, choice=(ratio, keep))

    @property
    def open(self) -> "OpenScores":
        """The events; the same object for the same scores."""
        return _opened(self)


@lru_cache(maxsize=2)
def _opened(scores: Scores) -> "OpenScores":
    return OpenScores(recoil_prepared(scores.config), decode(scores.content), scores.choice)


@dataclass(frozen=True, eq=False)
class OpenScores:
    """Pools and samples by name, with TS where R is known."""

    p: RecoilPrepared
    content: Mapping[str, Any]
    choice: tuple[float, float] | None

    @property
    def ratio(self) -> float:
        """R."""
        return self._chosen[0]

    @property
    def keep(self) -> float:
        """The part of the background above the cut on TS; 1 for no cut."""
        return self._chosen[1]

    @property
    def _chosen(self) -> tuple[float, float]:
        assert self.choice is not None  # the stages are in order
        return self.choice

    def columns(self, name: str, prefix: str = "") -> dict[str, np.ndarray]:
        """What is known of the events of a kind or a sample."""
        found = {key: np.asarray(self.content[f"{name}/{prefix}{key}"]) for key in (*TERMS, *KEPT)}
        found["log_cs2"] = np.log10(np.maximum(found["cs2"], 1.0))
        if self.choice is not None:
            found["ts"] = combine(np.column_stack([found[key] for key in TERMS]), self.choice[0])
        return found

    def has(self, name: str) -> bool:
        """Whether there are events of that name."""
        return f"{name}/elbo" in self.content

    def expected(self, kind: Kind) -> float:
        """Events of a kind after cuts in the exposure: its deposits times the part of those simulated that were kept."""
        kept = len(self.content[f"{kind.name}/elbo"]) / self.content[f"{kind.name}/simulated"]
        return self.p.deposits(kind.sources) * kept

    def pool(self, kind: Kind) -> Pool:
        """All scored events of a kind; electron recoils are those of the calibration, where there is one."""
        if kind.name == SEARCHED[0] and self.has("calibration"):
            columns, w = self.calibration(kind)
            return Pool(kind.name, columns, self.expected(kind), kind.uncertainty, w)
        return Pool(kind.name, self.columns(kind.name), self.expected(kind), kind.uncertainty)

    def calibration(self, kind: Kind, prefix: str = "") -> tuple[dict[str, np.ndarray], Float[np.ndarray, " n"]]:
        """Calibration events, and the weights that give them the energies of a kind, as the sources differ in these."""
        columns, like = self.columns("calibration", prefix), self.columns(kind.name)["energy"]
        edges = np.linspace(*kind.region, ENERGY_BINS + 1)
        wanted, there = (np.histogram(energy, edges)[0] for energy in (like, columns["energy"]))
        at = np.clip(np.searchsorted(edges, columns["energy"], side="right") - 1, 0, ENERGY_BINS - 1)
        return columns, wanted[at] / np.maximum(there[at], 1)

    @cached_property
    def _parts(self) -> dict[str, tuple[Pool, ...]]:
        density = self.p.config.pool.density
        pools = {kind.name: self.pool(kind) for kind in self.p.kinds if self.has(kind.name)}
        return {name: split(pool, density, 1 - density, seed=self.p.seed("parts")) for name, pool in pools.items()}

    def backgrounds(self, part: str) -> list[Pool]:
        """The backgrounds of the searched energies: their part "density" or "toys"."""
        return [self._parts[kind.name][PARTS.index(part)] for kind in self.p.searched]

    def signal(self, mass: float, cross_section: float, part: str) -> Pool:
        """The signal of a mass, GeV, at a cross section, cm²."""
        pool = self._parts[f"{mass:g} GeV"][PARTS.index(part)]
        return pool.scaled(cross_section / UNIT_CROSS_SECTION)
