"""The kernel NPLM (one step) where the reference's features do not fit into memory: many centres, many events.

The statistic and its conventions are those of `kernel_nplm`. Nothing of the size N×M is kept: each iteration makes the
kernel anew in slices, once for all samples of a batch as far as the reference goes. Memory is M² numbers for each width,
twice that where the kernel's rank is below M.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from serendip.errors import FitError, InputError
from serendip.nets.kernel_products import KernelProducts
from serendip.nets.many_centres import ManyCentres, many_centres
from serendip.stats.sample_tests.kernel_machines import kernel_machine, require_finite
from serendip.stats.sample_tests.sample import Sample

TOLERANCE = 1e-6  # of the residual; moves t by less than 1e-5 of it
LARGE = 10**9  # N_R M beyond which the reference's features are not kept: 4 GB in single precision
MANY = 5000  # centres beyond which their whole normal matrix is not formed
AT_ONCE = 1 << 24  # values of f on the reference held at once: 128 MB


@dataclass(frozen=True, eq=False)
class LargeMachine:
    """One width: the reference, the centres' factors, λ.

    Attributes:
        system: the centres and the preconditioner.
        x: the reference's events, scaled.
        w: their weights, which add up to N(R).
        mean: Σ w k(x), on the centres.
        penalty: λ.
        tolerance: of the residual of the conjugate gradients, relative to the right-hand side.
    """

    system: ManyCentres
    x: Float[np.ndarray, "n d"]
    w: Float[np.ndarray, " n"]
    mean: Float[np.ndarray, " q"]
    penalty: float
    tolerance: float

    @property
    def products(self) -> KernelProducts:
        """With the kernel of the centres."""
        return self.system.products

    def fit(self, samples: Sequence[Sample]) -> tuple[Float[np.ndarray, "q toys"], Float[np.ndarray, "q toys"]]:
        """Coefficients of f on the centres, and Σ_D w k(x), for each sample.

        Raises:
            FitError: negative weights leave no minimum, or the iterations did not converge.
        """
        seen = np.column_stack([self.products.transposed_times(s.x, s.w[:, None])[:, 0] for s in samples])
        toys = [(s.x, s.w / 4) for s in samples]
        ridge = self.penalty * (len(self.x) + np.array([len(s) for s in samples]))
        rhs = (seen - self.mean[:, None]) / 2
        alpha, residual, iterations = self.system.solve(toys, rhs, ridge, self.tolerance)
        if residual > self.tolerance:
            raise FitError(
                f"Got a residual of {residual:.1e} after {iterations} iterations, but expected {self.tolerance:g}. "
                "Raise the penalty or the tolerance."
            )
        return alpha, seen

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, " toys"]:
        """t = 2 [Σ_D w f − Σ_R w (e^f − 1)] of scaled samples.

        Raises:
            FitError: e^f overflows; or as `fit`.
        """
        alpha, seen = self.fit(samples)
        with np.errstate(over="ignore", invalid="ignore"):
            excess = self.w @ np.expm1(self.products.times(self.x, alpha))
        t = 2 * (np.einsum("qt,qt->t", seen, alpha) - excess)
        return require_finite(t, self.products.width, self.penalty)


@dataclass(frozen=True, eq=False)
class LargeKernelNPLM:
    """A prepared kernel NPLM with many centres.

    Attributes:
        labels: one for each width.
        scaling: of features.
        machines: one for each width.
    """

    labels: tuple[str, ...]
    scaling: Callable[[np.ndarray], np.ndarray]
    machines: tuple[LargeMachine, ...]

    @property
    def widths(self) -> tuple[float, ...]:
        """σ of each column, after scaling."""
        return tuple(machine.products.width for machine in self.machines)

    @property
    def penalties(self) -> tuple[float, ...]:
        """λ of each column."""
        return tuple(machine.penalty for machine in self.machines)

    @property
    def truncation(self) -> tuple[float, ...]:
        """The largest share of a centre's kernel that each column's basis leaves out."""
        return tuple(machine.system.residual for machine in self.machines)

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """t of each sample (rows) and width (columns)."""
        scaled = [self._scaled(sample) for sample in samples]
        result = np.empty((len(samples), len(self.machines)))
        for column, machine in enumerate(self.machines):
            at_once = max(1, AT_ONCE // len(machine.x))
            for start in range(0, len(scaled), at_once):
                rows = slice(start, start + at_once)
                result[rows, column] = machine.statistics(scaled[rows])
        return result

    def log_ratio(self, sample: Sample, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n columns"]:
        """f at `x`, the logarithm of data over reference that was learned on `sample`."""
        scaled, at = self._scaled(sample), self._scaled(Sample(x)).x
        return np.column_stack(
            [machine.products.times(at, machine.fit([scaled])[0])[:, 0] for machine in self.machines]
        )

    def _scaled(self, sample: Sample) -> Sample:
        d = self.machines[0].x.shape[1]
        if sample.x.shape[1] != d:
            raise InputError(f"Got a sample with {sample.x.shape[1]} features, but expected {d}, as the reference has.")
        return Sample(self.scaling(sample.x), sample.w)


def is_large(events: int, centres: int) -> bool:
    """Whether a reference and its centres are too many for features in memory."""
    return centres > MANY or events * centres > LARGE


def stable_penalty(
    x: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, " n"],
    centres: Float[np.ndarray, "m d"],
    width: float,
    total: float,
    seed: int,
) -> float:
    """The penalty that the recipe chooses for a thousand of the centres and a part of the events."""
    step = max(1, len(x) // 50_000)
    part = w[::step] * (w.sum() / w[::step].sum())
    return kernel_machine(width, centres[:1000], x[::step], part, None, total, seed).penalty


def large_machine(
    x: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, " n"],
    centres: Float[np.ndarray, "m d"],
    width: float,
    penalty: float,
    *,
    tolerance: float = TOLERANCE,
) -> LargeMachine:
    """What samples share at one width; some M³/3 multiply-adds, and less where the kernel's rank is below M.

    Args:
        x: the reference's events, scaled.
        w: their weights, which add up to N(R).
        centres: in the same units.
        width: σ of the kernel.
        penalty: λ.
        tolerance: of the residual, relative to the right-hand side.

    Raises:
        FitError: negative weights make the loss's curvature negative.
    """
    expected = float(w.sum())
    system = many_centres(centres, width, (x, w / 4), penalty * (len(x) + expected))
    mean = system.products.transposed_times(x, w[:, None])[:, 0]
    return LargeMachine(system, x, w, mean, penalty, tolerance)
