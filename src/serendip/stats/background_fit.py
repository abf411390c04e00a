"""Fit a smooth background to one spectrum with MINUIT, with or without a window left out."""

from dataclasses import dataclass

import numpy as np
from iminuit import Minuit
from jaxtyping import Bool, Float
from scipy import special

from serendip.data.window import Window
from serendip.errors import FitError
from serendip.stats.families import Design, Family, family_named
from serendip.stats.goodness import expected_chi2, goodness_p
from serendip.stats.spectrum import Spectrum, bins_inside, poisson_scale

STRATEGY = 1
CALLS = 20_000


@dataclass(frozen=True)
class BackgroundFit:
    """A smooth background fitted to a spectrum.

    Attributes:
        family: the shape.
        order: its number of parameters.
        window: what the fit left out; None for a fit of all bins.
        edges: bin edges.
        parameters: as papers quote them, under the names `family.parameters`.
        covariance: of `parameters`, from the information at the minimum.
        expected: background in every bin, the window's included.
        expected_covariance: what the fit's uncertainty means for `expected`.
        n2ll: −2 ln L of the Poisson likelihood.
        chi2: the saturated likelihood ratio −2 ln [L(fit) / L(saturated)].
        ndof: bins in the likelihood less `order`.
        chi2_moments: mean and variance that `chi2` should have; `ndof` and twice that where all bins are full.
        goodness_p: the p of `chi2`, corrected for bins that hold few events.
        converged: whether MINUIT also found an accurate covariance; there is no fit without a minimum.
    """

    family: Family
    order: int
    window: Window | None
    edges: Float[np.ndarray, " edges"]
    parameters: Float[np.ndarray, " p"]
    covariance: Float[np.ndarray, "p p"]
    expected: Float[np.ndarray, " b"]
    expected_covariance: Float[np.ndarray, "b b"]
    n2ll: float
    chi2: float
    ndof: int
    chi2_moments: tuple[float, float]
    goodness_p: float
    converged: bool

    @property
    def expected_error(self) -> Float[np.ndarray, " b"]:
        """One standard deviation of `expected`, from the fit alone."""
        return np.sqrt(np.maximum(np.diag(self.expected_covariance), 0.0))

    def expected_in(self, window: Window) -> tuple[float, float]:
        """The background in a window and the error that the fit leaves on it."""
        inside = bins_inside(self.edges, window)
        return float(self.expected[inside].sum()), float(np.sqrt(inside @ self.expected_covariance @ inside))


def fit_background(
    spectrum: Spectrum,
    family: str | Family = "dijet",
    order: int = 3,
    window: Window | None = None,
    *,
    sqrt_s: float | None = None,
    merge: bool = False,
) -> BackgroundFit:
    """Fit a smooth background as an extended binned likelihood.

    Args:
        spectrum: counts; weighted ones are described by a scaled Poisson, see `poisson_scale`.
        family: a background shape.
        order: its number of parameters.
        window: bins left out of the likelihood; its edges must be bin edges.
        sqrt_s: collision energy in the unit of the spectrum, where it is not 13,000.
        merge: put the window back as one bin that holds its sum, as the fit without a signal does.

    Raises:
        InputError: the window's edges are not bin edges, or the family has no such order.
        FitError: too few populated bins, or MINUIT found no minimum.
    """
    family = family_named(family, sqrt_s=sqrt_s)
    design = family.design(spectrum.edges, order)
    inside = spectrum.inside(window)
    scale = poisson_scale(spectrum.counts, spectrum.variances)
    merge = merge and bool(inside.any())
    cells = _cells(inside, merge)
    _require_populated(cells @ spectrum.counts, order, family, window)
    n = cells / scale @ spectrum.counts
    if merge:
        n[-1] = max(n[-1], 0.0)  # a window whose signed weights sum below 0 has no Poisson
    likelihood = _Likelihood(design, cells / scale, n)
    start = design.start(spectrum.counts, ~inside | merge)
    minuit = _minimise(likelihood, start, family, order, window)
    return _result(spectrum, family, order, window, design, likelihood, minuit)


