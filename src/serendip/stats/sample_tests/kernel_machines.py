"""What the kernel NPLM prepares: one machine for each width, and the statistics of many samples at once."""

import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from threadpoolctl import ThreadpoolController

from serendip.errors import FitError, InputError
from serendip.features.scaling import Standardise
from serendip.nets import kernel_logistic as logistic
from serendip.nets.kernels import nystrom_basis, outermost
from serendip.stats.sample_tests import nplm_recipe as recipe
from serendip.stats.sample_tests.checks import check_weights
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True, eq=False)
class Machine:
    """One width: the reference's side of the regression, and λ."""

    reference: logistic.LogisticReference
    penalty: float

    @property
    def width(self) -> float:
        """σ of the kernel, after scaling."""
        return self.reference.basis.width

    def ridge(self, events: int) -> float:
        """λ n, for a sample of so many events."""
        return self.penalty * (len(self.reference.w) + events)

    def finite(self, t: Float[np.ndarray, " toys"]) -> Float[np.ndarray, " toys"]:
        """The same, or FitError where e^f overflowed."""
        return require_finite(t, self.width, self.penalty)


def kernel_machine(
    width: float,
    centres: Float[np.ndarray, "m d"],
    x: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, " n"],
    penalty: float | None,
    total: float,
    seed: int,
) -> Machine:
    """Basis, features and moments of a reference, all after scaling.

    Args:
        width: of the kernel.
        centres: of the kernel.
        x: the reference.
        w: its weights, scaled to what it expects in a sample.
        penalty: λ; None for the smallest that is stable.
        total: events of the reference and of a sample together.
        seed: of the events on which λ is chosen.
    """
    with one_thread():
        basis = nystrom_basis(centres, width, outermost(x))
    with nullcontext() if len(basis) > logistic.ITERATIVE_ABOVE else one_thread():
        reference = logistic.logistic_reference(basis, x, w)
        return Machine(reference, penalty or recipe.choose_penalty(reference, total, seed))


