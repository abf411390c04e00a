"""How well scores tell signal from background: ROC, AUC and significance improvement, with bootstrap errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

from serendip.errors import InputError
from serendip.seeds import rng_for


@dataclass(frozen=True)
class RocCurve:
    """What passes each cut `score >= cut`, from the tightest to the loosest; the first passes nothing.

    Attributes:
        cuts: the distinct scores in falling order, after +inf.
        eps_s: signal efficiency, the fraction of the signal weight that passes.
        eps_b: background efficiency; negative weights may let it fall from one cut to the next.
        n_s: effective number of signal events that pass, (Σw)² / Σw²; their plain number for equal weights.
        n_b: the same for the background.
    """

    cuts: Float[np.ndarray, " k"]
    eps_s: Float[np.ndarray, " k"]
    eps_b: Float[np.ndarray, " k"]
    n_s: Float[np.ndarray, " k"]
    n_b: Float[np.ndarray, " k"]


@dataclass(frozen=True)
class MaxSic:
    """The largest significance improvement and where it lies; without its background count it means nothing."""

    value: float
    cut: float
    eps_s: float
    eps_b: float
    n_signal: float
    n_background: float


@dataclass(frozen=True)
class Estimate:
    """A figure and its bootstrap error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


@dataclass(frozen=True)
class Performance:
    """The figures of one score, with bootstrap errors.

    Attributes:
        auc: area under the ROC curve.
        max_sic: largest ε_S / √ε_B; every bootstrap replica chooses its own cut.
        best: that cut, its efficiencies and its event counts.
        sic_at: ε_S / √ε_B at fixed background efficiencies.
        replicas: how many bootstrap replicas stand behind the errors.
    """

    auc: Estimate
    max_sic: Estimate
    best: MaxSic
    sic_at: dict[float, Estimate]
    replicas: int


def performance(
    scores: Float[np.ndarray, " n"],
    truth: Bool[np.ndarray, " n"],
    w: Float[np.ndarray, " n"] | None = None,
    *,
    fprs: Sequence[float] = (1e-2, 1e-3),
    min_background: float = 25,
    replicas: int = 100,
    seed: int = 0,
) -> Performance:
    """AUC, largest SIC and SIC at fixed background efficiency, with errors.

    The error is the standard deviation over replicas in which each event counts Poisson(1) times (Chamandy et al. 2012,
    "Estimating uncertainty for massive data streams"): the sample's fluctuation, not the training's. Trap: the
    largest of many cuts is biased upwards, the more the fewer background events pass it.

    Args:
        scores: higher is more signal-like.
        truth: which events are signal.
        w: event weights, of either sign.
        fprs: background efficiencies at which the SIC is wanted.
        min_background: effective background events that must pass the cut of the largest SIC.
        replicas: of the bootstrap; at least 2.
        seed: of the bootstrap.

    Raises:
        InputError: scores or weights are not finite, or a class is empty or sums to no positive weight.
    """
    ranked = _rank(scores, truth, w)
    roc = ranked.curve()
    best = max_sic(roc, min_background)
    table = np.array([_figures(replica, fprs, min_background) for replica in ranked.replicas(replicas, seed)])
    errors = np.nanstd(table, axis=0, ddof=1)
    values = _figures(roc, fprs, min_background)
    area, largest, *fixed = (Estimate(float(v), float(e)) for v, e in zip(values, errors, strict=True))
    return Performance(area, largest, best, dict(zip(fprs, fixed, strict=True)), replicas)


def roc_curve(
    scores: Float[np.ndarray, " n"], truth: Bool[np.ndarray, " n"], w: Float[np.ndarray, " n"] | None = None
) -> RocCurve:
    """The ROC curve at every distinct score, so that tied events pass together; see `performance` for the arguments."""
    return _rank(scores, truth, w).curve()


def auc(roc: RocCurve) -> float:
    """Area under the ROC curve: P(signal scores higher) + P(tie) / 2, for weights of either sign."""
    return float(np.diff(roc.eps_b) @ (roc.eps_s[1:] + roc.eps_s[:-1])) / 2


