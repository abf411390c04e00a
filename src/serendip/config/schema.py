"""The config of a resonance search, and what must fit together between its sections."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from serendip.config.analysis import Analysis
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
    Simulation,
)
from serendip.data import Window
from serendip.score import METHODS
from serendip.select.windows import spectrum_edges

__all__ = ["Config", "Data", "Engine", "Gate", "Method", "Reference", "Simulation"]


class Config(Analysis):
    """A search for a resonance."""

    search: Literal["resonance"] = Field(description="which analysis")
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

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, dict):
            given = dict(given)
            if "method" in given:
                methods = given["method"] if isinstance(given["method"], list) else [given["method"]]
                given["method"] = [{"name": m} if isinstance(m, str) else m for m in methods]
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
