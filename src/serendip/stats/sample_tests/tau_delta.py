"""τ − Δ: is the sample unlike the reference at every value that its nuisances may take?

τ(D, A) = 2 max_{f, ν} ln [L(f, ν|D) L(ν|A)] / [L(R_0|D) L(0|A)], with n(x|f, ν) = e^f n(x|R_ν), leaves f and ν both free; Δ
(see `nuisance_fit`) leaves ν alone. Their difference is the likelihood ratio to the best-fitting reference, so that
under the null it is distributed alike whatever ν truly is. τ alone is not.

How f and ν are fitted together: from f = 0 and ν̂, the maximum of Δ, by one Newton step of the weighted logistic loss,
as the published kernel statistic does it. Each nuisance is one feature more, δ(x) = ∂ ln r(x; ν̂)/∂ν, whose
coefficient is held by A in place of the kernel's penalty. Where ln r is linear in ν this is the whole family e^f R_ν; else
its tangent at ν̂, and f takes up the rest. As the step starts at ν̂ it is as good at ν = 3 as at 0; a step from R_0 would
not be, and its error would not cancel in τ − Δ. Without nuisances the statistic is the kernel one itself.

Source: d'Agnolo et al. 2021, arXiv:2111.13633, where f is a network; Letizia et al. 2022, arXiv:2204.02317, for the kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from scipy import linalg
from threadpoolctl import threadpool_limits

from serendip.errors import FitError, InputError
from serendip.nets.kernel_logistic import weighted_gram
from serendip.stats.sample_tests.kernel_machines import Machine, PreparedKernelNPLM, scaled
from serendip.stats.sample_tests.kernel_nplm import KernelNPLM
from serendip.stats.sample_tests.moving_gram import MovingGram, moving_grams
from serendip.stats.sample_tests.nuisance_fit import NuisanceLikelihood, NuisanceModel, Profile, profile, slopes_at
from serendip.stats.sample_tests.nuisances import Nuisance, all_terms
from serendip.stats.sample_tests.sample import Sample


@dataclass(frozen=True)
class NuisanceNPLM:
    """The kernel NPLM of an imperfect reference; τ − Δ for each width.

    Samples carry the auxiliary measurements A in σ. Observed data have zeros, where the reference was made at the measured
    values. Toys must not: `NuisanceDraws` throws A ~ N(ν, 1) with each. Permutations and plain splits, which cannot, are
    no null for this test.

    Attributes:
        test: the kernel test, of one step.
        nuisances: what is uncertain about the reference.

    Raises:
        InputError: the test takes another solution, draws centres from the data, or two nuisances share a name.
    """

    source: ClassVar[str] = "arXiv:2111.13633"
    summary: ClassVar[str] = "the kernel NPLM against the reference at its best nuisances, τ − Δ"
    counts: ClassVar[bool] = True
    has_ratio: ClassVar[bool] = True

    test: KernelNPLM = field(default_factory=KernelNPLM)
    nuisances: tuple[Nuisance, ...] = ()

    def __post_init__(self) -> None:
        if self.test.solution != "one_step" or self.test.centres_from != "reference":
            raise InputError(
                f"Got a test with solution={self.test.solution!r} and centres_from={self.test.centres_from!r}, but "
                "expected 'one_step' and 'reference' where there are nuisances."
            )
        names = [nuisance.name for nuisance in self.nuisances]
        if len(set(names)) < len(names):
            raise InputError(f"Got nuisances {', '.join(names)}, but expected each name once.")

    def prepare(self, reference: Sample, expected: float, *, seed: int = 0) -> "PreparedNuisanceNPLM":
        """The kernel test's preparation, and the nuisances' effect on the reference's events.

        Raises:
            InputError: as of the kernel test, or the effect of a nuisance is not finite.
        """
        prepared = self.test.prepare(reference, expected, seed=seed)
        assert isinstance(prepared, PreparedKernelNPLM)  # for mypy: centres come from the reference
        first, second = all_terms(self.nuisances, reference.x)
        model = NuisanceModel(first, second, reference.w * (expected / reference.total))
        return PreparedNuisanceNPLM(self.nuisances, prepared, model, moving_grams(prepared.machines, model, seed))


def with_nuisances(test: KernelNPLM, nuisances: Sequence[Nuisance]) -> NuisanceNPLM:
    """The kernel test with an uncertain reference."""
    return NuisanceNPLM(test, tuple(nuisances))


@dataclass(frozen=True, eq=False)
class TauDelta:
    """What one sample says.

    Attributes:
        tau: τ for each width; without a correction for nuisances it is not calibrated.
        delta: Δ.
        nu: ν̂ of the reference alone, in σ; beyond about 3 the parabola of ln r is an extrapolation.
    """

    tau: Float[np.ndarray, " columns"]
    delta: float
    nu: Float[np.ndarray, " k"]

    @property
    def statistic(self) -> Float[np.ndarray, " columns"]:
        """τ − Δ."""
        return self.tau - self.delta


@dataclass(frozen=True, eq=False)
class PreparedNuisanceNPLM:
    """The test with all that samples share.

    Attributes:
        nuisances: what is uncertain.
        kernel: the kernel test, prepared.
        model: the nuisances' effect on the reference's events.
        curvatures: of the loss at any ν, one for each width.
    """

    nuisances: tuple[Nuisance, ...]
    kernel: PreparedKernelNPLM
    model: NuisanceModel
    curvatures: tuple[MovingGram, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each width."""
        return self.kernel.labels

    def statistics(self, samples: Sequence[Sample]) -> Float[np.ndarray, "toys columns"]:
        """τ − Δ of each sample (rows) and width (columns)."""
        with threadpool_limits(1, user_api="blas"):
            results = [self.explain(sample).statistic for sample in samples]
        return np.reshape(results, (len(samples), len(self.labels)))

    def explain(self, sample: Sample) -> TauDelta:
        """τ and Δ apart, and the fitted nuisances.

        Raises:
            InputError: features or auxiliary measurements do not fit.
            FitError: the nuisances do not converge, or e^f overflows.
        """
        start = self._start(sample)
        columns = zip(self.kernel.machines, self.curvatures)
        t = [machine.finite(self._statistic(machine, moving, start)) for machine, moving in columns]
        fit = start.fit
        return TauDelta(np.concatenate(t) + fit.delta, fit.delta, fit.nu)

    def log_ratio(self, sample: Sample, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n columns"]:
        """ln of data over the reference at ν̂ as learned on `sample`: what its nuisances cannot explain."""
        start = self._start(sample)
        slopes = slopes_at(*all_terms(self.nuisances, x), start.fit.nu)
        columns = []
        for machine, moving in zip(self.kernel.machines, self.curvatures):
            features = machine.reference.basis.features(scaled(self.kernel.scaling, Sample(x)))
            columns.append(np.hstack([features, slopes]) @ self._theta(machine, moving, start)[0])
        return np.column_stack(columns)

    def _start(self, sample: Sample) -> "_Start":
        """Fit the reference alone."""
        auxiliary = self._auxiliary(sample)
        first, second = all_terms(self.nuisances, sample.x)
        fit = profile(NuisanceLikelihood(self.model, sample.w @ first, sample.w @ second, auxiliary))
        data_slopes, slopes = slopes_at(first, second, fit.nu), slopes_at(self.model.first, self.model.second, fit.nu)
        x = scaled(self.kernel.scaling, sample)
        return _Start(sample, x, fit, auxiliary, data_slopes, slopes, self.model.weights(fit.nu))

    def _auxiliary(self, sample: Sample) -> Float[np.ndarray, " k"]:
        k = len(self.nuisances)
        auxiliary = np.zeros(0) if sample.auxiliary is None else np.asarray(sample.auxiliary, float)
        if auxiliary.shape != (k,) or not np.isfinite(auxiliary).all():
            raise InputError(
                f"Got auxiliary measurements {auxiliary}, but expected {k} finite numbers, one for each nuisance. Observed "
                "data have zeros, where the reference was made at the measured values; toys come from NuisanceDraws."
            )
        return auxiliary

    def _theta(self, machine: Machine, moving: MovingGram, start: "_Start") -> tuple[np.ndarray, np.ndarray]:
        """The joint step: coefficients of the kernel's features and changes of ν; and Σ_D w of the same features."""
        reference, data = machine.reference, start.data_features(machine)
        summed = start.sample.w @ data
        # The penalty follows the yield at ν̂, else f would be freer, and t larger, where ν makes more events.
        q, ridge = len(reference.mean), machine.ridge(len(data)) * start.w.sum() / self.model.w.sum()
        weighted = np.vstack([start.w, start.slopes.T * start.w])
        kernel_part, slope_part = weighted @ reference.features, weighted @ start.slopes
        gradient = summed - np.concatenate([kernel_part[0], slope_part[0]])
        gradient[q:] -= start.fit.nu - start.auxiliary
        curvature = weighted_gram(data, start.sample.w)
        curvature += np.block([[moving.at(start.fit.nu), kernel_part[1:].T], [kernel_part[1:], slope_part[1:]]])
        # The logistic loss at f = 0 has half the slope and a quarter of the curvature; times two, A's term is its own.
        penalty = np.r_[np.full(q, 2 * ridge), np.ones(len(gradient) - q)]
        return solve(curvature / 2 + np.diag(penalty), gradient), summed

    def _statistic(self, machine: Machine, moving: MovingGram, start: "_Start") -> Float[np.ndarray, "1"]:
        theta, summed = self._theta(machine, moving, start)
        q = len(machine.reference.mean)
        with np.errstate(over="ignore", invalid="ignore"):
            excess = start.w @ np.expm1(machine.reference.features @ theta[:q] + start.slopes @ theta[q:])
        before = start.fit.nu - start.auxiliary
        after = before + theta[q:]
        return np.atleast_1d(2 * (summed @ theta - excess) + before @ before - after @ after)


@dataclass(frozen=True, eq=False)
class _Start:
    """Where the joint step begins: the reference alone, fitted to a sample."""

    sample: Sample
    scaled: Float[np.ndarray, "m d"]
    fit: Profile
    auxiliary: Float[np.ndarray, " k"]
    data_slopes: Float[np.ndarray, "m k"]
    slopes: Float[np.ndarray, "n k"]
    w: Float[np.ndarray, " n"]

    def data_features(self, machine: Machine) -> Float[np.ndarray, "m q"]:
        return np.hstack([machine.reference.basis.features(self.scaled), self.data_slopes])


def solve(matrix: Float[np.ndarray, "q q"], rhs: Float[np.ndarray, " q"]) -> Float[np.ndarray, " q"]:
    """The solution, for a positive matrix.

    Raises:
        FitError: it is not positive.
    """
    try:
        return linalg.cho_solve(linalg.cho_factor(matrix, lower=True), rhs)
    except linalg.LinAlgError:
        raise FitError("Got a loss whose curvature is not positive: negative weights outweigh the others.") from None
