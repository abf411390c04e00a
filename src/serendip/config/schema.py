"""What a config may say: the sections, and what must fit together between them."""

import json
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from serendip.config.sections import (
    Background,
    Data,
    Engine,
    Evaluate,
    Gate,
    Mass,
    Method,
    Null,
    Reference,
    Scan,
    Section,
    Simulation,
)
from serendip.data import Window
from serendip.data.expressions import parse
from serendip.errors import InputError
from serendip.score import METHODS
from serendip.select.windows import spectrum_edges

__all__ = ["Config", "Data", "Engine", "Gate", "Method", "Reference", "Simulation"]


class Config(Section):
    """A whole analysis."""

    search: Literal["resonance"] = Field(description="which analysis")
    data: Data = Field(description="where the events come from")
    features: dict[str, str] = Field(min_length=1, description="name: column or expression")
    units: dict[str, str] = Field({}, description="of features, for axes: `{mj_light: GeV}`")
    mass: Mass = Field(description="the resonant variable")
    windows: Annotated[
        Annotated[Scan, Tag("scan")] | Annotated[list[tuple[float, float]], Tag("list")],
        Discriminator(lambda given: "list" if isinstance(given, list | tuple) else "scan"),
    ] = Field(description="a scan, or a list of `[low, high]`")
    method: list[Method] = Field(min_length=1, description="one or several; a bare name will do")
    reference: Reference | None = Field(None, description="a background sample")
    simulation: Simulation | None = Field(None, description="simulated background, for methods that need it")
    cuts: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.01, 0.002], min_length=1, description="background efficiencies; each is one cut on the score"
    )
    background: Background = Field(Background(), description="the smooth function")
    null: Null = Field(Null(), description="the toys")
    gate: Gate = Field(Gate(), description="limits of the validity gate")
    evaluate: Evaluate = Field(Evaluate(), description="for `serendip evaluate` alone")
    engine: Engine = Field(Engine(), description="where tasks run; may change between two starts of one run")
    output: str | None = Field(
        None, description="run folder; `runs/` and the name of the file if not given; `-o` goes before it"
    )
    seed: int = Field(1, ge=0, description="of everything random but the seeds of `data`, `reference` and `simulation`")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, dict):
            given = dict(given)
            if "method" in given:
                methods = given["method"] if isinstance(given["method"], list) else [given["method"]]
                given["method"] = [{"name": m} if isinstance(m, str) else m for m in methods]
            if isinstance(given.get("features"), list):
                given["features"] = {name: name for name in given["features"]}
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        titles = [method.title for method in self.method]
        if len(set(titles)) < len(titles):
            raise ValueError(f"method: Got {titles}, but expected different names. Add a label to one of them.")
        if len(set(self.cuts)) < len(self.cuts):
            raise ValueError(f"cuts: Got {self.cuts}, but expected each once.")
        if self.mass.name in self.features:
            raise ValueError(
                f"features: Got {self.mass.name!r}, the mass itself, but expected features that do not know it. "
                "A method that sees the mass finds every window anomalous."
            )
        for name, text in self.features.items():
            if self.data.truth in _columns_of(name, text):
                raise ValueError(
                    f"features.{name}: Got {self.data.truth!r}, the truth, but expected what data have too."
                )
        for method in self.method:
            if "truth" in METHODS[method.name].needs and self.data.truth is None and self.data.simulate is None:
                raise ValueError(f"data.truth: missing, but {method.name} needs the column that is 1 for signal.")
        needing = [m.name for m in self.method if "background" in METHODS[m.name].needs]
        if self.null.generator == "reference":
            needing.append("null.generator: reference")
        if needing and self.reference is None:
            raise ValueError(
                f"reference: Got none, but {', '.join(needing)} needs a background sample. "
                "Add reference: {path: ...}, or {split: 0.5} on labelled data."
            )
        for method in self.method:
            if "simulation" in METHODS[method.name].needs and self.simulation is None:
                raise ValueError(
                    f"simulation: Got none, but {method.name} needs simulated background. Add simulation: {{path: ...}}, "
                    "or {split: 0.3} on labelled data."
                )
        if self.null.density is not None and self.null.generator != "density":
            raise ValueError(f"null.density: Got one, but {self.null.generator} learns none.")
        self.scan_windows()  # raises where they do not fit
        self.edges()
        return self

    def scan_windows(self) -> list[Window]:
        """The windows of the scan, in order of mass."""
        if isinstance(self.windows, Scan):
            return self.windows.windows()
        windows = sorted(Window(low, high) for low, high in self.windows)
        if not windows or len(set(windows)) < len(windows):
            raise ValueError(f"windows: Got {[str(w) for w in windows]}, but expected at least one, each once.")
        return windows

    def edges(self) -> Any:
        """Bin edges of the spectrum, shape (bins + 1,)."""
        windows = self.scan_windows()
        return spectrum_edges(self.mass.range, windows, self.mass.bin_width or min(w.width for w in windows) / 8)

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


def _columns_of(name: str, text: str) -> frozenset[str]:
    """The columns that a feature is computed from."""
    try:
        return frozenset(parse(text).names)
    except InputError as error:
        raise ValueError(f"features.{name}: {error}") from None
