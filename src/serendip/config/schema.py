"""What a config may say: every key, its type, its default."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from serendip.data import Window
from serendip.data.expressions import parse
from serendip.errors import InputError, unknown_name
from serendip.run.nulls import NULLS
from serendip.score import METHODS
from serendip.score.classifiers import CLASSIFIERS, make_classifier
from serendip.select.windows import resolution_windows, spectrum_edges, step_windows
from serendip.stats.families import FAMILIES, Family


def known(kind: str, names: Mapping[str, Any]) -> BeforeValidator:
    """Accept the keys of a registry only, and name the nearest for any other."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(unknown_name(kind, name, names))
        return name

    return BeforeValidator(check)


def _columns_of(name: str, text: str) -> frozenset[str]:
    """The columns that a feature is computed from."""
    try:
        return frozenset(parse(text).names)
    except InputError as error:
        raise ValueError(f"features.{name}: {error}") from None


class Section(BaseModel):
    """A part of the config: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Inject(Section):
    """Keep all background events of a labelled file, and draw this many of its signal events."""

    signal: int = Field(ge=0)
    seed: int = Field(1, ge=0)


class Simulate(Section):
    """Events from the built-in dijet simulator, in place of a file."""

    background: int = Field(ge=100)
    signal: int = Field(0, ge=0)
    signal_mass: float = Field(3500.0, gt=0)
    signal_width: float = Field(100.0, gt=0)
    mass_correlation: float = 0.0
    seed: int = Field(1, ge=0)


class Data(Section):
    """Where the events come from."""

    path: str | list[str] | None = None
    name: str | None = Field(None, description="a set of the catalogue (`serendip data list`)")
    simulate: Simulate | None = None
    where: str | None = Field(None, description="only events for which this expression holds")
    weight: str | None = None
    observers: list[str] = []
    truth: str | None = Field(None, description="column that is 1 for signal; reaches only injection, evaluate, plots")
    non_finite: Literal["error", "drop"] = "error"
    inject: Inject | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        given = [key for key in ("path", "name", "simulate") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"Got {' and '.join(given) or 'none of them'}, but expected one of path, name, simulate.")
        if self.inject is not None and self.truth is None:
            raise ValueError("Got inject without truth, but expected the column that tells signal from background.")
        return self


class Reference(Section):
    """A background sample, for the methods and null generators that need one."""

    path: str | list[str] | None = None
    truth: str | None = Field(None, description="with it, only the file's background events are used")
    split: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="this fraction of the data's true background, set aside; needs data.truth",
    )
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _one_source(self) -> "Reference":
        if (self.path is None) == (self.split is None):
            raise ValueError("Got both or neither of path and split, but expected one of them.")
        return self


class Mass(Section):
    """The resonant variable."""

    name: str
    expression: str | None = Field(None, alias="from", description="how it is computed, where it is no column")
    unit: str = "GeV"
    range: tuple[float, float]
    bin_width: float | None = Field(
        None, gt=0, description="of the spectrum; an eighth of the narrowest window if not given"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Mass":
        if not self.range[0] < self.range[1]:
            raise ValueError(f"range: Got {list(self.range)}, but expected low < high.")
        return self


class Scan(Section):
    """Windows that walk through the mass range."""

    first: float = Field(alias="from")
    last: float = Field(alias="to")
    width: float | None = Field(None, gt=0)
    step: float | None = Field(None, gt=0)
    resolution: float | None = Field(None, gt=0, description="width over lower edge, in place of width")

    @model_validator(mode="after")
    def _one_width(self) -> "Scan":
        if (self.width is None) == (self.resolution is None):
            raise ValueError("Got both or neither of width and resolution, but expected one of them.")
        return self

    def windows(self) -> list[Window]:
        """The windows, in order of mass."""
        if self.width is not None:
            return step_windows(self.first, self.last, self.width, self.step or self.width / 2)
        assert self.resolution is not None  # the validator saw to it
        return resolution_windows(self.first, self.last, self.resolution, self.step or 0.5)


class Classifier(BaseModel):
    """A classifier by name, and its settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Annotated[str, known("classifier", CLASSIFIERS)] = "trees"

    @model_validator(mode="after")
    def _known_settings(self) -> "Classifier":
        make_classifier(self.name, **self.settings)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """What is passed to the classifier's constructor."""
        return dict(self.model_extra or {})


