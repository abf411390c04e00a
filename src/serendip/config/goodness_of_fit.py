"""The config of a goodness-of-fit search: is the sample what the reference says?"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from serendip.config.analysis import Analysis
from serendip.config.monitor import Monitor
from serendip.config.nuisances import NuisanceSettings
from serendip.config.section import Section, known
from serendip.config.sections import Reference
from serendip.config.simulated import Simulate
from serendip.errors import InputError, unknown_name
from serendip.stats.combination import COMBINATIONS
from serendip.stats.sample_tests import TESTS, make_test

EXPECTED = (
    "a number: how many events the reference predicts in the data; "
    "data: as many as there are, so that only the shape is tested; "
    "weights: the sum of the reference's weights"
)


class Test(BaseModel):
    """A test by name, and its settings."""

    __test__ = False  # of no interest to pytest
    model_config = ConfigDict(extra="allow", frozen=True)
    name: Annotated[str, known("test", TESTS)] = Field(
        description="a key of `TESTS` (`serendip tests`); every key that does not stand here is a setting of the test"
    )
    label: str | None = Field(None, description="what it is called in the report, where one test stands twice")

    @model_validator(mode="after")
    def _known_settings(self) -> "Test":
        try:
            self.make()
        except InputError as error:
            raise ValueError(str(error).removeprefix("test.")) from None
        return self

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name

    def make(self) -> Any:
        """The test, unprepared."""
        return make_test(self.name, **_typed(self.name, self.model_extra or {}))


def _one_stream(a: Simulate | None, b: Simulate | None) -> bool:
    """Whether two simulators draw from the same random numbers, be it other numbers of events, or at other settings."""
    return a is not None and b is not None and (a.kind, a.seed) == (b.kind, b.seed)


def _typed(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the test's own types: YAML knows no tuples."""
    hints, known_settings = get_type_hints(TESTS[name]), [one.name for one in fields(TESTS[name])]
    typed = {}
    for key, value in settings.items():
        if key not in known_settings:
            raise InputError(f"{key}: " + unknown_name(f"setting of {name}", key, known_settings))
        try:
            typed[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"].replace("valid tuple", "list")
            raise InputError(f"{key}: Got {value!r}. {message}.") from None
    return typed


class FitReference(Reference):
    """What the data are compared with; shares no event with them."""

    simulate: Simulate | None = Field(None, description="a built-in simulator, from which toys are drawn too")

    @model_validator(mode="after")
    def _one_source(self) -> "FitReference":
        given = [key for key in ("path", "split", "simulate") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"Got {' and '.join(given) or 'none of them'}, but expected one of path, split, simulate.")
        return self


class FitNull(Section):
    """Toys: what the test would say if the data were drawn from the reference."""

    source: Literal["independent", "splits", "permutation"] | None = Field(
        None,
        description="`independent`: drawn from the simulator, or from reference events kept for it; `splits`: disjoint "
        "parts of such events; `permutation`: events of data and reference change places, for the shape alone. If not "
        "given, `permutation` with `expected: data` and a reference from events, else `independent`",
    )
    counts: Literal["poisson", "fixed"] | None = Field(
        None, description="numbers of events in toys; `fixed` where only the shape is tested, else `poisson`"
    )
    reference: Literal["shared", "redrawn"] = Field(
        "shared", description="whether toys meet the reference of the data, or each one of its own"
    )
    share: float = Field(
        0.5, gt=0, lt=1, description="of the reference's events, kept for drawing toys and not part of the reference"
    )
    toys: int = Field(300, ge=0, description="how many; 0 gives no p")
    batch: int = Field(50, ge=1, description="toys in a task, computed together")


class FitGate(Section):
    """Limits of the validity gate of a goodness-of-fit search."""

    min_reference_events: float = Field(100, gt=0, description="effective events in the reference")
    min_events_per_centre: float = Field(
        2.0, gt=0, description="effective reference events for each centre of a kernel"
    )
    max_toy_overlap: float = Field(0.05, ge=0, lt=1, description="share of a toy's events that another toy holds too")
    max_yield_variance: float = Field(
        0.1, gt=0, description="variance of N(R) by the reference's own fluctuation, over N(R)"
    )
    max_weight_drift: float = Field(
        0.05, gt=0, lt=1, description="distance of a feature with weights from itself without, where they are permuted"
    )
    min_uniformity: float = Field(0.01, gt=0, lt=1, description="p of the agreement of the toys' two halves")
    max_z_shift: float = Field(
        0.5, gt=0, description="change of Z with the settings of a kernel, over the larger Z or over 2"
    )
    stability_toys: int = Field(50, ge=10, description="toys behind each Z of that check")
    max_variation_share: float = Field(
        0.1, gt=0, description="N(R) over the effective events of a sample that a nuisance is learned from"
    )
    max_closure_auc: float = Field(
        0.52, gt=0.5, lt=1, description="of the reweighted reference against a learned nuisance's samples"
    )
    min_goodness: float = Field(0.05, gt=0, lt=1, description="p of a fit to toys, where its p is quoted")
    min_toys: int = Field(100, ge=0, description="toys")


class GoodnessOfFit(Analysis):
    """A test of the whole sample against a reference."""

    search: Literal["goodness_of_fit"] = Field(description="which analysis")
    reference: FitReference = Field(description="what the data are compared with")
    expected: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["data", "weights"] = Field(
        description=f"N(R), {EXPECTED}"
    )
    test: list[Test] = Field(min_length=1, description="one or several; a bare name will do")
    combination: Annotated[str, known("combination", COMBINATIONS)] = Field(
        "min-p", description="a key of `COMBINATIONS`: how the columns of all tests become one global p"
    )
    nuisances: list[NuisanceSettings] = Field([], description="what the reference is not sure of; for `nplm`")
    null: FitNull = Field(FitNull(), description="the toys")
    gate: FitGate = Field(FitGate(), description="limits of the validity gate")
    monitor: Monitor = Field(Monitor(), description="for `serendip monitor` alone")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("expected") is None:
            raise ValueError(f"expected: missing. Give {EXPECTED}.")
        return given

    @field_validator("test", mode="before")
    @classmethod
    def _bare_names(cls, given: Any) -> Any:
        """A bare name stands for the test with its own settings, and one test for a list of one."""
        tests = given if isinstance(given, list) else [given]
        return [{"name": one} if isinstance(one, str) else one for one in tests]

    @model_validator(mode="after")
    def _fits_together(self) -> "GoodnessOfFit":
        titles = [test.title for test in self.test]
        if len(set(titles)) < len(titles):
            raise ValueError(f"test: Got {titles}, but expected different names. Add a label to one of them.")
        if self.source == "permutation" and self.expected != "data":
            raise ValueError(
                f"expected: Got {self.expected}, but expected data with null.source: permutation, which keeps the numbers "
                "of events and hence tests the shape alone. Or take null.source: independent."
            )
        if self.expected == "data" and self.null.counts == "poisson":
            raise ValueError(
                "null.counts: Got poisson, but expected fixed with expected: data: what the data themselves predict "
                "does not fluctuate. Or state expected as a number."
            )
        if self.source == "permutation" and self.reference.simulate is not None and self.null.reference == "redrawn":
            raise ValueError("null.reference: Got redrawn, but permutations redraw it anyway. Leave it out.")
        if _one_stream(self.reference.simulate, self.data.simulate):
            raise ValueError(
                "reference.simulate: Got the data's own random numbers, but expected others: events would be alike. Give it "
                "another seed."
            )
        return self

    @model_validator(mode="after")
    def _nuisances_fit(self) -> "GoodnessOfFit":
        if not self.nuisances:
            return self
        for number, test in enumerate(self.test):
            if test.name != "nplm":
                raise ValueError(
                    f"test.{number}.name: Got {test.name}, but expected nplm, which alone takes nuisances."
                )
        if self.source != "independent" or self.null.reference == "redrawn":
            raise ValueError(
                f"null.source: Got {self.source}, but expected independent with a shared reference: toys with nuisances "
                "are drawn with auxiliary measurements of their own. State expected as a number."
            )
        names = [one.name for one in self.nuisances]
        if len(set(names)) < len(names):
            raise ValueError(f"nuisances: Got {names}, but expected different names.")
        for number, one in enumerate(self.nuisances):
            if one.kind == "scale" and one.feature not in self.features:
                raise ValueError(f"nuisances.{number}.feature: " + unknown_name("feature", one.feature, self.features))
        return self

    @property
    def source(self) -> str:
        """Where toys come from."""
        if self.null.source is not None:
            return self.null.source
        return "permutation" if self.expected == "data" and self.reference.simulate is None else "independent"

    @property
    def counts(self) -> Literal["poisson", "fixed"]:
        """Whether the numbers of events in toys fluctuate."""
        return self.null.counts or ("fixed" if self.expected == "data" else "poisson")
