"""Ridge problems on a Gaussian kernel with so many centres that N×M values do not fit into memory.

As FALKON (Rudi, Carratino & Rosasco 2017, arXiv:1705.10958) it iterates on slices of the kernel; its preconditioner is
another. Centres are sorted by pivoted Cholesky, so that the first features hold nearly all that events see. Among those
the normal matrix is factored; the others count by their diagonal, which is near the ridge (two levels, in the spirit of
Frangella, Tropp & Udell 2021, arXiv:2110.02820). Where the features are few, as smooth kernels leave them, all are first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, blas, cholesky, lapack, qr

from serendip.errors import FitError
from serendip.nets.kernel_products import KernelProducts
from serendip.nets.kernel_solver import conjugate_gradients

WHOLE = 6000  # features up to which the normal matrix of the shared events is formed from all of them
LEADING = 3000  # features on the first level beyond that
PER_FEATURE = 16  # events that the first level is then estimated from, for each of its features
JITTER = 1e-13  # of the kernel's norm, times the number of centres: a convention of the published statistic
RESIDUAL = 1e-14  # of k(c, c) = 1 that may be left at a centre; below it rounding is factored
FEW = 0.5  # share of the centres above which all are kept
ROWS = 4096  # events whose leading features are in memory at once

Events = tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]  # where they are, and their curvature of the loss


@dataclass(frozen=True, eq=False)
class ManyCentres:
    """Sorted centres, and what toys share; memory M² numbers for the factor while it is made.

    Attributes:
        products: with the kernel of the centres that span the others.
        factor: lower L with αᵀ L Lᵀ α the norm |f|², K + jitter. Features are φ(x) = L⁻¹ k(x); their norm is Euclidean.
        residual: the largest part of k(c, c) = 1 at a centre that is not spanned.
        shared: events that are in every toy.
        gram: Σ curvature φ φᵀ over the shared events, where the features are few.
        leading: lower Cholesky factor of the system among the first features.
        trailing: diagonal of the system for the others.
    """

    products: KernelProducts
    factor: Float[np.ndarray, "q q"]
    residual: float
    shared: Events
    gram: Float[np.ndarray, "q q"] | None
    leading: Float[np.ndarray, "r r"]
    trailing: Float[np.ndarray, " s"]

    def solve(
        self,
        toys: Sequence[Events],
        rhs: Float[np.ndarray, "q toys"],
        ridge: Float[np.ndarray, " toys"],
        tolerance: float,
    ) -> tuple[Float[np.ndarray, "q toys"], float, int]:
        """Minimise ½ Σ curvature f² − rhs·α + ½ ridge |f|² for each toy, over f(x) = Σ α k(x).

        Where the shared events' kernel is needed it is made once an iteration for all toys.

        Args:
            toys: events of each, besides the shared ones.
            rhs: a column a toy, on kernel columns: Kᵀ times minus the first derivative of the loss at f = 0.
            ridge: factor of |f|².
            tolerance: of the residual, relative to the right-hand side, in the basis of features.

        Returns:
            α, the largest relative residual, and the iterations done.

        Raises:
            FitError: negative weights leave no minimum.
        """

        def matrix(v: np.ndarray) -> np.ndarray:
            alpha = self._back(v)
            pulled = np.column_stack([self.products.normal(*toy, alpha[:, [i]]) for i, toy in enumerate(toys)])
            if self.gram is not None:
                return self.gram @ v + self._forward(pulled) + ridge * v
            return self._forward(pulled + self.products.normal(*self.shared, alpha)) + ridge * v

        beta, residual, iterations = conjugate_gradients(matrix, self._precondition, self._forward(rhs), tolerance)
        return self._back(beta), residual, iterations

    def _forward(self, v: np.ndarray) -> np.ndarray:
        """L⁻¹ v."""
        return blas.dtrsm(1.0, self.factor, v, lower=1)

    def _back(self, v: np.ndarray) -> np.ndarray:
        """L⁻ᵀ v."""
        return blas.dtrsm(1.0, self.factor, v, lower=1, trans_a=1)

    def _precondition(self, v: np.ndarray) -> np.ndarray:
        r = len(self.leading)
        half = blas.dtrsm(1.0, self.leading, v[:r], lower=1)
        return np.concatenate([blas.dtrsm(1.0, self.leading, half, lower=1, trans_a=1), v[r:] / self.trailing[:, None]])


def many_centres(
    centres: Float[np.ndarray, "m d"], width: float, shared: Events, ridge: float, *, times: float = 2.0
) -> ManyCentres:
    """Sort and factor the kernel of the centres, M³/3 multiply-adds at most, and make the preconditioner.

    Args:
        centres: duplicates among them span nothing new, and do no harm.
        width: σ of the Gaussian kernel.
        shared: events that are in every toy.
        ridge: factor of |f|² in a typical toy.
        times: what a toy's curvature is with its own events, over that of the shared ones; for the preconditioner.

    Raises:
        FitError: negative weights leave no minimum.
    """
    products, factor, residual = _sorted_factor(centres, width)
    q = len(factor)
    whole = q <= WHOLE
    r = q if whole else min(LEADING, q)
    step = 1 if whole else max(1, len(shared[1]) // (PER_FEATURE * r))
    normal = _normal(KernelProducts(products.centres[:r], width), factor[:r, :r], shared, step)
    leading = _factor(times * normal + ridge * np.eye(r))
    seen = np.array([column @ column for column in factor[:, r:].T]) * (np.abs(shared[1]).sum() / q)
    return ManyCentres(products, factor, residual, shared, normal if whole else None, leading, times * seen + ridge)


def _sorted_factor(centres: np.ndarray, width: float) -> tuple[KernelProducts, np.ndarray, float]:
    """The centres that span the others, in the order of how much they add; L of the norm; and what is left at a centre."""
    m, jitter = len(centres), JITTER * len(centres)
    kernel = KernelProducts(centres, width).block(centres).T  # symmetric; its transpose is in LAPACK's order
    factor, order, rank, _ = lapack.dpstrf(kernel, tol=RESIDUAL, lower=1, overwrite_a=1)
    sort = order - 1
    if rank > FEW * m:
        del factor, kernel
        products = KernelProducts(centres[sort], width)
        kernel = products.block(products.centres).T
        np.fill_diagonal(kernel, 1 + jitter)
        return products, _factor(kernel), 0.0
    for j in range(1, rank):
        factor[:j, j] = 0.0
    spanning = factor[:, :rank]
    left = 1 - min((row @ row for row in spanning[rank:]), default=1.0)
    pivots, bend = np.asfortranarray(spanning[:rank]), _jittered(spanning, jitter)
    return KernelProducts(centres[sort[:rank]], width), np.asfortranarray(np.tril(pivots @ bend)), float(max(left, 0.0))


def _jittered(spanning: Float[np.ndarray, "m q"], jitter: float) -> Float[np.ndarray, "q q"]:
    """Lower B with B Bᵀ = 1 + jitter (FᵀF)⁻¹, for K = F Fᵀ.

    The least of αᵀ(K + jitter)α over all α that make the same function; from QR, since small directions count.
    """
    (triangle,) = qr(spanning, mode="r", check_finite=False)
    inverse, _ = lapack.dtrtri(np.asfortranarray(triangle[: spanning.shape[1]]), lower=0)
    norm = jitter * (inverse @ inverse.T)
    norm.flat[:: len(norm) + 1] += 1.0
    return cholesky(norm, lower=True, overwrite_a=True, check_finite=False)


def _normal(products: KernelProducts, factor: np.ndarray, events: Events, step: int) -> Float[np.ndarray, "r r"]:
    """Σ curvature φ φᵀ, from every so many-th event."""
    x, curvature = events[0][::step], events[1][::step]
    factor, total = np.asfortranarray(factor), np.zeros((len(factor),) * 2)
    signed = bool((curvature < 0).any())
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        features = blas.dtrsm(1.0, factor, products.block(x[rows]).T, lower=1)
        if signed:
            total += (features * curvature[rows]) @ features.T
        else:  # BLAS sees that the factors are one, and takes half the time
            features *= np.sqrt(curvature[rows])
            total += features @ features.T
    return total * (len(events[1]) / len(curvature))


def _factor(matrix: Float[np.ndarray, "r r"]) -> Float[np.ndarray, "r r"]:
    try:
        return np.asfortranarray(cholesky(matrix, lower=True, overwrite_a=True, check_finite=False))
    except LinAlgError:
        raise FitError(
            "Got a loss whose curvature is not positive: negative weights outweigh the positive ones somewhere. "
            "Raise the penalty or the width, or merge events until their weights are positive."
        ) from None
