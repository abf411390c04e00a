"""From a config to the events of a recoil search: which sources, drawn where, recorded how, and which are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from serendip.config import Recoil
from serendip.config.recoil_sections import Background
from serendip.data.recordings import Recordings
from serendip.errors import InputError
from serendip.features.recoil_selection import RecoilSelection
from serendip.seeds import seed_for
from serendip.simulate.tpc.accidentals import accidentals
from serendip.simulate.tpc.detector import Detector, make_detector
from serendip.simulate.tpc.simulate import simulate_tpc
from serendip.simulate.tpc.sources import SOURCES, Source, draw_deposits, fiducial_volume, wimp_source
from serendip.simulate.tpc.yields import tabulate

BELOW, ABOVE = 0.5, 1.4  # times the edges of the energy cut; deposits beyond are 3.5 standard deviations away
UNIT_CROSS_SECTION = 1e-47  # cm², of the signals' spectra; their numbers follow the cross section
MARGIN = 1.08  # times the fiducial mass: 3 cm beyond it in the default detector
AT_THRESHOLD = 1.1  # times the lowest searched energy: where the trigger is judged
TRIGGER_EVENTS = 4000
CONTROL = "control"
SEARCHED = ("electron recoils", "nuclear recoils", "accidental pairs")


@dataclass(frozen=True, eq=False)
class Kind:
    """Events that are drawn together.

    Attributes:
        name: of its tasks and random numbers.
        sources: with the rates of the config, in the energies that can reach the cuts.
        region: energies that are kept, combined scale in keV.
        target: events that its pool shall hold, at least.
    """

    name: str
    sources: tuple[Source, ...]
    region: tuple[float, float]
    target: int

    @property
    def uncertainty(self) -> float:
        """Of their common rate, relative; the sources' own are independent."""
        rates = np.array([source.spectrum.total() for source in self.sources])
        errors = rates * [source.uncertainty for source in self.sources]
        return float(np.sqrt(np.sum(errors**2)) / rates.sum())


