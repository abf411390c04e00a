"""Ridge systems that differ from toy to toy by a few events: conjugate gradients with a preconditioner they share.

Sources: Rudi, Carratino & Rosasco 2017, arXiv:1705.10958; Frangella, Tropp & Udell 2021, arXiv:2110.02820.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_solve

from serendip.errors import FitError

LIMIT = 200  # iterations; a preconditioner that fits needs five to twenty


def solve_shared(
    chol_preconditioner: Float[np.ndarray, "r r"],
    gram_reference: Float[np.ndarray, "r r"],
    features: Float[np.ndarray, "m q"],
    curvature: Float[np.ndarray, " m"],
    rhs: Float[np.ndarray, "r k"],
    ridge: float,
    tolerance: float = 1e-8,
    *,
    basis: Float[np.ndarray, "q r"] | None = None,
) -> tuple[Float[np.ndarray, "r k"], float]:
    """Solve (G + Φᵀ diag(curvature) Φ + ridge) x = rhs for one toy, without forming its Gram matrix.

    A dense Gram and its Cholesky factor cost m r² + r³/3; this costs a few times 2 m r.

    Args:
        chol_preconditioner: lower Cholesky factor of a matrix near this one, such as 2 G + ridge where the toy is
            expected to be like the reference.
        gram_reference: G, the reference's Gram matrix, weights included.
        features: Φ of the toy, or where `basis` is given the kernel block K of which Φ = K basis. They may be stored in
            float32; then their products are float32 too.
        curvature: second derivatives of the loss.
        rhs: right-hand sides.
        ridge: what is added to the diagonal.
        tolerance: of the residual, relative to the right-hand side.
        basis: from kernel columns to features; spares the product K basis, which costs as much as the Gram matrix.

    Returns:
        x, and the largest residual |A x − rhs| / |rhs| of a column.

    Raises:
        FitError: the matrix is not positive definite, as negative weights can make it.
    """

    def matrix(v: np.ndarray) -> np.ndarray:
        u = v if basis is None else basis @ v
        pulled = features.T @ (curvature[:, None] * (features @ u.astype(features.dtype))).astype(features.dtype)
        return gram_reference @ v + (pulled if basis is None else basis.T @ pulled) + ridge * v

    def preconditioner(v: np.ndarray) -> np.ndarray:
        return cho_solve((chol_preconditioner, True), v, check_finite=False)

    x, residual, _ = conjugate_gradients(matrix, preconditioner, rhs, tolerance)
    return x, residual


def conjugate_gradients(
    matrix: Callable[[np.ndarray], np.ndarray],
    preconditioner: Callable[[np.ndarray], np.ndarray],
    rhs: Float[np.ndarray, "r k"],
    tolerance: float,
    limit: int = LIMIT,
) -> tuple[Float[np.ndarray, "r k"], float, int]:
    """Preconditioned conjugate gradients for many columns at once, each with its own steps (and even its own matrix).

    Args:
        matrix: applied to columns side by side, (r, k) → (r, k); column j must not depend on the others.
        preconditioner: the same for an approximate inverse.
        rhs: right-hand sides.
        tolerance: of |A x − rhs| / |rhs|. A column that has reached it stands still while others go on.
        limit: iterations after which the best so far is returned.

    Returns:
        The solutions, the largest relative residual, and the iterations done.

    Raises:
        FitError: a direction has pᵀAp ≤ 0.
    """
    x, r = np.zeros_like(rhs), rhs.copy()
    goal = tolerance * np.linalg.norm(rhs, axis=0)
    z = preconditioner(r)
    p, rz = z, _dots(r, z)
    done = 0
    while done < limit and (active := np.linalg.norm(r, axis=0) > goal).any():
        ap = matrix(p)
        pap = _dots(p, ap)
        if not (pap[active] > 0).all():
            raise FitError(
                "Got a kernel system that is not positive definite, but expected one with a minimum. "
                "Negative weights outweigh positive ones somewhere: raise the penalty, or use fewer centres."
            )
        step = np.where(active, rz / np.where(active, pap, 1.0), 0.0)
        x += step * p
        r -= step * ap
        z = preconditioner(r)
        rz, old = _dots(r, z), rz
        p = z + np.where(active, rz / np.where(active, old, 1.0), 0.0) * p
        done += 1
    scale = np.linalg.norm(rhs, axis=0)
    return x, float((np.linalg.norm(r, axis=0) / np.where(scale > 0, scale, 1.0)).max(initial=0.0)), done


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("rk,rk->k", a, b)
