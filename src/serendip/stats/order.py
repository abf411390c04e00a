"""How many parameters a background needs: the F-test between nested fits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from serendip.data.window import Window
from serendip.errors import FitError
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.families import Family, family_named
from serendip.stats.spectrum import Spectrum

ALPHA = 0.05


@dataclass(frozen=True)
class OrderTest:
    """One step of the F-test: is `larger` worth its parameters over `smaller`?"""

    smaller: int
    larger: int
    chi2_smaller: float
    chi2_larger: float
    f: float
    p: float


@dataclass(frozen=True)
class OrderChoice:
    """The order chosen, and the tests that led to it.

    Attributes:
        order: the number of parameters.
        alpha: a step is taken where its p is below this.
        tests: the steps tried; the last one is the one not taken, unless the family ran out of orders.
        fit: the fit of the order chosen.
        failed: orders that could not be fitted, with the reason.
    """

    order: int
    alpha: float
    tests: tuple[OrderTest, ...]
    fit: BackgroundFit
    failed: dict[int, str]


def f_test(
    chi2_smaller: float | Float[np.ndarray, " k"],
    chi2_larger: float | Float[np.ndarray, " k"],
    mean_larger: float | Float[np.ndarray, " k"],
    ndof_larger: int | Int[np.ndarray, " k"],
    extra: int,
) -> tuple[Float[np.ndarray, "*k"], Float[np.ndarray, "*k"]]:
    """F of two nested fits and its p: F = [(χ²₁ − χ²₂) / extra] / [χ²₂ / ⟨χ²₂⟩].

    ⟨χ²₂⟩ is what the saturated likelihood ratio should be; it is ndof, and this the usual F-test, where all bins are
    well filled. In sparse spectra χ² is below ndof, and the usual F would ask for parameters that nothing needs.

    Source: Fisher 1922; as used for dijet spectra, arXiv:1708.05379. The mean: `goodness.expected_chi2`.
    """
    gain = np.maximum(np.asarray(chi2_smaller) - chi2_larger, 0.0) / extra
    f = gain / np.maximum(np.asarray(chi2_larger) / np.maximum(mean_larger, 1e-12), 1e-12)
    return np.asarray(f), np.asarray(stats.f.sf(f, extra, np.maximum(ndof_larger, 1)))


def choose_order(
    spectrum: Spectrum,
    family: str | Family = "dijet",
    window: Window | None = None,
    alpha: float = ALPHA,
) -> OrderChoice:
    """Add parameters until the next one is not worth it.

    Args:
        spectrum: counts.
        family: a background shape.
        window: left out of every fit, so that a signal does not choose the background.
        alpha: size of each test.

    Raises:
        FitError: not even the lowest order could be fitted.
    """
    family = family_named(family)
    fit = fit_background(spectrum, family, family.orders[0], window)
    tests: list[OrderTest] = []
    failed: dict[int, str] = {}
    for order in family.orders[1:]:
        try:
            larger = fit_background(spectrum, family, order, window)
        except FitError as error:
            failed[order] = str(error)
            break
        extra = order - fit.order
        f, p = f_test(fit.chi2, larger.chi2, larger.chi2_moments[0], larger.ndof, extra)
        tests.append(OrderTest(fit.order, order, fit.chi2, larger.chi2, float(f), float(p)))
        if p >= alpha:
            break
        fit = larger
    return OrderChoice(fit.order, alpha, tuple(tests), fit, failed)


def first_sufficient(
    p: Float[np.ndarray, "k steps"], usable: Bool[np.ndarray, "k steps"], alpha: float
) -> Int[np.ndarray, " k"]:
    """How many steps each spectrum takes: all before the first whose p is not below alpha, or whose fit failed."""
    return np.cumprod((p < alpha) & usable, axis=1).sum(1)
