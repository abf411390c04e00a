"""Weighted logistic regression on kernel features, of many samples against one reference.

The loss of f = φ·θ is Σ_D w log(1 + e^−f) + Σ_R w log(1 + e^f) + ridge |θ|²/2; its minimum estimates log D/R. The
reference's part is computed once, and its f for all samples at once.

Source: Marteau-Ferey, Bach & Rudi 2019, arXiv:1907.01771; Letizia et al. 2022, arXiv:2204.02317.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit

from serendip.errors import FitError
from serendip.nets.kernel_solver import solve_shared
from serendip.nets.kernels import ROWS, NystromBasis

SINGLE_ABOVE = 1 << 26  # reference features beyond this are stored in float32: 512 MB in double precision
ITERATIVE_ABOVE = 500  # features beyond which a sample's own Gram matrix costs more than conjugate gradients
TOLERANCE = 1e-6  # of conjugate gradients: t = 150 is off by 4e-5; a tenth of it for an iteration more
SETTLED = 1e-16  # Newton decrement relative to the loss at which rounding is reached
NEWTON_STEPS = 100
CHUNK = 1 << 16  # numbers of f held at once: 512 kB, so that they stay in cache


@dataclass(frozen=True, eq=False)
class LogisticReference:
    """One side of the regression, shared by all samples.

    Attributes:
        basis: of the features.
        features: φ of the reference's events.
        w: their weights, scaled to what the reference expects in a sample.
        gram: Σ w φ φᵀ.
        mean: Σ w φ.
    """

    basis: NystromBasis
    features: Float[np.ndarray, "n q"]
    w: Float[np.ndarray, " n"]
    gram: Float[np.ndarray, "q q"]
    mean: Float[np.ndarray, " q"]
    _shared: dict[float, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def iterative(self) -> bool:
        """Whether samples are solved by conjugate gradients."""
        return len(self.basis) > ITERATIVE_ABOVE

    def preconditioner(self, ridge: float) -> Float[np.ndarray, "q q"]:
        """Cholesky factor of the matrix that a sample like the reference has, to 3 % in the ridge."""
        near = float(np.exp2(np.round(np.log2(ridge) * 16) / 16))
        if near not in self._shared:
            self._shared.clear()
            self._shared[near] = _factor(self.gram / 2 + near * np.eye(len(self.mean)))
        return self._shared[near]

    def excess(self, theta: Float[np.ndarray, "q k"]) -> Float[np.ndarray, " k"]:
        """Σ w (e^f − 1) for many θ at once; infinite where e^f overflows."""
        total = np.zeros(theta.shape[1])
        theta = theta.astype(self.features.dtype)
        rows = max(64, CHUNK // max(theta.shape[1], 1))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(self.w), rows):
                f = self.features[start : start + rows] @ theta
                total += self.w[start : start + rows].astype(f.dtype) @ np.expm1(f, out=f)
        return total


def logistic_reference(
    basis: NystromBasis, x: Float[np.ndarray, "n d"], w: Float[np.ndarray, " n"]
) -> LogisticReference:
    """The features of a reference, and their moments in double precision however they are stored."""
    stored = np.float64 if len(x) * len(basis) <= SINGLE_ABOVE else np.float32
    features = np.empty((len(x), len(basis)), stored)
    gram = np.zeros((len(basis), len(basis)))
    mean = np.zeros(len(basis))
    for rows, chunk in basis.chunks(x):
        features[rows] = chunk
        gram += weighted_gram(chunk, w[rows])
        mean += w[rows] @ chunk
    return LogisticReference(basis, features, w, gram, mean)


def moments(
    features: Float[np.ndarray, "n q"], w: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "q q"], Float[np.ndarray, " q"]]:
    """Σ w φ φᵀ and Σ w φ, in double precision however the features are stored."""
    gram, mean = np.zeros((features.shape[1],) * 2), np.zeros(features.shape[1])
    for start in range(0, len(w), ROWS):
        chunk, part = features[start : start + ROWS].astype(float), w[start : start + ROWS]
        gram += weighted_gram(chunk, part)
        mean += part @ chunk
    return gram, mean


def weighted_gram(features: Float[np.ndarray, "n q"], w: Float[np.ndarray, " n"]) -> Float[np.ndarray, "q q"]:
    """Σ w φ φᵀ."""
    if len(w) and w.min() == w.max():  # one triangle suffices, and BLAS sees that it does
        return float(w[0]) * (features.T @ features)
    return features.T @ (w[:, None] * features)


def one_step(gram: Float[np.ndarray, "q q"], mean: Float[np.ndarray, " q"], ridge: float) -> Float[np.ndarray, " q"]:
    """One Newton step from f = 0.

    Args:
        gram: Σ w φ φᵀ of sample and reference together.
        mean: Σ w φ of the sample less that of the reference.
        ridge: of the loss.

    Raises:
        FitError: the curvature is not positive, as negative weights can make it.
    """
    matrix = gram / 4
    matrix.flat[:: len(matrix) + 1] += ridge
    return cho_solve((_factor(matrix), True), mean / 2, check_finite=False)


def one_step_iterative(
    reference: LogisticReference,
    kernel: Float[np.ndarray, "m q"],
    w: Float[np.ndarray, " m"],
    mean: Float[np.ndarray, " q"],
    ridge: float,
) -> Float[np.ndarray, " q"]:
    """The same by conjugate gradients, from the sample's kernel at the pivots alone.

    Args:
        reference: the other side.
        kernel: of the sample, as `basis.kernel` gives it.
        w: the sample's weights.
        mean: Σ w φ of the sample.
        ridge: of the loss.

    Raises:
        FitError: the curvature is not positive, or the iterations did not converge.
    """
    factor = reference.preconditioner(ridge)
    rhs = (mean - reference.mean)[:, None] / 2
    theta, residual = solve_shared(
        factor, reference.gram / 4, kernel, w / 4, rhs, ridge, TOLERANCE, basis=reference.basis.transform
    )
    if residual > 100 * TOLERANCE:
        raise FitError(
            f"Got a residual of {residual:.1e} from conjugate gradients, but expected {TOLERANCE:g}. Raise the penalty."
        )
    return theta[:, 0]


def newton(
    sides: list[tuple[np.ndarray, np.ndarray, float]], ridge: float, start: Float[np.ndarray, " q"]
) -> Float[np.ndarray, " q"]:
    """The minimum of the loss, by Newton steps that are halved until the loss falls.

    Args:
        sides: features, weights and sign for the sample (+1) and for the reference (−1).
        ridge: of the loss.
        start: θ to begin from.

    Raises:
        FitError: the curvature is not positive, or the loss does not settle.
    """
    loss = _penalised_loss(sides, ridge)
    theta, value = start, loss(start)
    if not value < loss(np.zeros_like(start)):
        theta, value = np.zeros_like(start), loss(np.zeros_like(start))
    for _ in range(NEWTON_STEPS):
        gradient, curvature = _derivatives(sides, ridge, theta)
        step = cho_solve((_factor(curvature), True), gradient, check_finite=False)
        decrement = float(gradient @ step)
        lower, value = _descend(loss, theta, value, step, decrement)
        if decrement <= SETTLED * (1 + abs(value)) or (lower is theta and decrement < 1e-9 * (1 + abs(value))):
            return lower
        theta = lower
    raise FitError(f"Got no minimum of the loss in {NEWTON_STEPS} Newton steps. Raise the penalty.")


def _penalised_loss(sides: list[tuple[np.ndarray, np.ndarray, float]], ridge: float) -> Callable[[np.ndarray], float]:
    def loss(theta: np.ndarray) -> float:
        fit = sum(float(w @ np.logaddexp(0.0, -sign * (phi @ theta))) for phi, w, sign in sides)
        return fit + 0.5 * ridge * float(theta @ theta)

    return loss


def _derivatives(
    sides: list[tuple[np.ndarray, np.ndarray, float]], ridge: float, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    gradient, curvature = ridge * theta, ridge * np.eye(len(theta))
    for phi, w, sign in sides:
        missed = expit(-sign * (phi @ theta))
        gradient = gradient - sign * ((w * missed) @ phi)
        curvature += weighted_gram(phi, w * missed * (1 - missed))
    return gradient, curvature


def _descend(
    loss: Callable[[np.ndarray], float], theta: np.ndarray, value: float, step: np.ndarray, decrement: float
) -> tuple[np.ndarray, float]:
    """The longest of the steps 1, ½, ¼ … that lowers the loss enough (Armijo); none, where rounding is reached."""
    length = 1.0
    while length > 1e-10:
        trial = theta - length * step
        lower = loss(trial)
        if lower <= value - 1e-4 * length * decrement:
            return trial, lower
        length /= 2
    return theta, value


def _factor(matrix: Float[np.ndarray, "q q"]) -> Float[np.ndarray, "q q"]:
    try:
        return cho_factor(matrix, lower=True, check_finite=False)[0]
    except LinAlgError:
        raise FitError(
            "Got a loss whose curvature is not positive: negative weights outweigh the positive ones somewhere. "
            "Raise the penalty or the width, or merge events until their weights are positive."
        ) from None
