"""Events from the built-in simulators, in place of a file."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from serendip.config.section import Section, known
from serendip.simulate.exponential import LEARNING_SIGNALS


class Dijet(Section):
    """Dijet events, with a resonance if asked for."""

    kind: Literal["dijet"] = Field("dijet", description="which simulator")
    background: int = Field(ge=100, description="events, over 2–6.5 TeV")
    signal: int = Field(0, ge=0, description="events of the resonance")
    signal_mass: float = Field(3500.0, gt=0, description="GeV")
    signal_width: float = Field(100.0, gt=0, description="standard deviation, GeV")
    mass_correlation: float = Field(
        0.0, description="c: `mj_light` and `dmj` are shifted by c · m; a trap to try the gate on"
    )
    seed: int = Field(1, ge=0, description="of the events")


class PeakSignal(Section):
    """A Gaussian signal on the exponential."""

    events: float = Field(ge=0, description="how many")
    mean: float = Field(description="where it stands")
    width: float = Field(gt=0, description="standard deviation")


class Exponential(Section):
    """The one-dimensional benchmark of learned tests: a falling exponential in `x`."""

    kind: Literal["exponential"] = Field(description="which simulator")
    background: int = Field(ge=1, description="events")
    rate: float = Field(8.0, gt=0, description="of the exponential")
    signals: list[Annotated[str, known("signal", LEARNING_SIGNALS)] | PeakSignal] = Field(
        [], description="`tail_peak`, `bulk_excess` or `bulk_peak` of arXiv:1806.02350, or Gaussians of your own"
    )
    counts: Literal["fixed", "poisson"] = Field("fixed", description="the stated numbers of events, or Poisson ones")
    seed: int = Field(1, ge=0, description="of the events")


class DriftTubes(Section):
    """Muons in four layers of drift tubes: `t1` … `t4` and `theta`."""

    kind: Literal["drift_tubes"] = Field(description="which simulator")
    events: int = Field(ge=1, description="how many")
    cathode: float = Field(1.0, gt=0, le=2, description="cathode voltage over the nominal one")
    threshold: float = Field(1.0, gt=0, le=2, description="front-end threshold over the nominal one")
    seed: int = Field(1, ge=0, description="of the events")


def _kind(given: Any) -> Any:
    return given.get("kind", "dijet") if isinstance(given, dict) else given.kind


Simulate = Annotated[
    Annotated[Dijet, Tag("dijet")]
    | Annotated[Exponential, Tag("exponential")]
    | Annotated[DriftTubes, Tag("drift_tubes")],
    Discriminator(_kind),
]