@dataclass(frozen=True, eq=False)
class PreparedKernelNPLM:
    """The kernel NPLM with all that samples share.

    Attributes:
        labels: one for each width.
        scaling: of features.
        machines: one for each width.
        converged: whether t is taken at the minimum of the loss, not after one Newton step.
    """

    labels: tuple[str, ...]
    scaling: Standardise
    machines: tuple[Machine, ...]
    converged: bool

    @property
    def widths(self) -> tuple[float, ...]:
        """σ of each column, after scaling."""
        return tuple(machine.width for machine in self.machines)

    @property
    def penalties(self) -> tuple[float, ...]:
        """λ of each column."""
        return tuple(machine.penalty for machine in self.machines)

    @property
    def truncation(self) -> tuple[float, ...]:
        """How far at most a unit function is off where its kernel is interpolated, for each column; 0 where it is not."""
        return tuple(machine.reference.basis.truncation for machine in self.machines)

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """t of each sample (rows) and width (columns).

        Raises:
            InputError: a sample has other features than the reference, or weights that cancel.
            FitError: e^f overflows, or negative weights make the loss's curvature negative.
        """
        xs = [scaled(self.scaling, sample) for sample in samples]
        ws = [sample.w for sample in samples]
        result = np.empty((len(samples), len(self.machines)))
        if samples:
            # On shared cores two BLAS threads wait for each other; toys run in parallel by processes instead.
            with one_thread():
                for column, machine in enumerate(self.machines):
                    result[:, column] = self._column(machine, xs, ws)
        return result

    def log_ratio(self, sample: Sample, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n columns"]:
        """f at `x`, the logarithm of data over reference that was learned on `sample`."""
        learned, at = scaled(self.scaling, sample), scaled(self.scaling, Sample(x))
        columns = []
        for machine in self.machines:
            theta, _ = self._fit(machine, learned, sample.w)
            columns.append(machine.reference.basis.features(at) @ theta)
        return np.column_stack(columns)

    def _column(self, machine: Machine, xs: list[np.ndarray], ws: list[np.ndarray]) -> Float[np.ndarray, " toys"]:
        fits = [self._fit(machine, x, w) for x, w in zip(xs, ws, strict=True)]
        theta = np.column_stack([theta for theta, _ in fits])
        data = np.array([mean @ theta for theta, mean in fits])
        return machine.finite(2 * (data - machine.reference.excess(theta)))

    def _fit(self, machine: Machine, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """θ and Σ_D w φ; of each sample by itself, so that rounding does not depend on its neighbours in a batch."""
        if machine.reference.iterative and not self.converged:
            return self._iterative(machine, x, w)
        return self._dense(machine, machine.reference.basis.features(x), w)

    def _iterative(self, machine: Machine, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        basis = machine.reference.basis
        kernel = basis.kernel(x)
        mean = basis.transform.T @ (w @ kernel)
        return logistic.one_step_iterative(machine.reference, kernel, w, mean, machine.ridge(len(x))), mean

    def _dense(self, machine: Machine, phi: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reference, ridge = machine.reference, machine.ridge(len(phi))
        mean = w @ phi
        theta = logistic.one_step(reference.gram + logistic.weighted_gram(phi, w), mean - reference.mean, ridge)
        if self.converged:
            theta = logistic.newton([(phi, w, 1.0), (reference.features, reference.w, -1.0)], ridge, theta)
        return theta, mean


@dataclass(frozen=True, eq=False)
class RedrawnKernelNPLM:
    """The kernel NPLM with centres drawn from reference and data together, for each sample anew.

    Attributes:
        labels: one for each width.
        scaling: of features.
        widths: σ of each column, after scaling.
        x: the reference, after scaling.
        w: its weights, scaled to what it expects in a sample.
        converged: whether t is taken at the minimum of the loss.
        centres: M; None for the recipe.
        penalty: λ; None for the recipe.
        seed: of the draw of centres, the same for each sample.
    """

    labels: tuple[str, ...]
    scaling: Standardise
    widths: tuple[float, ...]
    x: Float[np.ndarray, "n d"]
    w: Float[np.ndarray, " n"]
    converged: bool
    centres: int | None
    penalty: float | None
    seed: int

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """t of each sample (rows) and width (columns); errors as of `PreparedKernelNPLM`."""
        rows = [self.prepared_for(sample).statistics([sample])[0] for sample in samples]
        return np.array(rows).reshape(len(samples), len(self.widths))

    def log_ratio(self, sample: Sample, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n columns"]:
        """f at `x`, learned on `sample`."""
        return self.prepared_for(sample).log_ratio(sample, x)

    def prepared_for(self, sample: Sample) -> PreparedKernelNPLM:
        """With the centres of this sample."""
        pool = np.concatenate([self.x, scaled(self.scaling, sample)])
        centres = recipe.draw_centres(pool, self.centres, len(pool), self.seed)
        machines = tuple(
            kernel_machine(width, centres, self.x, self.w, self.penalty, len(pool), self.seed) for width in self.widths
        )
        return PreparedKernelNPLM(self.labels, self.scaling, machines, self.converged)


def require_finite(t: Float[np.ndarray, " toys"], width: float, penalty: float) -> Float[np.ndarray, " toys"]:
    """The same statistics, or FitError where e^f overflowed."""
    if not np.isfinite(t).all():
        raise FitError(
            f"Got an e^f that overflows with width {width:g} and penalty {penalty:g}, but expected a finite "
            "statistic. Raise the penalty or the width: f bends to single events where the reference has none."
        )
    return t


def scaled(scaling: Standardise, sample: Sample) -> Float[np.ndarray, "n d"]:
    """The sample's features, once they fit those of the reference."""
    d = len(scaling.mean)
    if sample.x.shape[1] != d:
        raise InputError(f"Got a sample with {sample.x.shape[1]} features, but expected {d}, as the reference has.")
    if len(sample):
        check_weights("sample", sample)
    return scaling.transform(sample.x)


def one_thread() -> AbstractContextManager[object]:
    """One BLAS thread."""
    return _controller().limit(limits=1, user_api="blas")


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
