"""The sections of a config: every key, its type, its default, what it means."""

from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serendip.config.section import Section, known
from serendip.config.simulated import Simulate
from serendip.data import Window
from serendip.errors import unknown_name
from serendip.run.nulls import NULLS
from serendip.score import METHODS
from serendip.score.classifiers import CLASSIFIERS, make_classifier
from serendip.score.densities import DENSITIES, make_density
from serendip.select.windows import resolution_windows, step_windows
from serendip.stats.families import FAMILIES, Family


class Inject(Section):
    """Keep all background events of a labelled file, and draw this many of its signal events."""

    signal: int = Field(ge=0, description="how many")
    seed: int = Field(1, ge=0, description="which ones")


class Data(Section):
    """Where the events come from."""

    path: str | list[str] | None = Field(
        None, description="file, pattern, or list of them; `file.root:tree` names a part"
    )
    name: str | None = Field(None, description="a set of the catalogue (`serendip data list`)")
    simulate: Simulate | None = Field(None, description="a built-in simulator, in place of a file")
    where: str | None = Field(None, description="only events for which this expression holds")
    weight: str | None = Field(None, description="column or expression; weights of either sign; 1 if not given")
    observers: list[str] = Field(
        [], description="run and event numbers and the like, kept with the events; no method sees them"
    )
    truth: str | None = Field(None, description="column that is 1 for signal; reaches only injection, evaluate, plots")
    non_finite: Literal["error", "drop"] = Field(
        "error", description="NaN and infinite values: refuse, or drop the event and log how many"
    )
    inject: Inject | None = Field(None, description="of a labelled file, all background and a few signal events")

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

    path: str | list[str] | None = Field(None, description="a file of its own, with the columns of the data")
    truth: str | None = Field(None, description="with it, only the file's background events are used")
    split: float | None = Field(
        None, gt=0, lt=1, description="this fraction of the data's true background, set aside; needs data.truth"
    )
    where: str | None = Field(None, description="selection of the file's events; that of the data if not given")
    weight: str | None = Field(None, description="column or expression; the bootstrap draws in proportion to it")
    seed: int = Field(1, ge=0, description="which events are set aside")

    @model_validator(mode="after")
    def _one_source(self) -> "Reference":
        if (self.path is None) == (self.split is None):
            raise ValueError("Got both or neither of path and split, but expected one of them.")
        return self


class Simulation(Reference):
    """Simulated background, in all of the mass range; its features may be distributed otherwise than the data's."""

    features: dict[str, str] = Field(
        {},
        description="how features are computed where that differs from the data; with `split`, expressions of the "
        "features themselves and the mass, which is how a wrong simulation is made to try a method on",
    )


class Mass(Section):
    """The resonant variable."""

    name: str = Field(description="on axes; also the column where `from` is not given")
    expression: str | None = Field(None, alias="from", description="how it is computed, where it is no column")
    unit: str = Field("GeV", description="on axes")
    range: tuple[float, float] = Field(description="events outside are left out")
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

    first: float = Field(alias="from", description="lower edge of the first window")
    last: float = Field(alias="to", description="no window reaches beyond it")
    width: float | None = Field(None, gt=0, description="of every window")
    step: float | None = Field(
        None,
        gt=0,
        description="between lower edges; half a width if not given; with `resolution` in units of the width",
    )
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
    name: Annotated[str, known("classifier", CLASSIFIERS)] = Field(
        "trees", description="a key of `CLASSIFIERS`; every other key is a setting of it"
    )

    @model_validator(mode="after")
    def _known_settings(self) -> "Classifier":
        make_classifier(self.name, **self.settings)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """What is passed to the classifier's constructor."""
        return dict(self.model_extra or {})


class Density(BaseModel):
    """A density p(x | m) by name, and its settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Annotated[str | None, known("density", [*DENSITIES, None])] = Field(
        None, description="a key of `DENSITIES`, the method's own if not given; every other key is a setting of it"
    )

    @model_validator(mode="after")
    def _known_settings(self) -> "Density":
        if self.name is not None:
            make_density(self.name, **self.settings)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """What is passed to the density's constructor."""
        return dict(self.model_extra or {})