class Method(Section):
    """A method by name, its classifier, and how it is cross-fitted."""

    name: Annotated[str, known("method", METHODS)]
    label: str | None = Field(None, description="what it is called in the report, where one method stands twice")
    classifier: Classifier = Classifier()
    folds: int = Field(5, ge=2)
    sidebands: float | None = Field(
        None, gt=0, description="only this much on either side of the window; all if not given"
    )

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name


class Background(Section):
    """The smooth function fitted outside the window."""

    family: Annotated[str, known("family", FAMILIES)] = "dijet"
    order: int | Literal["auto"] = "auto"
    lowest: int = Field(
        3, ge=2, description="where the F-test begins; from 2 parameters it stops too early in thin spectra"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="an order is raised where the F-test's p is below it")
    toys: int = Field(2000, ge=0, description="for the local p of the best window by pseudo-experiments")

    @model_validator(mode="after")
    def _known_order(self) -> "Background":
        orders = FAMILIES[self.family].orders
        if self.order != "auto" and self.order not in orders:
            raise ValueError(f"order: Got {self.order}, but expected auto or one of {list(orders)} for {self.family}.")
        return self

    @property
    def shape(self) -> Family:
        """The family, with the orders that the F-test may choose from."""
        family = FAMILIES[self.family]
        if self.order != "auto":
            return family
        return replace(family, orders=tuple(order for order in family.orders if order >= self.lowest))


class Null(Section):
    """Background-only toys that repeat the whole analysis, retraining included."""

    generator: Annotated[str, known("generator", NULLS)] = "mass_shuffle"
    toys: int = Field(200, ge=0)


class Gate(Section):
    """Limits of the validity gate; see the statistics page for where they come from."""

    min_window_events: int = Field(100, ge=1)
    min_sideband_events: int = Field(100, ge=1)
    min_expected: float = Field(3.0, gt=0)
    max_mass_auc: float = Field(0.53, gt=0.5, lt=1)
    max_sculpting: float = Field(1.0, gt=0)
    max_spurious: float = Field(0.5, gt=0)
    max_z_mean: float = Field(0.3, gt=0)
    max_z_sd: float = Field(1.5, gt=1)
    min_goodness: float = Field(0.01, gt=0, lt=1)
    min_toys: int = Field(100, ge=0)


class Evaluate(Section):
    """How `serendip evaluate` judges methods on labelled events."""

    window: tuple[float, float] | None = Field(
        None, description="the scan's window with most true signal, if not given"
    )
    fpr: list[Annotated[float, Field(gt=0, lt=1)]] = [0.01, 0.001]
    min_background: float = Field(25, gt=0, description="effective background events behind the largest SIC")
    bootstraps: int = Field(100, ge=2)


class Engine(Section):
    """Where the tasks run."""

    workers: int = Field(1, ge=1)
    scheduler: str | None = None
    jobqueue: Literal["slurm", "htcondor"] | None = None
    options: dict[str, Any] = Field({}, description="of the job queue: memory, queue, walltime, disk, ...")
    retries: int = Field(2, ge=0)


class Config(Section):
    """A whole analysis."""

    search: Literal["resonance"]
    data: Data
    features: dict[str, str] = Field(min_length=1, description="name: column or expression")
    units: dict[str, str] = {}
    mass: Mass
    windows: Annotated[
        Annotated[Scan, Tag("scan")] | Annotated[list[tuple[float, float]], Tag("list")],
        Discriminator(lambda given: "list" if isinstance(given, list | tuple) else "scan"),
    ]
    method: list[Method] = Field(min_length=1)
    reference: Reference | None = None
    cuts: list[Annotated[float, Field(gt=0, lt=1)]] = Field([0.01, 0.002], min_length=1)
    background: Background = Background()
    null: Null = Null()
    gate: Gate = Gate()
    evaluate: Evaluate = Evaluate()
    engine: Engine = Engine()
    output: str | None = None
    seed: int = Field(1, ge=0)

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

    def analysis(self) -> str:
        """What the result depends on, as canonical JSON: all but the engine and the output folder."""
        plain = {key: value for key, value in self.resolved().items() if key not in ("engine", "output")}
        return json.dumps(plain, sort_keys=True)
