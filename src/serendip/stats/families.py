"""Smooth background shapes: dijet, UA2, power × exponential, Bernstein.

Every shape is written as expected counts μ_i(θ) = Σ_q W_iq g(Σ_j A_iqj θ_j). For the shapes whose logarithm is
linear in the parameters, g is the exponential and q runs over the Gauss–Legendre nodes of a bin, so that μ is the
integral over the bin and not the value at its centre. For Bernstein polynomials g is the identity, q runs over the
basis, and θ >= 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from serendip.errors import InputError, unknown_name

NODES = 3  # a bin over which the spectrum falls by e² is integrated to 3e-5
EMPTY = 0.1  # what an empty bin counts for in the start
LARGEST_LOG = 300.0  # a fit may run away in the bins that it does not see


@dataclass(frozen=True, eq=False)
class Design:
    """A family and an order on one binning: all that a fit needs to know.

    Attributes:
        weights: W, events per unit density.
        columns: A; orthonormal over the nodes for g = exp, so that Newton is well conditioned over any masses.
        to_published: the matrix that turns θ into the published parameters.
        linear: whether g is the identity, and θ >= 0.
    """

    weights: Float[np.ndarray, "b q"]
    columns: Float[np.ndarray, "b q p"]
    to_published: Float[np.ndarray, "p p"]
    linear: bool

    def expected(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " b"]:
        """Expected counts μ."""
        return (self.weights * self._g(theta)).sum(1)

    def jacobian(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "b p"]:
        """∂μ / ∂θ."""
        terms = self.weights if self.linear else self.weights * self._g(theta)
        return np.einsum("bq,bqp->bp", terms, self.columns)

    def _g(self, theta: np.ndarray) -> np.ndarray:
        inner = self.columns @ theta
        return inner if self.linear else np.exp(np.minimum(inner, LARGEST_LOG))

    def start(self, counts: Float[np.ndarray, " b"], used: Bool[np.ndarray, " b"]) -> Float[np.ndarray, " p"]:
        """A first θ: least squares on the counts, or on their logarithm, bins weighted by variance."""
        flat = self.weights.sum(1)
        slope = np.einsum("bq,bqp->bp", self.weights, self.columns) / flat[:, None]
        n = np.maximum(counts, 0.0) + EMPTY
        y, root = (n / flat, flat / np.sqrt(n)) if self.linear else (np.log(n / flat), np.sqrt(n))
        theta = np.linalg.lstsq(slope * (root * used)[:, None], y * root * used, rcond=None)[0]
        return np.maximum(theta, 1e-3 * np.abs(theta).max()) if self.linear else theta

    def published(
        self, theta: Float[np.ndarray, " p"], covariance: Float[np.ndarray, "p p"]
    ) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
        """The parameters as papers quote them, and their covariance."""
        return self.to_published @ theta, self.to_published @ covariance @ self.to_published.T


@dataclass(frozen=True)
class Family:
    """A background shape.

    Attributes:
        name: its key in `FAMILIES`.
        formula: the density in events per unit mass, x = m / sqrt_s.
        parameters: names, in the order in which they are switched on.
        orders: the numbers of parameters it may have.
        terms: x to the columns of the log density, one a parameter; None for Bernstein.
        sqrt_s: the collision energy that scales the mass, in the units of the bin edges.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    orders: tuple[int, ...]
    terms: Callable[[np.ndarray], list[np.ndarray]] | None
    sqrt_s: float = 13_000.0

    @property
    def nested(self) -> bool:
        """Whether a lower order is the same design with its last columns switched off."""
        return self.terms is not None

    def design(self, edges: Float[np.ndarray, " edges"], order: int) -> Design:
        """The design of this family on a binning.

        Raises:
            InputError: the family has no such order, or is not defined over this range of masses.
        """
        if order not in self.orders:
            raise InputError(
                f"Got order {order} for {self.name}, but expected one of: {', '.join(map(str, self.orders))}."
            )
        if self.nested and not (edges[0] > 0 and edges[-1] < self.sqrt_s):
            raise InputError(
                f"Got masses from {edges[0]:g} to {edges[-1]:g}, but expected 0 < m < sqrt_s = {self.sqrt_s:g} "
                f"for {self.name}. Give masses and sqrt_s in the same unit, or use bernstein."
            )
        return _design(self, tuple(edges.tolist()), order)