def sic_curve(roc: RocCurve) -> Float[np.ndarray, " k"]:
    """Significance improvement ε_S / √ε_B at each cut; nan where no positive background weight passes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(roc.eps_b > 0, roc.eps_s / np.sqrt(np.maximum(roc.eps_b, 0)), np.nan)


def max_sic(roc: RocCurve, min_background: float = 25) -> MaxSic:
    """The largest SIC among the cuts that enough background passes.

    Source: the count behind the cut is the convention of arXiv:2309.13111 (25 events, a 20 % error on ε_B).

    Raises:
        InputError: no cut passes that many background events.
    """
    allowed = (roc.n_b >= min_background) & (roc.eps_b > 0)
    if not allowed.any():
        raise InputError(
            f"Got {roc.n_b.max():g} effective background events, but expected at least min_background="
            f"{min_background:g}. Evaluate on a larger sample."
        )
    i = int(np.argmax(np.where(allowed, sic_curve(roc), -np.inf)))
    sic = roc.eps_s[i] / np.sqrt(roc.eps_b[i])
    return MaxSic(*map(float, (sic, roc.cuts[i], roc.eps_s[i], roc.eps_b[i], roc.n_s[i], roc.n_b[i])))


def sic_at(roc: RocCurve, fpr: float) -> float:
    """SIC at a background efficiency, ε_S interpolated linearly to the first cut that passes it.

    Raises:
        InputError: the efficiency is not in (0, 1].
    """
    if not 0 < fpr <= 1:
        raise InputError(f"Got fpr={fpr}, but expected 0 < fpr <= 1.")
    i = max(int(np.argmax(roc.eps_b >= fpr * (1 - 1e-12))), 1)
    share = (fpr - roc.eps_b[i - 1]) / (roc.eps_b[i] - roc.eps_b[i - 1])
    return float((roc.eps_s[i - 1] + share * (roc.eps_s[i] - roc.eps_s[i - 1])) / np.sqrt(fpr))


@dataclass(frozen=True)
class _Ranked:
    """Events in falling order of score; `ends` closes each group of equal scores."""

    cuts: Float[np.ndarray, " k"]
    ends: Num[np.ndarray, " groups"]
    is_signal: Bool[np.ndarray, " n"]
    w: Float[np.ndarray, " n"]

    def curve(self, times: Num[np.ndarray, " n"] | None = None) -> RocCurve:
        """The curve, each event counted so many times."""
        w = self.w if times is None else self.w * times
        eps_s, n_s = self._passing(w * self.is_signal)
        eps_b, n_b = self._passing(w * ~self.is_signal)
        return RocCurve(self.cuts, eps_s, eps_b, n_s, n_b)

    def _passing(self, w: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        passed = np.append(0.0, np.cumsum(w)[self.ends])
        squares = np.append(0.0, np.cumsum(w**2)[self.ends])
        effective = np.divide(passed**2, squares, out=np.zeros_like(passed), where=squares > 0)
        return passed / passed[-1], effective

    def replicas(self, n: int, seed: int) -> Iterator[RocCurve]:
        for i in range(n):
            yield self.curve(rng_for(seed, "roc_bootstrap", i).poisson(1.0, len(self.w)))


def _rank(scores: Float[np.ndarray, " n"], truth: Bool[np.ndarray, " n"], w: Float[np.ndarray, " n"] | None) -> _Ranked:
    w = np.ones(len(scores)) if w is None else w
    if not (np.isfinite(scores).all() and np.isfinite(w).all()):
        raise InputError("Got scores or weights that are not finite, but expected finite numbers for every event.")
    for name, chosen in (("signal", truth), ("background", ~truth)):
        if not w[chosen].sum() > 0:
            raise InputError(
                f"Got {int(chosen.sum())} {name} events of total weight {w[chosen].sum():g}, "
                "but expected a positive total weight."
            )
    order = np.argsort(-scores, kind="stable")
    falling = scores[order].astype(float)
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return _Ranked(np.append(np.inf, falling[ends]), ends, truth[order], w[order])


def _figures(roc: RocCurve, fprs: Sequence[float], min_background: float) -> list[float]:
    return [auc(roc), max_sic(roc, min_background).value, *(sic_at(roc, fpr) for fpr in fprs)]
