"""The kernel NPLM of many relabellings of one pool: features and moments once, labels as weights.

With ρ = Σ_D w / Σ_R w, the curvature of data and reference together is ρ Σ_pool + (1 − ρ) Σ_D: only the data's part is
computed for each relabelling, or the reference's where that is the smaller sample.
"""

import numpy as np
from jaxtyping import Bool, Float

from serendip.nets import kernel_logistic as logistic

AT_ONCE = 1 << 16  # numbers of f held at once: 512 kB, so that they stay in cache
TOGETHER = 256  # relabellings whose θ share a pass over the pool


def pooled_column(
    phi: Float[np.ndarray, "n q"],
    w: Float[np.ndarray, " n"],
    is_data: Bool[np.ndarray, "toys n"],
    ridge: float,
    converged: bool,
) -> Float[np.ndarray, " toys"]:
    """t of each relabelling at one width; infinite where e^f overflows.

    Args:
        phi: features of all events.
        w: their weights as they came.
        is_data: labels.
        ridge: λ times the events of the pool.
        converged: the minimum of the loss instead of one Newton step.
    """
    gram, mean = logistic.moments(phi, w)
    parts = [
        _together(phi, w, gram, mean, is_data[start : start + TOGETHER], ridge, converged)
        for start in range(0, len(is_data), TOGETHER)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _together(
    phi: np.ndarray,
    w: np.ndarray,
    gram: np.ndarray,
    mean: np.ndarray,
    is_data: np.ndarray,
    ridge: float,
    converged: bool,
) -> Float[np.ndarray, " toys"]:
    thetas, data = [], []
    scale = np.array([w[labels].sum() / w[~labels].sum() for labels in is_data])
    for labels, rho in zip(is_data, scale, strict=True):
        fewer = labels if 2 * labels.sum() <= len(labels) else ~labels
        part_gram, part_mean = logistic.moments(phi[fewer], w[fewer])
        if fewer is labels:
            in_gram, in_mean = part_gram, part_mean
        else:
            in_gram, in_mean = gram - part_gram, mean - part_mean
        theta = logistic.one_step(rho * gram + (1 - rho) * in_gram, in_mean - rho * (mean - in_mean), ridge)
        if converged:
            sides = [(phi[labels], w[labels], 1.0), (phi[~labels], rho * w[~labels], -1.0)]
            theta = logistic.newton(sides, ridge, theta)
        thetas.append(theta)
        data.append(in_mean @ theta)
    return 2 * (np.array(data) - scale * _excess(phi, w, ~is_data, np.column_stack(thetas)))


def _excess(phi: np.ndarray, w: np.ndarray, chosen: np.ndarray, theta: np.ndarray) -> Float[np.ndarray, " toys"]:
    """Σ w (e^f − 1) over each relabelling's own events."""
    total = np.zeros(theta.shape[1])
    theta = theta.astype(phi.dtype)
    rows = max(64, AT_ONCE // theta.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(w), rows):
            f = phi[start : start + rows] @ theta
            mask = chosen[:, start : start + rows].T
            grown = np.where(mask, np.expm1(f, out=f), 0)
            total += w[start : start + rows] @ grown
    return total