@dataclass(frozen=True, eq=False)
class RecoilPrepared:
    """What all tasks share; the same in every worker, since it depends on the config alone."""

    config: Recoil
    detector: Detector
    true_detector: Detector

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The pools: backgrounds by recoil, those of the control region, signals by mass."""
        pool, region, control = self.config.pool, self.config.selection.energy, self.config.gate.control
        found = []
        for name, is_nr, where, target in (
            (SEARCHED[0], False, region, pool.electron_recoils),
            (SEARCHED[1], True, region, pool.nuclear_recoils),
            (CONTROL, False, control, pool.batch),
        ):
            if sources := self.backgrounds(where, is_nr):
                found.append(Kind(name, sources, where, target))
        if "accidentals" in self.config.backgrounds:
            found.append(Kind(SEARCHED[2], (self.accidental_pairs,), region, pool.nuclear_recoils))
        return (*found, *(self.signal(mass) for mass in self.config.masses))

    @property
    def searched(self) -> tuple[Kind, ...]:
        """The backgrounds of the energies that are searched."""
        return tuple(kind for kind in self.kinds if kind.name in SEARCHED)

    @property
    def control(self) -> Kind:
        """The backgrounds of the control region."""
        return next(kind for kind in self.kinds if kind.name == CONTROL)

    def backgrounds(self, region: tuple[float, float], is_nr: bool) -> tuple[Source, ...]:
        """The sources of one kind of recoil that can reach an energy region, with the config's rates."""
        energies = self.deposited(region, is_nr)
        found = []
        for name, known in self.config.backgrounds.items():
            source = SOURCES[name]
            if source.is_nr is is_nr and not source.paired and source.spectrum.total(*energies) > 0:
                found.append(_as_known(source.within(*energies), known))
        return tuple(found)

    @property
    def accidental_pairs(self) -> Source:
        """Signals of different origin, with the config's rate."""
        return _as_known(SOURCES["accidentals"], self.config.backgrounds["accidentals"])

    def signal(self, mass: float, cross_section: float = UNIT_CROSS_SECTION) -> Kind:
        """WIMPs of one mass, GeV, and cross section, cm²."""
        region = self.config.selection.energy
        source = wimp_source(mass, cross_section).within(*self.deposited(region, True))
        return Kind(f"{mass:g} GeV", (source,), region, self.config.pool.signals)

    def deposited(self, region: tuple[float, float], is_nr: bool) -> tuple[float, float]:
        """The energies of deposits that can be reconstructed within a region, keV.

        A nuclear recoil makes fewer quanta: its energy is that at which it makes as many as the electron recoil.
        """
        low, high = BELOW * region[0], ABOVE * region[1]
        if not is_nr:
            return low, high
        electrons, nuclei = (tabulate(kind, self.detector) for kind in ("er", "nr"))
        quanta = np.sum(electrons.at(np.array([low, high])), axis=0)
        low, high = np.interp(quanta, nuclei.photons + nuclei.electrons, nuclei.energy)
        return float(low), float(high)

    def cut(self, recordings: Recordings, region: tuple[float, float]) -> tuple[Bool[np.ndarray, " n"], dict[str, int]]:
        """Which events pass the cuts with the energies of a region, and how many were left after each cut."""
        cuts = self.config.selection
        volume = fiducial_volume(self.detector, cuts.fiducial_mass)
        selection = RecoilSelection(volume, region, cuts.veto)
        return selection.mask(recordings), {cut.name: cut.left for cut in selection.flow(recordings)}

    @property
    def drawn_mass(self) -> float:
        """t of the volume that deposits are drawn in: more than the fiducial one, as some are reconstructed inside it."""
        liquid = fiducial_volume(self.detector, None).mass(self.detector.density)
        return min(liquid, MARGIN * self.config.selection.fiducial_mass)

    def deposits(self, sources: Sequence[Source]) -> float:
        """How many deposits of these sources the exposure holds, in the volume that they are drawn in."""
        larger = self.drawn_mass / self.config.selection.fiducial_mass
        return self.config.exposure * larger * sum(source.spectrum.total() for source in sources)

    def simulate(
        self, sources: Sequence[Source], n: int, seed: int, part: int = 0, *, true: bool = False, pulses: bool = True
    ) -> Recordings:
        """Record n deposits of a mixture in the fiducial volume; the same for the same seed and part.

        Args:
            sources: mixed by their rates.
            n: deposits; fewer are triggered.
            seed: of all random numbers.
            part: the number of this call, of many with n deposits.
            true: in the detector that data come from, where that is another.
            pulses: with waveforms and pattern.
        """
        detector = self.true_detector if true else self.detector
        if any(source.paired for source in sources):
            return accidentals(
                n, detector, pulses=pulses, seed=seed, index=part, first=part * n, fiducial=self.drawn_mass
            )
        deposits = draw_deposits(sources, n, detector, seed=seed, index=part, fiducial=self.drawn_mass)
        return simulate_tpc(deposits, detector, pulses=pulses, seed=seed, first=part * n)

    def seed(self, task: str, index: int = 0) -> int:
        """Of a task, by the config's seed."""
        return seed_for(self.config.seed, task, index)

    def trigger_efficiency(self) -> float:
        """Part of electron recoils at the lowest searched energy that trigger."""
        low = self.config.selection.energy[0]
        sources = (SOURCES["flat_er"].within(low, AT_THRESHOLD * low),)
        return len(self.simulate(sources, TRIGGER_EVENTS, self.seed("trigger"), pulses=False)) / TRIGGER_EVENTS

    def check(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            InputError: no background reaches the energies that are searched, a file is missing, or a number is outside what
                the yields are known for.
        """
        if not self.searched:
            raise InputError("backgrounds: Got none that reaches selection.energy, but expected at least one.")
        for key, sample in (("data", self.config.data), ("calibration", self.config.calibration)):
            if sample is not None and sample.path is not None and not Path(sample.path).is_file():
                raise InputError(f"{key}.path: Got {sample.path}, but expected a file of recordings.")


def _as_known(source: Source, known: Background) -> Source:
    """A source with the rate and uncertainty of the config."""
    sigma = source.uncertainty if known.uncertainty is None else known.uncertainty
    return replace(source.scaled(known.scale), uncertainty=sigma)


@lru_cache(maxsize=1)
def recoil_prepared(config_json: str) -> RecoilPrepared:
    """Read and check everything, once a process."""
    config = Recoil.model_validate_json(config_json)
    return RecoilPrepared(config, make_detector(config.detector), config.true_detector)
