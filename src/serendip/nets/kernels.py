"""A Gaussian kernel on a few centres, as features in which its norm is the Euclidean one (Nyström).

f(x) = k(x, centres)·α has the norm αᵀ (K + δ) α, with the jitter δ = 1e-13 M of the published code, which is part of
the statistic: where a sample reaches beyond the centres, functions that nearly vanish on them matter.

Smooth kernels need few of their centres. Pivoted Cholesky picks those, to the last digit; the kernel at the others is
then interpolated, k(x, centres) ≈ W k(x, pivots), by least squares on centres and outermost events. With W = Q R only
α = Q γ matters, of norm γᵀ (Qᵀ K Q + δ) γ. In one dimension a thousand centres become about thirty.

Sources: Rudi, Carratino & Rosasco 2017, arXiv:1705.10958; Harbrecht, Peters & Schneider 2012 for the pivoting. The norm
after interpolation is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, blas, cholesky, lapack, qr, solve_triangular

from serendip.errors import FitError, InputError

JITTER = 1e-13  # of the kernel's norm, times the number of centres
ROUNDING = 3e-16  # of k(z, z) = 1: where pivoting stops, for nothing is left of a centre's kernel
FEW, SHARE = 100, 0.5  # all centres are kept of so few, or where more than this share of them is needed
PROBES = 1000  # events farthest out on which the interpolation is fitted too
ROWS = 4096  # events whose kernel is computed at once, so that it stays in cache
EXACT_DIMENSIONS = 3  # up to here differences are taken one by one; beyond, |x|² + |z|² − 2xz loses a few digits


@dataclass(frozen=True, eq=False)
class NystromBasis:
    """The functions that a Gaussian kernel spans on its centres.

    Attributes:
        pivots: the centres that span the others, (q, d).
        transform: from the kernel at the pivots to features.
        width: σ of exp(−|x − z|² / 2σ²).
        triangular: whether `transform` is an upper triangle, as it is where all centres are kept.
        truncation: how far, at most, a function of unit norm on one centre is from its interpolation; 0 if all are kept.
    """

    pivots: Float[np.ndarray, "q d"]
    transform: Float[np.ndarray, "q q"]
    width: float
    triangular: bool
    truncation: float

    def __len__(self) -> int:
        return len(self.pivots)

    def kernel(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n q"]:
        """The kernel between events and pivots; times `transform` it is the features."""
        return gaussian_kernel(x, self.pivots, self.width)

    def chunks(self, x: Float[np.ndarray, "n d"]) -> Iterator[tuple[slice, Float[np.ndarray, "rows q"]]]:
        """Rows of `x`, and their features."""
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            yield rows, self._transformed(self.kernel(x[rows]))

    def features(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n q"]:
        """φ(x), at most of unit length."""
        result = np.empty((len(x), len(self)))
        for rows, chunk in self.chunks(x):
            result[rows] = chunk
        return result

    def _transformed(self, kernel: Float[np.ndarray, "n q"]) -> Float[np.ndarray, "n q"]:
        if not self.triangular:
            return kernel @ self.transform
        # (K T)ᵀ = Tᵀ Kᵀ in place: half the work of a full product.
        return blas.dtrmm(1.0, self.transform.T, kernel.T, lower=1, overwrite_b=1).T


def nystrom_basis(
    centres: Float[np.ndarray, "m d"], width: float, outer: Float[np.ndarray, "k d"] | None = None
) -> NystromBasis:
    """The basis of these centres; duplicates among them span nothing new, and do no harm.

    Args:
        centres: in units in which all directions are alike.
        width: of the kernel, in the same units.
        outer: events beyond the centres, where the interpolation shall hold too.

    Raises:
        InputError: no centres, or a width that is not above 0.
        FitError: the kernel is singular beyond what the jitter cures.
    """
    if not (np.isfinite(width) and width > 0):
        raise InputError(f"Got a kernel of width {width:g}, but expected a width above 0.")
    if len(centres) == 0:
        raise InputError("Got no centres, but expected at least one.")
    kernel = gaussian_kernel(centres, centres, width)
    pivots = centres[_pivots(kernel)]
    jitter = JITTER * len(centres)
    if len(centres) <= FEW or len(pivots) > SHARE * len(centres):
        return NystromBasis(centres, _whitening(kernel, jitter), float(width), triangular=True, truncation=0.0)
    probes = centres if outer is None else np.concatenate([centres, outer])
    w, error = _interpolate(gaussian_kernel(probes, pivots, width), gaussian_kernel(probes, centres, width))
    q, r = qr(w, mode="economic")
    transform = r.T @ _whitening(q.T @ kernel @ q, jitter)
    return NystromBasis(pivots, transform, float(width), triangular=False, truncation=float(error / np.sqrt(jitter)))


def outermost(x: Float[np.ndarray, "n d"], count: int = PROBES) -> Float[np.ndarray, "k d"]:
    """The events farthest from the mean."""
    if len(x) <= count:
        return x
    distance = ((x - x.mean(axis=0)) ** 2).sum(axis=1)
    return x[np.argpartition(distance, -count)[-count:]]


def _pivots(kernel: Float[np.ndarray, "m m"]) -> np.ndarray:
    _, order, rank, _ = lapack.dpstrf(np.asfortranarray(kernel), tol=ROUNDING, lower=1)
    return order[:rank] - 1


def _interpolate(at_pivots: np.ndarray, at_centres: np.ndarray) -> tuple[np.ndarray, float]:
    """W of at_centres ≈ at_pivots Wᵀ, and the largest error.

    From QR, never from normal equations, for the jitter acts in W's small directions. A ridge of the size of rounding
    keeps W bounded where a pivot is another's copy.
    """
    ridge = ROUNDING * np.eye(at_pivots.shape[1])
    q, r = qr(np.concatenate([at_pivots, ridge]), mode="economic")
    w = solve_triangular(r, q[: len(at_pivots)].T @ at_centres).T
    return w, float(np.abs(at_pivots @ w.T - at_centres).max())


def _whitening(norm: Float[np.ndarray, "q q"], jitter: float) -> Float[np.ndarray, "q q"]:
    """L⁻ᵀ of L Lᵀ = norm + jitter: what turns coefficients of this norm into those of the Euclidean one."""
    try:
        inverse, _ = lapack.dtrtri(cholesky(norm + jitter * np.eye(len(norm)), lower=True), lower=1)
    except LinAlgError:
        raise FitError(
            f"Got a singular kernel of {len(norm)} centres, but expected one that {jitter:g} on the diagonal cures. "
            "Take a smaller width or fewer centres."
        ) from None
    return np.ascontiguousarray(np.tril(inverse).T)


def gaussian_kernel(x: Float[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], width: float) -> Float[np.ndarray, "n m"]:
    """exp(−|x − z|² / 2σ²)."""
    with np.errstate(over="ignore"):  # a distance beyond all numbers is infinite, and its kernel 0
        if x.shape[1] <= EXACT_DIMENSIONS:
            exponent = _differences(x / (np.sqrt(2) * width), z / (np.sqrt(2) * width))
        else:
            middle = z.mean(axis=0)
            exponent = _expanded((x - middle) / width, (z - middle) / width)
    return np.exp(exponent, out=exponent)


def _differences(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """−|x − z|²."""
    total = np.subtract.outer(x[:, 0], z[:, 0])
    np.multiply(total, total, out=total)
    for a, b in zip(x.T[1:], z.T[1:], strict=True):
        difference = np.subtract.outer(a, b)
        total += np.multiply(difference, difference, out=difference)
    return np.negative(total, out=total)


def _expanded(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """−|x − z|²/2 by one matrix product: x·z − |x|²/2 − |z|²/2."""
    left = np.column_stack([x, -0.5 * (x**2).sum(axis=1), np.ones(len(x))])
    right = np.column_stack([z, np.ones(len(z)), -0.5 * (z**2).sum(axis=1)])
    exponent = left @ right.T
    return np.minimum(exponent, 0.0, out=exponent)
