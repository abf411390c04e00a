"""A dual-phase xenon TPC, as numbers. Each step of the simulation takes from it what it needs."""

import math
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from serendip.errors import InputError, unknown_name

TEXTS = {"name", "s1_map", "s2_map"}  # all other keys are numbers


@dataclass(frozen=True)
class Detector:
    """Geometry, fields and response.

    Gains count detected photons (phd): one gives 1 + `double_photoelectrons` photoelectrons (PE) on average. Experiments
    that quote PE a photon or an electron, as XENON does, have gains larger by that factor. Areas are in PE.

    Attributes:
        name: for messages and reports.
        radius: of the liquid, cm.
        height: from cathode to surface, cm.
        pmts: photomultipliers of the top array; the bottom one has as many.
        pmt_diameter: of the photocathode, inch.
        pmt_distance: from the plane where the S2 shines to that of the top photocathodes, cm.
        drift_field: V/cm.
        density: of the liquid, g/cm³.
        electron_lifetime: µs.
        g1: S1 photons detected (phd) a photon emitted, averaged over the volume.
        extraction: part of the electrons at the surface that reach the gas.
        single_electron_gain: S2 photons detected an extracted electron.
        single_electron_spread: standard deviation of it from electron to electron beyond Poisson's, in parts of it.
        top_fraction: part of the S2 light that the top array sees.
        double_photoelectrons: chance that a detected VUV photon frees two photoelectrons.
        optical_delay: mean of the exponential time that S1 light wanders between the walls until a tube sees it, ns. It
            grows with the vessel: 11 in LUX, 47 in LZ (NEST's detector files), 76 by tracing photons in one of 2.6 m.
            It limits what the S1's timing tells.
        gain_spread: standard deviation of a photoelectron's charge, in parts of its mean.
        s1_sample: width of a sample of the S1 waveform, ns; 200 of them.
        s2_sample: the same of the S2 waveform, 300 of them.
        coincidence: PMTs that must see the S1 within `coincidence_window`, ns.
        s1_map: file with relative S1 light yields in XENON's JSON format, see `read_map`; None for an analytic map.
        s2_map: the same for the S2; None for one yield everywhere.
    """

    name: str = "darwin"
    radius: float = 130.0
    height: float = 260.0
    pmts: int = 955
    pmt_diameter: float = 3.0
    pmt_distance: float = 7.0
    drift_field: float = 200.0
    density: float = 2.8611
    electron_lifetime: float = 5000.0
    g1: float = 0.12
    extraction: float = 0.96
    single_electron_gain: float = 28.0
    single_electron_spread: float = 0.25
    top_fraction: float = 0.63
    double_photoelectrons: float = 0.2
    optical_delay: float = 75.0
    gain_spread: float = 0.35
    s1_sample: float = 10.0
    s2_sample: float = 50.0
    coincidence: int = 4
    coincidence_window: float = 200.0
    s1_map: str | None = None
    s2_map: str | None = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__.keys() - TEXTS:
            self._require(name, math.isfinite(getattr(self, name)), "a finite number")
        lengths = ("radius", "height", "pmts", "pmt_diameter", "pmt_distance")
        physics = ("drift_field", "density", "electron_lifetime", "single_electron_gain")
        times = ("s1_sample", "s2_sample", "coincidence", "coincidence_window")
        for name in (*lengths, *physics, *times):
            self._require(name, getattr(self, name) > 0, "a number above 0")
        for name in ("g1", "extraction", "top_fraction"):
            self._require(name, 0 < getattr(self, name) <= 1, "a part above 0, at most 1")
        self._require("double_photoelectrons", 0 <= self.double_photoelectrons < 1, "a chance from 0 to below 1")
        for name in ("single_electron_spread", "gain_spread", "optical_delay"):
            self._require(name, getattr(self, name) >= 0, "0 or more")

    def _require(self, name: str, fine: bool, expected: str) -> None:
        if not fine:
            raise InputError(f"detector.{name}: Got {getattr(self, name)}, but expected {expected}.")

    @property
    def g2(self) -> float:
        """S2 photons detected (phd) an electron at the surface."""
        return self.extraction * self.single_electron_gain


# Sources of the numbers: docs/xenon.md.
DARWIN = Detector()
# XENONnT's first science run (arXiv:2207.11330, 2303.14729, 2402.10446, 2406.13638) and the defaults of its fit code
# appletree. Quoted in PE: g1 = 0.151 PE a photon, g2 = 16.5 PE an electron, 31.2 PE a single electron; in detected
# photons, as here, those are divided by 1 + 0.227. 253 tubes stand above and 241 below; here both arrays have 253.
XENONNT = Detector(
    name="xenonnt",
    radius=66.4,
    height=148.6,
    pmts=253,
    drift_field=23.0,
    density=2.862,
    electron_lifetime=12_000.0,
    g1=0.151 / 1.227,
    extraction=16.5 / 31.2,
    single_electron_gain=31.2 / 1.227,
    top_fraction=0.75,
    double_photoelectrons=0.227,
    optical_delay=43.0,
    s2_sample=150.0,  # 45 µs in all: at this field a cloud from the cathode spreads by 5 µs
    coincidence=3,
    coincidence_window=100.0,
)
DETECTORS = {"darwin": DARWIN, "xenonnt": XENONNT}


def make_detector(given: str | dict[str, Any]) -> Detector:
    """A detector by name, or a mapping: `preset` and the numbers that differ from it.

    Raises:
        InputError: a name is unknown, or a number cannot be.
    """
    changes = {"preset": given} if isinstance(given, str) else dict(given)
    preset = changes.pop("preset", "darwin")
    if preset not in DETECTORS:
        raise InputError("detector: " + unknown_name("preset", preset, DETECTORS))
    fields = Detector.__dataclass_fields__
    for name in changes:
        if name not in fields:
            raise InputError("detector: " + unknown_name("key", name, fields))
        _require_type(name, changes[name])
    return replace(DETECTORS[preset], **changes)


def _require_type(name: str, value: Any) -> None:
    """Text for names of things and files, whole numbers for counts, numbers for all else."""
    types: tuple[type, ...]
    if name in TEXTS:
        types, expected = (str, NoneType), "text"
    elif name in ("pmts", "coincidence"):
        types, expected = (int,), "a whole number"
    else:
        types, expected = (int, float), "a number"
    if not isinstance(value, types) or isinstance(value, bool):
        raise InputError(f"detector.{name}: Got {value}, but expected {expected}.")
