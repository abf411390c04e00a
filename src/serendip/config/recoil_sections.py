"""The sections of the config of a recoil search."""

from inspect import signature
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from serendip.config.section import Section, known
from serendip.errors import unknown_name
from serendip.simulate.tpc.sources import SOURCES
from serendip.simulate.tpc.wimps import HEAVIEST, LARGEST_CROSS_SECTION, LIGHTEST
from serendip.stats.unbinned import STATISTICS

BACKGROUNDS = [name for name in SOURCES if not name.startswith("flat_")]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Mass = Annotated[float, Field(ge=LIGHTEST, le=HEAVIEST)]  # GeV
CrossSection = Annotated[float, Field(gt=0, le=LARGEST_CROSS_SECTION)]  # cm²
Range = tuple[Positive, Positive]


def rising(given: Range) -> Range:
    if given[0] >= given[1]:
        raise ValueError(f"Got {list(given)}, but expected [low, high] with low below high.")
    return given


class RecoilCuts(Section):
    """Which events are searched; the rates of the sources are for these."""

    fiducial_mass: Positive = Field(31.5, description="t, a cylinder with the same margin on all sides")
    energy: Range = Field((2.0, 10.0), description="combined energy scale, keV of an electron recoil")
    veto: bool = Field(True, description="without events that the neutron veto saw")

    _order = field_validator("energy")(rising)


class Background(Section):
    """What is known of one background."""

    scale: Positive = Field(1.0, description="times the rate of the source")
    uncertainty: float | None = Field(None, ge=0, description="of its rate, in parts of it; that of the source if none")


class Wimp(Section):
    """A signal of recoiling nuclei."""

    mass: Mass = Field(description="GeV")
    cross_section: CrossSection = Field(description="spin-independent, with a nucleon, cm²")


class Simulated(Section):
    """Data as the detector would record them in the exposure: Poisson numbers of each source."""

    signal: Wimp | None = Field(None, description="with it; none for background alone")
    detector: dict[str, Any] = Field(
        {}, description="in what the true detector differs from `detector`, to see what a mismatch does"
    )
    seed: int = Field(1, ge=0, description="of these events")


class OneSample(Section):
    """Recordings of a file, or simulated ones."""

    path: str | None = Field(None, description="recordings, as `serendip simulate tpc` writes them")

    @model_validator(mode="after")
    def _one_source(self) -> "OneSample":
        given = [key for key in ("path", "simulate") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"Got {' and '.join(given) or 'none of them'}, but expected one of path, simulate.")
        return self


class RecoilData(OneSample):
    """The data; left out, nothing is unblinded and only the sensitivity is found."""

    simulate: Simulated | None = Field(None, description="in place of a file")


class Calibration(OneSample):
    """Electron recoils of a source in the real detector: the background's score is taken from them, not simulated."""

    simulate: Annotated[int, Field(ge=100)] | None = Field(
        None, description="that many, flat in energy, in the detector of `data.simulate`"
    )


class RecoilTraining(Section):
    """Simulated events that classifier and autoencoder learn from; flat in energy."""

    electron_recoils: int = Field(26_000, ge=100, description="how many; the autoencoder sees these alone")
    nuclear_recoils: int = Field(14_000, ge=100, description="how many, for the classifier")
    energy: Range = Field((1.0, 100.0), description="of the deposits, keV")
    autoencoder_energy: Range = Field(
        (1.0, 20.0), description="of the autoencoder's: near the searched ones, −ELBO is sharper there"
    )
    held_out: float = Field(
        0.4, gt=0, lt=1, description="part kept to judge the classifier and to standardise the terms of the score"
    )

    _order = field_validator("energy", "autoencoder_energy")(rising)


class RecoilPool(Section):
    """Simulated events of backgrounds and signals that the trained models score; toys and their density come from here."""

    electron_recoils: int = Field(200_000, ge=1000, description="after cuts")
    nuclear_recoils: int = Field(50_000, ge=1000, description="after cuts")
    signals: int = Field(20_000, ge=1000, description="after cuts, of each mass")
    density: float = Field(
        0.5, gt=0, lt=1, description="part that the density of the score is made from; toys take none"
    )
    batch: int = Field(20_000, ge=500, description="events simulated in a task")