@lru_cache(maxsize=64)
def _design(family: Family, edges: tuple[float, ...], order: int) -> Design:
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    if family.terms is None:
        basis = np.eye(order)
        return Design(_bernstein_integrals(low, high, order), np.tile(basis, (len(low), 1, 1)), basis, linear=True)
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * (high - low)[:, None]
    m = 0.5 * (high + low)[:, None] + half * nodes
    raw = np.stack(family.terms(m / family.sqrt_s)[:order], axis=-1)
    orthonormal, triangle = np.linalg.qr(raw.reshape(-1, order))
    size = np.sqrt(len(orthonormal))
    columns = (orthonormal * size).reshape(raw.shape)
    return Design(half * shares, columns, np.linalg.inv(triangle / size), linear=False)


def _bernstein_integrals(low: np.ndarray, high: np.ndarray, order: int) -> np.ndarray:
    """Exact integrals over the bins: that of basis polynomial k is a regularised incomplete beta function."""
    span = high[-1] - low[0]
    k = np.arange(order)
    below, above = ((m[:, None] - low[0]) / span for m in (low, high))
    grown = special.betainc(k + 1, order - k, above) - special.betainc(k + 1, order - k, below)
    return grown * span / order


def _dijet(x: np.ndarray) -> list[np.ndarray]:
    log = np.log(x)
    return [np.ones_like(x), -log, np.log1p(-x), -(log**2), -(log**3)]


def _ua2(x: np.ndarray) -> list[np.ndarray]:
    return [np.ones_like(x), -np.log(x), -x, -(x**2)]


def _power_exponential(x: np.ndarray) -> list[np.ndarray]:
    log = np.log(x)
    return [np.ones_like(x), -x, -log, -(log**2)]


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        # CMS, arXiv:1911.03947; a power law first, then (1 − x), as in arXiv:1708.05379; the fifth goes on like it.
        Family(
            "dijet",
            "exp(p0) (1 - x)^p1 / x^(p2 + p3 ln x + p4 ln² x)",
            ("p0", "p2", "p1", "p3", "p4"),
            (2, 3, 4, 5),
            _dijet,
        ),
        # UA2, Z. Phys. C 49 (1991) 17.
        Family("ua2", "exp(p0) x^-p1 exp(-p2 x - p3 x²)", ("p0", "p1", "p2", "p3"), (2, 3, 4), _ua2),
        Family(
            "power_exponential",
            "exp(p0) exp(-p1 x) / x^(p2 + p3 ln x)",
            ("p0", "p1", "p2", "p3"),
            (2, 3, 4),
            _power_exponential,
        ),
        # Bernstein 1912; coefficients in events per unit mass, none of them negative.
        Family(
            "bernstein",
            "Σ c_k B_k(t), t over the fitted range",
            ("c0", "c1", "c2", "c3", "c4", "c5"),
            (2, 3, 4, 5, 6),
            None,
        ),
    )
}


def family_named(family: "str | Family", *, sqrt_s: float | None = None) -> Family:
    """The family of a name; one that is a family already passes through.

    Args:
        family: a key of `FAMILIES`, or a family.
        sqrt_s: collision energy in the units of the bin edges, where it is not 13,000.

    Raises:
        InputError: no family has that name.
    """
    if isinstance(family, str):
        if family not in FAMILIES:
            raise InputError(unknown_name("background family", family, FAMILIES))
        family = FAMILIES[family]
    return family if sqrt_s is None else replace(family, sqrt_s=sqrt_s)
