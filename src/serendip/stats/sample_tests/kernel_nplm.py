"""NPLM by kernels: the likelihood ratio of data to reference, learned in the sample it is tested on.

t = 2 [Σ_D w f − N(R)/N_R Σ_R w (e^f − 1)], with f from the weighted logistic loss Σ_D w log(1 + e^−f)
+ N(R)/N_R Σ_R w log(1 + e^f) + λ n |f|²/2, where n counts the events of both samples and |f| is the kernel's norm.

Sources: D'Agnolo & Wulzer 2018, arXiv:1806.02350 (t); Letizia et al. 2022, arXiv:2204.02317 (kernels). The published
code takes one Newton step from f = 0, and that is the default here; `converged` is another statistic.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import InputError, require_events
from serendip.stats.sample_tests import nplm_recipe as recipe
from serendip.stats.sample_tests.checks import check_weights
from serendip.stats.sample_tests.kernel_machines import PreparedKernelNPLM, RedrawnKernelNPLM, kernel_machine
from serendip.stats.sample_tests.kernel_permutation import pooled_column
from serendip.stats.sample_tests.large_kernel import LargeKernelNPLM, is_large, large_machine, stable_penalty
from serendip.stats.sample_tests.sample import Sample

SOLUTIONS = ("one_step", "converged")
CENTRES_FROM = ("reference", "both")
DEFAULT_PERCENTILE = 90.0
AT_ONCE = 1 << 24  # features of samples held at once: 128 MB


@dataclass(frozen=True)
class KernelNPLM:
    """Settings of the kernel NPLM; each width is a column.

    Attributes:
        widths: σ of Gaussian kernels, in standard deviations of the reference, or in the features' own units where
            `standardise` is off.
        percentiles: further widths, at these percentiles of the pairwise distances in the reference; the 90th where
            neither is given.
        centres: M; by default √N of all events, or 1000 where the reference has as many.
        penalty: λ; by default the smallest power of ten that is stable, for each width.
        standardise: by mean and standard deviation of the reference.
        solution: `one_step` (published) or `converged`.
        centres_from: `reference`, shared by all samples; or `both`, drawn from reference and data together for each
            sample anew as the published code does, at the cost of the reference's part for each. Trap: data farther
            than a few widths from every centre are not seen; take a wider kernel too, or count them.

    Raises:
        InputError: a value that cannot be.
    """

    source: ClassVar[str] = "arXiv:2204.02317"
    summary: ClassVar[str] = "likelihood ratio learned by a kernel machine, one Newton step"
    counts: ClassVar[bool] = True
    has_ratio: ClassVar[bool] = True

    widths: tuple[float, ...] = ()
    percentiles: tuple[float, ...] | None = None
    centres: int | None = None
    penalty: float | None = None
    standardise: bool = True
    solution: str = "one_step"
    centres_from: str = "reference"

    def __post_init__(self) -> None:
        given = (DEFAULT_PERCENTILE,) if self.percentiles is None and not self.widths else self.percentiles or ()
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "percentiles", tuple(given))
        if not self.widths and not given:
            raise InputError("Got neither widths nor percentiles, but expected at least one.")
        for width in self.widths:
            _require(np.isfinite(width) and width > 0, f"a width of {width:g}", "one above 0")
        for percentile in given:
            _require(0 < percentile <= 100, f"a percentile of {percentile:g}", "one above 0 and at most 100")
        if self.penalty is not None:
            _require(0 < self.penalty < np.inf, f"a penalty of {self.penalty:g}", "one above 0")
        if self.centres is not None:
            _require(self.centres >= 1, f"{self.centres} centres", "at least 1")
        _require(self.solution in SOLUTIONS, f"solution {self.solution!r}", f"one of: {', '.join(SOLUTIONS)}")
        _require(
            self.centres_from in CENTRES_FROM,
            f"centres_from {self.centres_from!r}",
            f"one of: {', '.join(CENTRES_FROM)}",
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the columns: a width as it was asked for, so that a redrawn reference keeps it."""
        return (*(f"σ {width:g}" for width in self.widths), *(f"σ at {value:g} %" for value in self.percentiles or ()))

    def prepare(
        self, reference: Sample, expected: float, *, seed: int = 0
    ) -> PreparedKernelNPLM | RedrawnKernelNPLM | LargeKernelNPLM:
        """Scaling, widths, centres, and the reference's features and moments.

        Args:
            reference: what the data are compared with.
            expected: N(R), how many events the reference predicts in the data.
            seed: of the centres, and of the events that widths and penalty are chosen on.

        Raises:
            InputError: `expected` or the reference's sum of weights is not above 0, or a feature is constant.
            TooFewEventsError: fewer reference events than centres, or than two.
            FitError: negative weights make the loss's curvature negative.
        """
        _check(reference, expected)
        scaling = recipe.standard_scaling(reference) if self.standardise else recipe.no_scaling(reference.x.shape[1])
        x = scaling.transform(reference.x)
        w = reference.w * (expected / reference.total)
        widths = recipe.choose_widths(x, self.widths, self.percentiles or (), seed)
        converged = self.solution == "converged"
        if self.centres_from == "both":
            return RedrawnKernelNPLM(self.labels, scaling, widths, x, w, converged, self.centres, self.penalty, seed)
        total = len(x) + expected
        centres = recipe.draw_centres(x, self.centres, total, seed)
        if is_large(len(x), len(centres)):
            _require(not converged, f"solution 'converged' with {len(centres)} centres", "'one_step', or fewer centres")
            penalties = [self.penalty or stable_penalty(x, w, centres, width, total, seed) for width in widths]
            large = tuple(large_machine(x, w, centres, *pair) for pair in zip(widths, penalties, strict=True))
            return LargeKernelNPLM(self.labels, scaling.transform, large)
        machines = tuple(kernel_machine(width, centres, x, w, self.penalty, total, seed) for width in widths)
        return PreparedKernelNPLM(self.labels, scaling, machines, converged)

    def pooled_statistics(
        self,
        x: Float[np.ndarray, "n d"],
        is_data: Bool[np.ndarray, "toys n"],
        w: Float[np.ndarray, " n"] | None = None,
        *,
        seed: int = 0,
    ) -> Float[np.ndarray, "toys columns"]:
        """The statistics of relabellings of one pool, where the reference predicts as many events as the data have.

        Scaling, widths, centres and penalty come from the pool, whatever the labels.

        Raises:
            InputError: a relabelling whose data or reference has no weight.
        """
        pool = Sample(x, np.ones(len(x)) if w is None else w)
        _check(pool, 1.0)
        if is_data.shape[1] != len(pool):
            raise InputError(f"Got labels for {is_data.shape[1]} events, but expected {len(pool)}.")
        data = is_data @ pool.w
        if not np.all((data > 0) & (pool.total - data > 0)):
            raise InputError("Got a relabelling whose weights cancel, but expected sums above 0 in data and reference.")
        scaling = recipe.standard_scaling(pool) if self.standardise else recipe.no_scaling(x.shape[1])
        scaled = scaling.transform(pool.x)
        widths = recipe.choose_widths(scaled, self.widths, self.percentiles or (), seed)
        centres = recipe.draw_centres(scaled, self.centres, len(pool), seed)
        share = float(np.mean(data)) / pool.total  # for the choice of λ alone
        columns = []
        for width in widths:
            machine = kernel_machine(width, centres, scaled, pool.w * share, self.penalty, len(pool), seed)
            ridge = machine.penalty * len(pool)
            t = pooled_column(machine.reference.features, pool.w, is_data, ridge, self.solution == "converged")
            columns.append(machine.finite(t))
        return np.column_stack(columns)


def _check(reference: Sample, expected: float) -> None:
    _require(np.isfinite(expected) and expected > 0, f"N(R) = {expected:g} expected events", "a number above 0")
    require_events(2, reference=reference)
    check_weights("reference", reference)


def _require(fine: bool | np.bool_, got: str, expected: str) -> None:
    if not fine:
        raise InputError(f"Got {got}, but expected {expected}.")