class Settings(BaseModel):
    """Settings of a model, handed on to it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def given(self) -> dict[str, Any]:
        """What was set."""
        return dict(self.model_extra or {})


def settings_of(model: type) -> Any:
    """Refuse what the model does not know; each model is made once, so that it sees its values."""

    def check(given: Settings) -> Settings:
        names = set(signature(model).parameters) - {"seed", "checkpoint"}
        for key in given.given:
            if key not in names:
                raise ValueError(f"{key}: " + unknown_name("setting", key, names))
        return given

    return check


class Anomaly(Section):
    """TS = −ELBO + R · H_B, both terms standardised; what is `auto` is chosen from simulation, before data are seen."""

    along: Literal["energy"] | None = Field(
        "energy",
        description="−ELBO is standardised along the energy, and blind to it; null, as published: low energies are odd too",
    )
    ratio: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["auto"] = Field(
        "auto", description="R; auto takes the smallest whose median Z is within 0.1 of the best"
    )
    ratios: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        [0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0], min_length=1, description="among which R is chosen"
    )
    keep: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        "auto", description="part of the background above the cut on TS; 1 for no cut"
    )
    keeps: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [1.0, 0.3, 0.1], min_length=1, description="among which the cut is chosen"
    )
    standard: int = Field(
        10_000,
        ge=1000,
        description="electron recoils, flat over the searched energies, that the terms are standardised by",
    )
    masses: list[Mass] = Field([30.0, 50.0, 100.0], min_length=1, description="GeV, that R and cut are chosen for")
    cross_section: CrossSection = Field(3e-49, description="cm², the same")
    experiments: int = Field(200, ge=20, description="pseudo-experiments behind each median")


class RecoilTest(Section):
    """The test of background alone."""

    statistic: Annotated[str, known("statistic", STATISTICS)] = Field(
        "excess", description="a key of `STATISTICS`; the others are shown beside it and never quoted"
    )
    toys: int = Field(20_000, ge=100, description="pseudo-experiments of the background")


class Sensitivity(Section):
    """How often a signal would be seen: pseudo-experiments with it, by the learned test and by the classical ones."""

    masses: list[Mass] = Field([30.0, 50.0, 100.0], description="GeV; none for no sensitivity")
    cross_sections: list[CrossSection] = Field(
        [3e-49, 1e-48, 6.5e-48], min_length=2, description="cm², rising; the median is interpolated between them"
    )
    experiments: int = Field(1000, ge=20, description="at each point")
    significance: Positive = Field(3.0, description="Z that the median shall reach")

    @field_validator("cross_sections")
    @classmethod
    def _rise(cls, given: list[float]) -> list[float]:
        if sorted(set(given)) != given:
            raise ValueError(f"Got {given}, but expected rising cross sections.")
        return given


class RecoilGate(Section):
    """Limits of the validity gate of a recoil search."""

    min_accuracy: float = Field(0.97, gt=0.5, lt=1, description="of the classifier, in events held out")
    max_unsettled: float = Field(0.1, gt=0, lt=1, description="part of the gain in loss that the last epochs made")
    min_efficiency: float = Field(0.5, gt=0, lt=1, description="of the trigger, at the lowest searched energy")
    max_pool_share: float = Field(0.05, gt=0, lt=1, description="of a pool's events that one experiment draws")
    max_tail_error: float = Field(0.5, gt=0, description="of the tail of f0, in fluctuations of the counts there")
    min_uniformity: float = Field(0.01, gt=0, lt=1, description="KS p of p-values of background alone")
    repeated: int = Field(200, ge=10, description="data sets of background alone behind these")
    control: Range = Field((12.0, 30.0), description="keV, the control region: above the searched energies")
    min_rate_p: float = Field(0.01, gt=0, lt=1, description="p of the count in the control region")
    max_mismatch_auc: float = Field(0.55, gt=0.5, lt=1, description="of simulation against data in the control region")
    min_toys: int = Field(1000, ge=100, description="pseudo-experiments of the background")

    _order = field_validator("control")(rising)
