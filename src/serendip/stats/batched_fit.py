"""Fit many spectra at once: the likelihood of `background_fit`, minimised for a batch by damped Newton steps.

The step uses the expected (Fisher) information for shapes whose logarithm is linear, where it is all but equal to
the second derivative and always positive, and the second derivative itself for linear ones. It is damped as in
Marquardt 1963, doi:10.1137/0111030: a step that does not lower −2 ln L is taken back and shortened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from serendip.errors import InputError
from serendip.stats.families import EMPTY, LARGEST_LOG, Design, Family, family_named
from serendip.stats.goodness import expected_chi2, goodness_p
from serendip.stats.precision import float64
from serendip.stats.spectrum import poisson_scale, require_edges

ROWS = 48  # spectra a call: always as many, so that XLA compiles once a binning and stragglers delay few
BINS = 16  # bins are padded to a multiple of this
STEPS = 50
SMALL = 1e-6  # of −2 ln L still to be gained, at which a fit has converged
SLIGHT, STRONG = (
    1e-9,
    1e-2,
)  # damping, as a share of the information: at first, and after a step that was too long


@dataclass(frozen=True)
class ManyFits:
    """Fits of k spectra, in the order in which they were given.

    Attributes:
        order: number of parameters of each fit.
        theta: parameters of the design (not the published ones); 0 beyond `order`.
        covariance: of `theta`, the inverse of the information; 0 beyond `order`.
        expected: background in every bin, those left out of the fit included.
        jacobian: ∂ expected / ∂ theta.
        chi2: the saturated likelihood ratio −2 ln [L(fit) / L(saturated)]; differences are those of −2 ln L.
        ndof: cells in the likelihood less `order`.
        chi2_moments: mean and variance that `chi2` should have; `ndof` and twice that where all bins are full.
        converged: False marks numbers not to be used: no minimum, or too few populated bins.
    """

    order: Int[np.ndarray, " k"]
    theta: Float[np.ndarray, "k p"]
    covariance: Float[np.ndarray, "k p p"]
    expected: Float[np.ndarray, "k b"]
    jacobian: Float[np.ndarray, "k b p"]
    chi2: Float[np.ndarray, " k"]
    ndof: Int[np.ndarray, " k"]
    chi2_moments: Float[np.ndarray, "k 2"]
    converged: Bool[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.chi2)

    def __getitem__(self, rows: np.ndarray) -> "ManyFits":
        """The fits of a mask or an index array."""
        return ManyFits(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def goodness_p(self) -> Float[np.ndarray, " k"]:
        """The p of `chi2`, corrected for bins that hold few events."""
        return goodness_p(self.chi2, *self.chi2_moments.T)

    def sum_over(self, bins: Bool[np.ndarray, "k b"]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """The background in some bins of each spectrum, and the error that the fit leaves on it."""
        slope = np.einsum("kb,kbp->kp", bins, self.jacobian)
        variance = np.einsum("kp,kpr,kr->k", slope, self.covariance, slope)
        return (self.expected * bins).sum(1), np.sqrt(np.maximum(variance, 0.0))


def fit_many(
    counts: Float[np.ndarray, "k b"],
    edges: Float[np.ndarray, " edges"],
    family: str | Family = "dijet",
    order: int | Int[np.ndarray, " k"] | Sequence[int] = 3,
    *,
    fitted: Bool[np.ndarray, "k b"] | None = None,
    merged: Bool[np.ndarray, "k b"] | None = None,
    variances: Float[np.ndarray, "k b"] | None = None,
) -> ManyFits:
    """Fit a smooth background to each of k spectra on one binning.

    Args:
        counts: sums of weights.
        edges: bin edges.
        family: a background shape.
        order: number of parameters, one for all spectra or one each.
        fitted: bins that enter the likelihood one by one; all of them if not given.
        merged: bins that enter it as one cell, which holds their sum; a sum below 0 counts as 0.
        variances: sums of squared weights; the counts, for unit weights, if not given.

    Raises:
        InputError: the family has no such order, or a bin is both fitted and merged.
    """
    require_edges(edges, bins=counts.shape[1])
    family = family_named(family)
    orders = np.broadcast_to(np.asarray(order, dtype=int), len(counts))
    fitted = np.ones(counts.shape, dtype=bool) if fitted is None else fitted
    merged = np.zeros(counts.shape, dtype=bool) if merged is None else merged
    if (fitted & merged).any():
        raise InputError(
            "Got bins that are both fitted and merged, but expected each bin to enter the likelihood once."
        )
    scale = np.ones(counts.shape) if variances is None else poisson_scale(counts, variances)
    batch = _Batch(counts, scale, fitted, merged)
    if family.nested:
        return _fit(batch, edges, family, max(family.orders), orders)
    fits = [
        (orders == one, _fit(batch[orders == one], edges, family, one, orders[orders == one]))
        for one in np.unique(orders).tolist()
    ]
    return _in_order(fits)


@dataclass(frozen=True)
class _Batch:
    counts: np.ndarray
    scale: np.ndarray
    fitted: np.ndarray
    merged: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> "_Batch":
        return _Batch(self.counts[rows], self.scale[rows], self.fitted[rows], self.merged[rows])


def _in_order(fits: list[tuple[np.ndarray, ManyFits]]) -> ManyFits:
    place = np.argsort(np.concatenate([np.flatnonzero(rows) for rows, _ in fits]), kind="stable")
    return ManyFits(
        **{f.name: np.concatenate([getattr(fit, f.name) for _, fit in fits])[place] for f in fields(ManyFits)}
    )


def _fit(batch: _Batch, edges: np.ndarray, family: Family, widest: int, orders: np.ndarray) -> ManyFits:
    """Cut the batch into calls of `ROWS` spectra, bins and columns padded to the shape that is compiled."""
    design = family.design(edges, widest)
    k, b = batch.counts.shape
    p, q = max(family.orders), max(design.weights.shape[1], 1 if family.nested else max(family.orders))
    wide = -(-b // BINS) * BINS
    weights = _padded(design.weights, (wide, q))
    columns = _padded(design.columns, (wide, q, p))
    active = np.arange(p) < orders[:, None]
    rows = max(1, -(-k // ROWS)) * ROWS
    arrays = (
        _padded(batch.counts / batch.scale, (rows, wide)),
        _padded(1.0 / batch.scale, (rows, wide)),
        _padded(batch.fitted, (rows, wide)),
        _padded(batch.merged, (rows, wide)),
        _padded(active, (rows, p)),
    )
    with float64():
        newton = partial(_newton, weights, columns, linear=design.linear)
        parts = [newton(*(a[i : i + ROWS] for a in arrays)) for i in range(0, rows, ROWS)]
        theta, chi2, information, found = (np.concatenate([np.asarray(part) for part in z])[:k] for z in zip(*parts))
    return _collect(batch, design, orders, theta, chi2, information, found)


def _padded(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    full = np.zeros(shape, dtype=values.dtype)
    full[tuple(slice(n) for n in values.shape)] = values
    return full


def _collect(batch: _Batch, design: Design, orders: np.ndarray, theta, chi2, information, found) -> ManyFits:
    """What follows from θ, in NumPy."""
    k, b, p = *batch.counts.shape, design.columns.shape[2]
    inner = (theta[:, :p] @ design.columns.reshape(-1, p).T).reshape(k, b, -1)
    g = inner if design.linear else np.exp(np.minimum(inner, LARGEST_LOG))
    terms = design.weights * g
    jacobian = np.zeros((k, b, theta.shape[1]))
    for q in range(terms.shape[2]):
        jacobian[..., :p] += (design.weights if design.linear else terms)[..., q, None] * design.columns[:, q]
    active = (np.arange(theta.shape[1]) < orders[:, None]) & ~(design.linear & (theta == 0.0))
    both = active[:, :, None] & active[:, None, :]
    expected = terms.sum(2)
    mu, n, used = (
        _cells(expected / batch.scale, batch),
        _cells(batch.counts, batch),
        _cells(batch.fitted, batch),
    )
    return ManyFits(
        order=orders.copy(),
        theta=theta,
        covariance=np.linalg.pinv(information * both, hermitian=True),
        expected=expected,
        jacobian=jacobian,
        chi2=chi2,
        ndof=used.sum(1) - orders,
        chi2_moments=np.stack(expected_chi2(mu, used, orders), axis=1),
        converged=found & ((used & (n != 0)).sum(1) > orders),
    )


def _cells(values: np.ndarray, batch: _Batch) -> np.ndarray:
    """The bins, and behind them the merged cell; of a mask, whether any of its bins was merged."""
    pooled: Any = batch.merged.any(1) if values.dtype == bool else (values * batch.merged).sum(1)
    return np.concatenate([values, pooled[:, None]], axis=1)


def _likelihood(theta, weights, columns, n, fitted, merged, linear):
    """Half the saturated likelihood ratio, its gradient and the information of one spectrum."""
    inner = columns @ theta
    terms = weights * (inner if linear else jnp.exp(inner))
    mu, slope = terms.sum(1), _slope(weights if linear else terms, columns)
    value, pull, curvature = _cell(mu, n, fitted, linear)
    mu_1, n_1, slope_1 = (mu * merged).sum(), jnp.maximum((n * merged).sum(), 0.0), merged @ slope
    value_1, pull_1, curvature_1 = _cell(mu_1, n_1, merged.any(), linear)
    information = (slope * curvature[:, None]).T @ slope + curvature_1 * jnp.outer(slope_1, slope_1)
    return value.sum() + value_1, pull @ slope + pull_1 * slope_1, information


def _slope(terms, columns):
    return sum(terms[:, q, None] * columns[:, q] for q in range(terms.shape[1]))


def _cell(mu, n, used, linear):
    """Half the likelihood ratio of a Poisson cell, its derivative by μ, and its share of the information.

    All are zero where the cell is not used. n / μ² is the second derivative for a μ that is linear in θ, 1 / μ for
    one whose logarithm is.

    A negative n, possible with signed weights, enters as it is: 1 − n / μ keeps the fit unbiased.
    """
    mu = jnp.where(used, mu, 1.0)
    reference = jnp.where(n == 0, 1.0, jnp.abs(n))
    value = mu - n - n * jnp.log(mu / reference)
    curvature = jnp.maximum(n, 0.0) / mu**2 if linear else 1.0 / mu
    return jnp.where(used, value, 0.0), jnp.where(used, 1.0 - n / mu, 0.0), jnp.where(used, curvature, 0.0)


def _solve(matrix, vector):
    """Cholesky, written out: LAPACK would be called once for each small matrix of the batch."""
    p = len(vector)
    low: list[list[Any]] = [[0.0] * p for _ in range(p)]
    y: list[Any] = [0.0] * p
    for i in range(p):
        for j in range(i + 1):
            rest = matrix[i, j] - sum(low[i][k] * low[j][k] for k in range(j))
            low[i][j] = jnp.sqrt(rest) if i == j else rest / low[j][j]
        y[i] = (vector[i] - sum(low[i][k] * y[k] for k in range(i))) / low[i][i]
    x: list[Any] = [0.0] * p
    for i in reversed(range(p)):
        x[i] = (y[i] - sum(low[k][i] * x[k] for k in range(i + 1, p))) / low[i][i]
    return jnp.stack(x)


def _first_theta(weights, columns, n, used, idle, linear):
    """`Design.start` for one spectrum."""
    flat = jnp.where(used, weights.sum(1), 1.0)
    slope = _slope(weights, columns) / flat[:, None]
    n = jnp.where(used, jnp.maximum(n, 0.0) + EMPTY, 1.0)
    y, share = (n / flat, flat**2 / n) if linear else (jnp.log(n / flat), n)
    share = jnp.where(used, share, 0.0)
    matrix = (slope * share[:, None]).T @ slope
    theta = _solve(matrix + jnp.diag(1e-9 * jnp.trace(matrix) + idle), (share * y) @ slope)
    return jnp.maximum(theta, 1e-3 * jnp.abs(theta).max() * (1.0 - idle)) if linear else theta


def _newton_one(weights, columns, n, per_scale, fitted, merged, active, linear):
    columns = columns * active
    weights = weights * per_scale[:, None]
    idle = 1.0 - active
    lowest = 0.0 if linear else -jnp.inf
    evaluate = partial(_likelihood, weights=weights, columns=columns, n=n, fitted=fitted, merged=merged, linear=linear)

    def step(state):
        theta, (value, gradient, information), damping, _, steps = state
        free = (1.0 - idle) * ~((theta <= lowest) & (gradient > 0))  # Bertsekas 1982, doi:10.1137/0320018
        grow = damping * jnp.diag(information) + 1e-12 * jnp.trace(information)
        move = _solve(information * jnp.outer(free, free) + jnp.diag(grow + (1.0 - free)), gradient * free)
        shorter = jnp.maximum(theta - move, lowest)
        trial = evaluate(shorter)
        better = trial[0] <= value + 1e-10 + 1e-15 * jnp.abs(n).sum()
        done = better & (gradient @ move < SMALL) & (damping < 1e-6)
        keep = partial(jax.tree_util.tree_map, partial(jnp.where, better))
        damping = jnp.where(better, jnp.maximum(damping * 0.01, SLIGHT), jnp.maximum(damping * 20.0, STRONG))
        return *keep((shorter, trial), (theta, (value, gradient, information))), damping, done, steps + 1

    def unfinished(state):
        return ~state[3] & (state[4] < STEPS)

    theta = _first_theta(weights, columns, n, fitted | merged, idle, linear)
    start = (theta, evaluate(theta), jnp.array(SLIGHT), ~(fitted | merged).any(), jnp.array(0))
    theta, (value, _, information), _, done, _ = jax.lax.while_loop(unfinished, step, start)
    return theta * active, 2.0 * value, information, done & jnp.isfinite(value)


@partial(jax.jit, static_argnames="linear")
def _newton(weights, columns, n, per_scale, fitted, merged, active, *, linear):
    one = partial(_newton_one, weights, columns, linear=linear)
    return jax.vmap(one)(n, per_scale, fitted, merged, active)