class Method(BaseModel):
    """A method by name, its classifier or density, its settings, and how it is cross-fitted."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Annotated[str, known("method", METHODS)] = Field(
        description="a key of `METHODS`; every key that does not stand here is a setting of the method"
    )
    label: str | None = Field(None, description="what it is called in the report, where one method stands twice")
    classifier: Classifier | None = Field(
        None, description="by name, and its settings; trees if not given, for methods that have one"
    )
    density: Density | None = Field(
        None, description="by name, and its settings; the method's own if not given, for methods that have one"
    )
    folds: int = Field(5, ge=2, description="of the cross-fitting")
    sidebands: float | None = Field(
        None, gt=0, description="only this much on either side of the window; all if not given"
    )
    share: bool = Field(
        False,
        description="one density a window for all folds, in place of one a fold; for methods that learn one, and for "
        "`serendip evaluate` alone: it has seen the sideband events that it helps to score",
    )

    @model_validator(mode="after")
    def _known_settings(self) -> "Method":
        known_to = set(signature(METHODS[self.name]).parameters)
        if self.sidebands is not None and "sidebands" not in known_to:
            raise ValueError(f"sidebands: Got {self.sidebands:g}, but {self.name} trains on no sidebands.")
        if self.share and (self.model_extra or {}).get("halves"):
            raise ValueError(
                "share: Got true together with halves, but a shared density has seen both halves. Take one."
            )
        if self.share and not hasattr(METHODS[self.name], "learn"):
            raise ValueError(f"share: Got true, but {self.name} learns no density that folds could share.")
        for part in ("classifier", "density"):
            if getattr(self, part) is not None and part not in known_to:
                raise ValueError(f"{part}: Got {getattr(self, part).name or 'one'}, but {self.name} has none.")
        if self.density is not None and self.density.name is None:
            make_density(signature(METHODS[self.name]).parameters["density"].default, **self.density.settings)
        settings = known_to - {"classifier", "settings", "density", "density_settings", "seed"} | {"folds", "label"}
        for setting in self.model_extra or {}:
            if setting not in settings:
                raise ValueError(f"{setting}: " + unknown_name(f"setting of {self.name}", setting, settings))
        return self

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name

    def make(self, seed: int, features: Sequence[str] = ()) -> Any:
        """The method, unfitted.

        Args:
            seed: of all that it draws.
            features: names of the columns that it will be given, for settings that name some of them.
        """
        settings = dict(self.model_extra or {})
        if "groups" in settings:
            settings["groups"] = _indices(settings["groups"], features)
        if self.classifier is not None:
            settings |= {"classifier": self.classifier.name, "settings": self.classifier.settings}
        if self.density is not None:
            settings["density_settings"] = self.density.settings
            if self.density.name is not None:
                settings["density"] = self.density.name
        if self.sidebands is not None:
            settings["sidebands"] = self.sidebands
        return METHODS[self.name](seed=seed, **settings)


def _indices(value: Any, features: Sequence[str]) -> Any:
    """Feature names as their column numbers, in lists of any depth; everything else as it is."""
    if isinstance(value, list | tuple):
        return [_indices(one, features) for one in value]
    return list(features).index(value) if value in features else value


class Background(Section):
    """The smooth function fitted outside the window."""

    family: Annotated[str, known("family", FAMILIES)] = Field("dijet", description="a key of `FAMILIES`")
    order: int | Literal["auto"] = Field(
        "auto", description="number of parameters, or chosen by the F-test in each spectrum"
    )
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

    generator: Annotated[str, known("generator", NULLS)] = Field("mass_shuffle", description="a key of `NULLS`")
    density: Density | None = Field(
        None, description="for the generator `density`: what p(x | m) is learned with; `spline_maf` if not given"
    )
    toys: int = Field(200, ge=0, description="how many; 0 gives no global p")

    @model_validator(mode="after")
    def _known_settings(self) -> "Null":
        if self.density is not None and self.density.name is None:
            make_density(**self.density.settings)
        return self


class Gate(Section):
    """Limits of the validity gate; the [gate page](gate.md) of the documentation says what each check asks, and why."""

    min_window_events: int = Field(100, ge=1, description="effective events in each window")
    min_sideband_events: int = Field(100, ge=1, description="effective events outside each window")
    min_expected: float = Field(
        3.0, gt=0, description="background after the cut, below which a spectrum is not scanned"
    )
    max_mass_auc: float = Field(0.53, gt=0.5, lt=1, description="median over windows of the two-sample AUC")
    max_template_auc: float = Field(
        0.52, gt=0.5, lt=1, description="median over windows of a template's two-sample AUC beside the window"
    )
    max_null_auc: float = Field(
        0.52, gt=0.5, lt=1, description="two-sample AUC of toys against data; for null.generator density"
    )
    max_sculpting: float = Field(1.0, gt=0, description="median Z of the windows away from the best one")
    max_spurious: float = Field(0.5, gt=0, description="spurious signal over its error")
    max_z_mean: float = Field(0.3, gt=0, description="mean Z of the toys, before three standard errors are added")
    max_z_sd: float = Field(1.3, gt=1, description="standard deviation of Z over toys; 1 over it is the lower limit")
    min_goodness: float = Field(0.01, gt=0, lt=1, description="p of the fits")
    max_weight_drift: float = Field(
        0.2, gt=0, description="relative change of Σw²/Σw from window to sidebands; for mass_shuffle"
    )
    min_reference_ratio: float = Field(
        5.0, gt=0, description="reference over data events; for null.generator reference"
    )
    min_toys: int = Field(100, ge=0, description="retrained toys")


class Evaluate(Section):
    """How `serendip evaluate` judges methods on labelled events."""

    window: tuple[float, float] | None = Field(
        None, description="the scan's window with most true signal, if not given"
    )
    fpr: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.01, 0.001], description="background efficiencies at which the significance improvement is wanted"
    )
    min_background: float = Field(25, gt=0, description="effective background events behind the largest SIC")
    bootstraps: int = Field(100, ge=2, description="replicas behind the errors")
    latent_sizes: list[Annotated[int, Field(ge=1)]] = Field(
        [], description="train autoencoders with each of these latent sizes, and draw loss and AUC against them"
    )

    @model_validator(mode="after")
    def _rising(self) -> "Evaluate":
        if list(self.latent_sizes) != sorted(set(self.latent_sizes)):
            raise ValueError(f"latent_sizes: Got {self.latent_sizes}, but expected rising ones.")
        return self

    coordinates: bool = Field(
        False,
        description="train outlier scores again under maps of the features, and say how far their ranking survives",
    )


class Engine(Section):
    """Where the tasks run."""

    workers: int = Field(1, ge=1, description="processes; with `jobqueue`, jobs")
    scheduler: str | None = Field(None, description="address of a Dask scheduler that runs already, `tcp://host:8786`")
    jobqueue: Literal["slurm", "htcondor"] | None = Field(
        None, description="batch system that dask-jobqueue submits workers to"
    )
    options: dict[str, Any] = Field({}, description="of the job queue: memory, queue, walltime, disk, ...")
    retries: int = Field(2, ge=0, description="of a task whose worker died")
