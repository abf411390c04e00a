"""What leaves energy in the xenon: samples to train on, backgrounds with their rates, and dark matter.

Each is one site an event. Rates are those of single scatters before any trigger, in the whole range of the spectrum; the
numbers are derived in the files that compute them, and listed with their checks in the documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from serendip.data.cylinder import Cylinder
from serendip.errors import InputError, unknown_name
from serendip.seeds import rng_for
from serendip.simulate.tpc import decays, neutrinos
from serendip.simulate.tpc.deposits import Deposits
from serendip.simulate.tpc.detector import DARWIN, Detector
from serendip.simulate.tpc.spectra import Spectrum, flat_spectrum
from serendip.simulate.tpc.wimps import wimp_spectrum

FIDUCIAL_MASS = 31.5  # t
ELECTRON_GRID = np.linspace(0.5, 100.0, 399)  # keV, as the next
NUCLEUS_GRID = np.geomspace(0.5, 100.0, 300)
# Neutrons that scatter once, mean rate /(t y keV) over 5–21 keV: arXiv:1506.08309, table 1. The slope in keV is our reading
# of the spectrum in arXiv:1512.07501; what a veto of gadolinium-loaded water tags is a projection, arXiv:2007.08796.
NEUTRON_RATE, NEUTRON_WINDOW, NEUTRON_SLOPE, NEUTRON_VETO = 3.8e-5, (5.0, 21.0), 12.0, 0.87
# Accidental pairs /(t y) in XENONnT's first search: 4.3 in 1.1 t y, arXiv:2303.14729.
ACCIDENTAL_RATE, ACCIDENTAL_ENERGY = 3.9, (0.5, 3.0)  # the next: keV of the recoils that give the lone signals


@dataclass(frozen=True, eq=False)
class Source:
    """Something that leaves energy in the xenon.

    Attributes:
        name: as configs and the command line call it.
        is_nr: whether nuclei recoil; electrons otherwise.
        spectrum: /(t y keV).
        uncertainty: of its rate, relative.
        reference: where rate and shape come from.
        summary: what it is.
        veto_efficiency: chance that the neutron veto sees something with an event.
        paired: its events are an S1 and an S2 of different origin; see `accidentals`.
    """

    name: str
    is_nr: bool
    spectrum: Spectrum
    uncertainty: float
    reference: str
    summary: str
    veto_efficiency: float = 0.0
    paired: bool = False

    def scaled(self, factor: float) -> "Source":
        """The same source, so many times as strong."""
        return replace(self, spectrum=self.spectrum.scaled(factor))

    def within(self, low: float, high: float) -> "Source":
        """The same source between two energies in keV."""
        return replace(self, spectrum=self.spectrum.within(low, high))


def wimp_source(mass: float, cross_section: float) -> Source:
    """Dark matter of a mass in GeV and a spin-independent cross section with a nucleon in cm².

    Raises:
        InputError: the mass is outside 5 GeV–10 TeV, or the cross section is not above 0.
        MissingExtraError: wimprates is not installed.
    """
    summary = f"WIMPs of {mass:g} GeV, {cross_section:g} cm²"
    return Source("wimp", True, wimp_spectrum(mass, cross_section), 0.0, "wimprates, arXiv:2105.00599", summary)


def krypton_source(krypton: float) -> Source:
    """⁸⁵Kr with that much natural krypton in the xenon, mol/mol."""
    return replace(SOURCES["krypton85"], spectrum=decays.krypton85(ELECTRON_GRID, krypton))


def radon_source(activity: float) -> Source:
    """²²²Rn with that activity, µBq/kg."""
    return replace(SOURCES["radon222"], spectrum=decays.lead214(ELECTRON_GRID, activity))


def expected_events(sources: Sequence[Source], exposure: float) -> Float[np.ndarray, " k"]:
    """Events of each source in an exposure of so many t y, before trigger and cuts."""
    return np.array([exposure * source.spectrum.total() for source in sources])


def draw_deposits(
    sources: Source | Sequence[Source],
    n: int,
    detector: Detector = DARWIN,
    *,
    seed: int = 0,
    index: int = 0,
    fiducial: float | None = FIDUCIAL_MASS,
) -> Deposits:
    """Draw events, spread evenly over a fiducial volume.

    Args:
        sources: one, or several that are mixed by their rates; `Deposits.source` then counts through them.
        n: how many events.
        detector: whose liquid they lie in.
        seed: of all random numbers.
        index: of this chunk; each has random numbers of its own.
        fiducial: mass of the volume, t, with equal margins on all sides; None for the whole liquid.

    Raises:
        InputError: `n` is negative, the mass does not fit, no source has a rate, or one is made of pairs.
    """
    mixture = [sources] if isinstance(sources, Source) else list(sources)
    _check(mixture, n)
    rng = rng_for(seed, f"draw_deposits {source_names(mixture)}", index)
    number = _numbers(mixture, n, rng)
    energy = np.empty(n)
    for i, source in enumerate(mixture):
        energy[number == i] = source.spectrum.draw(rng, int(np.sum(number == i)))
    x, y, z = fiducial_volume(detector, fiducial).draw(rng, n)
    is_nr = np.array([source.is_nr for source in mixture])[number]
    tagged = np.array([source.veto_efficiency for source in mixture])
    veto = rng.random(n) < tagged[number] if tagged.any() else None
    return Deposits(energy, is_nr, x, y, z, None if isinstance(sources, Source) else number, veto)


def source_names(sources: Source | Sequence[Source]) -> str:
    """Their names in one: part of a seed, so that samples of two sources with one seed have nothing in common."""
    return "+".join(source.name for source in ([sources] if isinstance(sources, Source) else sources))


def fiducial_volume(detector: Detector, mass: float | None = FIDUCIAL_MASS) -> Cylinder:
    """The cylinder of that mass (t) with equal margins on all sides; the whole liquid for None.

    Raises:
        InputError: the liquid does not hold the mass.
    """
    if mass is None:
        return Cylinder(detector.radius, 0.0, -detector.height)
    return Cylinder.holding(mass, detector.radius, detector.height, detector.density)


def _check(mixture: Sequence[Source], n: int) -> None:
    if n < 0:
        raise InputError(f"events: Got {n}, but expected 0 or more.")
    if not mixture:
        raise InputError("sources: Got none, but expected at least one.")
    for source in mixture:
        if source.paired:
            raise InputError(f"{source.name}: Got a source of random pairs, which no deposit makes. Use accidentals().")


def _numbers(mixture: Sequence[Source], n: int, rng: np.random.Generator) -> np.ndarray:
    """Which source each event comes from."""
    rates = expected_events(mixture, 1.0)
    if not rates.sum() > 0:
        raise InputError("sources: Got no rate at all, but expected at least one above 0.")
    return rng.choice(len(mixture), size=n, p=rates / rates.sum()) if len(mixture) > 1 else np.zeros(n, int)


def _neutrons() -> Spectrum:
    falling = Spectrum(NUCLEUS_GRID, np.exp(-NUCLEUS_GRID / NEUTRON_SLOPE))
    low, high = NEUTRON_WINDOW
    return falling.scaled(NEUTRON_RATE * (high - low) / falling.total(low, high))


def _er(
    name: str, spectrum: Spectrum, uncertainty: float, reference: str, summary: str, *, paired: bool = False
) -> Source:
    return Source(name, False, spectrum, uncertainty, reference, summary, paired=paired)


def _nr(name: str, spectrum: Spectrum, uncertainty: float, reference: str, summary: str, veto: float = 0.0) -> Source:
    return Source(name, True, spectrum, uncertainty, reference, summary, veto_efficiency=veto)


def _catalogue() -> list[Source]:
    flat = flat_spectrum(1.0, 100.0)
    pp, krypton = neutrinos.solar_on_electrons(ELECTRON_GRID), decays.krypton85(ELECTRON_GRID)
    radon, xenon = decays.lead214(ELECTRON_GRID), decays.double_beta(ELECTRON_GRID)
    boron = neutrinos.coherent(neutrinos.BORON_SHAPE, neutrinos.BORON, NUCLEUS_GRID)
    atmospheric = neutrinos.coherent(neutrinos.ATMOSPHERIC_SHAPE, neutrinos.ATMOSPHERIC, NUCLEUS_GRID)
    supernovae = neutrinos.coherent(neutrinos.SUPERNOVA_SHAPE, neutrinos.SUPERNOVAE, NUCLEUS_GRID)
    pairs = flat_spectrum(*ACCIDENTAL_ENERGY, ACCIDENTAL_RATE / (ACCIDENTAL_ENERGY[1] - ACCIDENTAL_ENERGY[0]))
    paper, doi = "arXiv:2410.00755", "doi:10.1016/j.astropartphys.2005.03.006"
    return [
        _er("flat_er", flat, 0.0, paper, "flat electron recoils, to train on"),
        _nr("flat_nr", flat, 0.0, paper, "flat nuclear recoils, to train on"),
        _er("pp", pp, 0.02, "arXiv:1309.7024, arXiv:1611.09867", "solar pp and ⁷Be neutrinos on electrons"),
        _er("radon222", radon, 0.2, "arXiv:1506.08309, arXiv:1512.07501", "²¹⁴Pb of ²²²Rn at 0.1 µBq/kg"),
        _er("krypton85", krypton, 0.2, "ENSDF, arXiv:1506.08309", "⁸⁵Kr at 2 ppq of natural krypton"),
        _er("xenon136", xenon, 0.15, "arXiv:1306.6106, doi:10.1088/0034-4885/22/1/305", "2νββ of ¹³⁶Xe"),
        _nr("cevns_b8", boron, 0.04, "arXiv:1601.00972, doi:10.1103/PhysRevC.54.411", "solar ⁸B neutrinos on nuclei"),
        _nr("cevns_atmospheric", atmospheric, 0.2, doi, "atmospheric neutrinos on nuclei"),
        _nr("cevns_dsnb", supernovae, 0.5, "arXiv:1004.3311", "neutrinos of past supernovae on nuclei"),
        _nr("neutrons", _neutrons(), 0.5, "arXiv:1506.08309", "radiogenic neutrons that scatter once", NEUTRON_VETO),
        _er("accidentals", pairs, 0.2, "arXiv:2303.14729", "S1 and S2 of two events, paired by chance", paired=True),
    ]


SOURCES: dict[str, Source] = {source.name: source for source in _catalogue()}


def find_source(name: str) -> Source:
    """The source of a name.

    Raises:
        InputError: there is none.
    """
    if name not in SOURCES:
        raise InputError(unknown_name("source", name, SOURCES))
    return SOURCES[name]