def _cells(inside: Bool[np.ndarray, " b"], merge: bool) -> Float[np.ndarray, "c b"]:
    """Which bins each cell of the likelihood sums."""
    single = np.eye(len(inside))[~inside]
    return np.vstack([single, inside]) if merge else single


def _require_populated(n: np.ndarray, order: int, family: Family, window: Window | None) -> None:
    populated = int((n != 0).sum())
    if populated <= order:
        outside = f" outside the window {window}" if window else ""
        raise FitError(
            f"Got {populated} populated bins{outside}, but expected more than the {order} parameters of "
            f"{family.name}. Lower the order, widen the mass range, narrow the window, or loosen the cut."
        )


@dataclass(frozen=True)
class _Likelihood:
    """The saturated likelihood ratio as a function of θ, with its gradient."""

    design: Design
    cells: np.ndarray
    n: np.ndarray

    def mu(self, theta: np.ndarray) -> np.ndarray:
        return np.maximum(self.cells @ self.design.expected(theta), 1e-300)

    def value(self, theta: np.ndarray) -> float:
        mu = self.mu(theta)
        reference = np.where(self.n == 0, 1.0, np.abs(self.n))
        return float(2 * (mu - self.n - self.n * np.log(mu / reference)).sum())

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        return 2 * (1 - self.n / self.mu(theta)) @ self.cells @ self.design.jacobian(theta)

    def information(self, theta: np.ndarray) -> np.ndarray:
        slope, mu = self.cells @ self.design.jacobian(theta), self.mu(theta)
        curvature = np.maximum(self.n, 0.0) / mu**2 if self.design.linear else 1.0 / mu
        return slope.T @ (slope * curvature[:, None])


def _minimise(likelihood: _Likelihood, start: np.ndarray, family: Family, order: int, window: Window | None) -> Minuit:
    minuit = Minuit(likelihood.value, start, grad=likelihood.gradient)
    minuit.errordef = Minuit.LEAST_SQUARES  # the ratio is −2 ln L, not −ln L
    minuit.strategy = STRATEGY
    minuit.tol = 1e-3
    if likelihood.design.linear:
        minuit.limits = (0.0, None)
    with np.errstate(over="ignore", invalid="ignore"):  # steps that are far too long are taken back by MINUIT
        minuit.migrad(ncall=CALLS)
    if not minuit.valid:
        outside = f" outside {window}" if window else ""
        raise FitError(
            f"Got no minimum for {family.name} with {order} parameters{outside} after {minuit.nfcn} calls "
            f"(distance to the minimum {minuit.fmin.edm:.2g}), but expected convergence. "
            "Lower the order, start the mass range above the turn-on, or try another family."
        )
    return minuit


def _result(
    spectrum: Spectrum,
    family: Family,
    order: int,
    window: Window | None,
    design: Design,
    likelihood: _Likelihood,
    minuit: Minuit,
) -> BackgroundFit:
    theta = np.array(minuit.values)
    free = theta > 1e-6 * theta.max() if design.linear else np.ones(order, dtype=bool)  # not at the limit
    covariance = np.linalg.pinv(likelihood.information(theta) * np.outer(free, free), hermitian=True)
    parameters, published = design.published(theta, covariance)
    jacobian = design.jacobian(theta)
    mu = likelihood.mu(theta)
    mean, variance = (float(moment) for moment in expected_chi2(mu, np.ones(len(mu), dtype=bool), order))
    chi2 = likelihood.value(theta)
    return BackgroundFit(
        family=family,
        order=order,
        window=window,
        edges=spectrum.edges,
        parameters=parameters,
        covariance=published,
        expected=design.expected(theta),
        expected_covariance=jacobian @ covariance @ jacobian.T,
        n2ll=float(
            2 * (mu - special.xlogy(likelihood.n, mu) + special.gammaln(np.maximum(likelihood.n, 0.0) + 1)).sum()
        ),
        chi2=chi2,
        ndof=len(mu) - order,
        chi2_moments=(mean, variance),
        goodness_p=float(goodness_p(chi2, mean, variance)),
        converged=bool(minuit.valid and minuit.accurate),
    )
