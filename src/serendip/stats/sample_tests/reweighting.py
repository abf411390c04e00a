"""ln of the density ratio of two samples, learned by a smooth kernel logistic regression, with its closure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist
from threadpoolctl import threadpool_limits

from serendip.errors import InputError, require_events
from serendip.nets.kernel_logistic import newton
from serendip.nets.kernels import NystromBasis, nystrom_basis
from serendip.seeds import rng_for
from serendip.stats.sample_tests.sample import Sample
from serendip.stats.two_sample import TwoSampleResult, two_sample_test

CENTRES = 300
OFFSET = 30.0  # of the constant: its prior is as many times wider than that of the kernel's part
HELD_OUT = 0.25  # of each sample, for the closure
FEWEST = 500


@dataclass(frozen=True)
class Closure:
    """Can the reweighted nominal sample be told from the variations? Events held out of the training say.

    Attributes:
        up: the two-sample test at ν = +1.
        down: at ν = −1.
    """

    up: TwoSampleResult
    down: TwoSampleResult

    @property
    def p(self) -> float:
        """The smaller p, times two for the choice."""
        return min(1.0, 2 * min(self.up.p.p, self.down.p.p))

    @property
    def auc(self) -> float:
        """The larger AUC; 0.5 closes. Trap: with many simulated events p is small before it matters to few data."""
        return max(self.up.auc, self.down.auc)


@dataclass(frozen=True, eq=False)
class LogRatio:
    """A learned ln ratio: a constant and Gaussian kernels on centres, over standardised features.

    Attributes:
        middle: means of the features.
        spread: their standard deviations.
        basis: the kernels.
        theta: coefficients of the constant and of the basis.
    """

    middle: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    basis: NystromBasis
    theta: Float[np.ndarray, " q1"]

    def __call__(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """ln of the ratio at events."""
        return self._features(x) @ self.theta

    def _features(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n q1"]:
        return np.hstack([np.full((len(x), 1), OFFSET), self.basis.features((x - self.middle) / self.spread)])


def learn_log_ratio(numerator: Sample, denominator: Sample, *, seed: int = 0) -> LogRatio:
    """ln n_numerator(x) / n_denominator(x), total weights included.

    The maximum of the weighted logistic likelihood with a Gaussian prior: a constant, nearly free, plus a Gaussian process
    of unit variance whose kernel is as wide as the median distance of events. With many events the prior fades; with few
    it pulls to a constant, not to noise.

    Args:
        numerator: events and weights of one sample.
        denominator: of the other.
        seed: of the kernel's centres.

    Raises:
        InputError: features differ in number, one is constant, or the weights of a sample cancel.
        FitError: negative weights outweigh the positive ones somewhere.
    """
    _require_comparable(numerator, denominator)
    blank = _untrained(denominator, seed)
    mean_weight = (np.abs(numerator.w).sum() + np.abs(denominator.w).sum()) / (len(numerator) + len(denominator))
    sides = [(blank._features(s.x), s.w / mean_weight, sign) for s, sign in ((numerator, 1.0), (denominator, -1.0))]
    with threadpool_limits(1):
        theta = newton(sides, 1.0, blank.theta)
    return LogRatio(blank.middle, blank.spread, blank.basis, theta)


def fit_with_closure(nominal: Sample, variation: Sample, *, seed: int = 0) -> tuple[LogRatio, TwoSampleResult]:
    """Learn ln variation / nominal on three quarters of the events; on the last, test the reweighted nominal for closure.

    Raises:
        TooFewEventsError: a sample holds fewer than 500 events.
    """
    require_events(FEWEST, nominal_sample=nominal, variation=variation)
    train_nominal, held = _split(nominal, seed)
    train_variation, held_variation = _split(variation, seed)  # in one order: of moved events, noise then cancels
    learned = learn_log_ratio(train_variation, train_nominal, seed=seed)
    a, b = held[::2], held_variation[1::2]  # a moved event is not tested against itself
    return learned, two_sample_test(a.x, b.x, a.w * np.exp(learned(a.x)), b.w, seed=seed)


def _split(sample: Sample, seed: int) -> tuple[Sample, Sample]:
    order = rng_for(seed, "closure split").permutation(len(sample))
    held = int(HELD_OUT * len(sample))
    return sample[order[held:]], sample[order[:held]]


def _untrained(sample: Sample, seed: int) -> LogRatio:
    middle, spread = sample.x.mean(axis=0), sample.x.std(axis=0)
    if not (spread > 0).all():
        raise InputError(f"Got feature {int(np.argmin(spread))} constant, but expected it to vary. Leave it out.")
    rows = rng_for(seed, "reweighting centres").choice(len(sample), min(CENTRES, len(sample)), replace=False)
    centres = (sample.x[rows] - middle) / spread
    basis = nystrom_basis(centres, float(np.median(pdist(centres))))
    return LogRatio(middle, spread, basis, np.zeros(len(basis) + 1))


def _require_comparable(a: Sample, b: Sample) -> None:
    if a.x.shape[1] != b.x.shape[1]:
        raise InputError(f"Got samples of {a.x.shape[1]} and {b.x.shape[1]} features, but expected the same.")
    if not (a.total > 0 and b.total > 0):
        raise InputError(f"Got total weights {a.total:g} and {b.total:g}, but expected both above 0.")
