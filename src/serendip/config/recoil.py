"""The config of a recoil search: do the recoils in a xenon TPC say more than its known backgrounds?"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from serendip.config.analysis import Run
from serendip.config.recoil_sections import (
    BACKGROUNDS,
    Anomaly,
    Background,
    Calibration,
    Positive,
    RecoilCuts,
    RecoilData,
    RecoilGate,
    RecoilPool,
    RecoilTest,
    RecoilTraining,
    Sensitivity,
    Settings,
    settings_of,
)
from serendip.config.section import known
from serendip.errors import InputError
from serendip.score.semi.recoil_classifier import RecoilClassifier
from serendip.score.semi.recoil_vae import RecoilVae
from serendip.simulate.tpc.detector import Detector, make_detector
from serendip.simulate.tpc.drift import Drift
from serendip.simulate.tpc.maps import read_map
from serendip.simulate.tpc.sources import fiducial_volume
from serendip.simulate.tpc.yields import require_energies, require_liquid
from serendip.stats.template import FEWEST_SIMULATED


class Recoil(Run):
    """A search for recoils beyond the known backgrounds of a xenon TPC."""

    search: Literal["recoil"] = Field(description="which analysis")
    detector: dict[str, Any] = Field(
        {"preset": "darwin"},
        description="`preset`, and the numbers of `Detector` that differ from it; a name alone will do",
    )
    exposure: Positive = Field(description="t y of the fiducial mass")
    selection: RecoilCuts = Field(RecoilCuts(), description="which events are searched")
    backgrounds: dict[Annotated[str, known("background", BACKGROUNDS)], Background] = Field(
        min_length=1, description="keys of `SOURCES` but the flat ones: a list of names or with what is known of each"
    )
    data: RecoilData | None = Field(None, description="the data; none to find the sensitivity alone")
    calibration: Calibration | None = Field(None, description="electron recoils of the real detector")
    training: RecoilTraining = Field(RecoilTraining(), description="what the models learn from")
    classifier: Settings = Field(Settings(), description="settings of `RecoilClassifier`")
    vae: Settings = Field(Settings(), description="settings of `RecoilVae`")
    pool: RecoilPool = Field(RecoilPool(), description="what toys are drawn from")
    anomaly: Anomaly = Field(Anomaly(), description="the score")
    test: RecoilTest = Field(RecoilTest(), description="the test")
    sensitivity: Sensitivity = Field(Sensitivity(), description="what would be seen")
    gate: RecoilGate = Field(RecoilGate(), description="limits of the validity gate")

    _classifier = field_validator("classifier")(settings_of(RecoilClassifier))
    _vae = field_validator("vae")(settings_of(RecoilVae))

    @field_validator("detector", mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"preset": given} if isinstance(given, str) else given

    @field_validator("backgrounds", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        """A list stands for sources as they are."""
        if not isinstance(given, list):
            return given
        for name in given:
            if given.count(name) > 1:
                raise ValueError(
                    f"Got {name!r} twice, but expected every source once. For twice its rate, give a scale."
                )
        return {name: {} for name in given}

    @model_validator(mode="after")
    def _fits_together(self) -> "Recoil":
        self._require_energies()
        self._require_pools()
        _checked("detector", lambda: _require_physics(make_detector(self.detector)))
        if self.data is not None and self.data.simulate is not None and self.data.simulate.detector:
            _checked("data.simulate.detector", lambda: _require_physics(self.true_detector))
        _checked("training", lambda: _require_yields(self.training))
        _checked("selection", lambda: fiducial_volume(make_detector(self.detector), self.selection.fiducial_mass))
        return self

    def _require_energies(self) -> None:
        if self.gate.control[0] < (high := self.selection.energy[1]):
            raise ValueError(
                f"gate.control: Got {list(self.gate.control)}, but expected energies above {high:g} keV, where none are "
                "searched."
            )
        for key in ("energy", "autoencoder_energy"):
            if (given := getattr(self.training, key))[1] < high:
                raise ValueError(
                    f"training.{key}: Got {list(given)}, but expected them to reach {high:g} keV, which is searched."
                )

    def _require_pools(self) -> None:
        learned = self.pool.signals * self.pool.density
        if self.sensitivity.masses and learned < FEWEST_SIMULATED:
            enough = f"{FEWEST_SIMULATED / self.pool.density:,.0f}"
            raise ValueError(
                f"pool.signals: Got {self.pool.signals:,} of each mass, but expected {enough}: of these, pool.density="
                f"{self.pool.density:g} makes {FEWEST_SIMULATED:,} for a template."
            )

    @property
    def true_detector(self) -> Detector:
        """The detector that simulated data come from."""
        changes: Mapping[str, Any] = {}
        if self.data is not None and self.data.simulate is not None:
            changes = self.data.simulate.detector
        return make_detector({**self.detector, **changes})

    @property
    def masses(self) -> tuple[float, ...]:
        """Every signal that a pool is needed of, GeV, rising."""
        return tuple(sorted({*self.anomaly.masses, *self.sensitivity.masses}))


def _require_physics(detector: Detector) -> None:
    Drift.of(detector)
    require_liquid(detector)
    for path in (detector.s1_map, detector.s2_map):
        if path is not None:
            read_map(path, detector)


def _require_yields(training: RecoilTraining) -> None:
    for kind in ("er", "nr"):
        require_energies(np.array(training.energy), kind)
    require_energies(np.array(training.autoencoder_energy), "er")


def _checked(key: str, make: Callable[[], Any]) -> None:
    """Make something of the config's values; what they are refused for is said of the key."""
    try:
        make()
    except InputError as error:
        message = str(error).removeprefix("detector: ").removeprefix("detector.")
        below = re.match(r"[a-z]\w*: ", message)  # a key of its own
        raise ValueError(f"{key}{'.' if below else ': '}{message}") from None
