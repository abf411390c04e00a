"""What the config of every search has: where it runs, the seed; and of most: events and features."""

import json
from typing import Any

from pydantic import Field, field_validator, model_validator

from serendip.config.section import Section
from serendip.config.sections import Data, Engine
from serendip.data.expressions import parse
from serendip.errors import InputError


class Run(Section):
    """The keys that all searches share."""

    search: str = Field(description="which analysis")
    engine: Engine = Field(Engine(), description="where tasks run; may change between two starts of one run")
    output: str | None = Field(
        None, description="run folder; `runs/` and the name of the file if not given; `-o` goes before it"
    )
    seed: int = Field(1, ge=0, description="of everything random but the seeds of `data`, `reference` and `simulation`")

    def resolved(self) -> dict[str, Any]:
        """Everything, defaults included, as plain values for config.yaml."""
        return self.model_dump(mode="json", by_alias=True)

    def recorded(self) -> dict[str, Any]:
        """What a run folder keeps: everything but where the folder is."""
        return {key: value for key, value in self.resolved().items() if key != "output"}

    def analysis(self) -> str:
        """What the result depends on, as canonical JSON: all but the engine and the output folder."""
        plain = {key: value for key, value in self.resolved().items() if key not in ("engine", "output")}
        return json.dumps(plain, sort_keys=True)


class Analysis(Run):
    """The keys of all searches that look at named features."""

    data: Data = Field(description="where the events come from")
    features: dict[str, str] = Field(min_length=1, description="name: column or expression")
    units: dict[str, str] = Field({}, description="of features, for axes: `{mj_light: GeV}`")

    @field_validator("features", mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        """A list stands for columns that keep their names."""
        return {name: name for name in given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _truth_stays_apart(self) -> "Analysis":
        for name, text in self.features.items():
            if self.data.truth in _columns_of(name, text):
                raise ValueError(
                    f"features.{name}: Got {self.data.truth!r}, the truth, but expected what data have too."
                )
        return self


def _columns_of(name: str, text: str) -> frozenset[str]:
    """The columns that a feature is computed from."""
    try:
        return frozenset(parse(text).names)
    except InputError as error:
        raise ValueError(f"features.{name}: {error}") from None
