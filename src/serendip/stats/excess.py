"""The local significance of an excess in a window over a smooth background whose own uncertainty counts.

The window is one bin. With the signal S free (of either sign), S matches that bin exactly and the sidebands alone
fix the background. With S = 0, sidebands and window are fitted together, the window as one merged bin. The statistic
is q0 = −2 ln [L(0, θ̂̂) / L(Ŝ, θ̂)], and Z = sign(n − b) √q0.

Source: arXiv:1007.1727, eqs. 12 and 53; here with a sign, so that deficits have Z < 0 and p > 1/2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from serendip.data.window import Window
from serendip.errors import InputError
from serendip.seeds import rng_for
from serendip.stats.background_fit import BackgroundFit, fit_background
from serendip.stats.batched_fit import ManyFits, fit_many
from serendip.stats.families import Family, family_named
from serendip.stats.order import ALPHA, OrderChoice, choose_order, f_test, first_sufficient
from serendip.stats.p_value import PValue, asymptotic_p_value, toy_p_value
from serendip.stats.spectrum import Spectrum, bins_inside, poisson_scale


@dataclass(frozen=True)
class Excesses:
    """Local excesses of k spectra, each in its own window.

    Attributes:
        z: signed significance; always finite.
        observed: sum of weights in the window.
        expected: background in the window, from the sidebands.
        expected_error: what the fit leaves open about `expected`.
        order: number of background parameters.
        goodness_p: of the sideband fit, corrected for bins that hold few events.
        converged: False marks a z not to be used: a fit without a minimum, or too few populated bins.
    """

    z: Float[np.ndarray, " k"]
    observed: Float[np.ndarray, " k"]
    expected: Float[np.ndarray, " k"]
    expected_error: Float[np.ndarray, " k"]
    order: Int[np.ndarray, " k"]
    goodness_p: Float[np.ndarray, " k"]
    converged: Bool[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.z)


@dataclass(frozen=True)
class LocalExcess:
    """The excess of one spectrum in one window, in full.

    Attributes:
        window: where it was sought.
        observed: sum of weights in the window.
        expected: background in the window, from the sidebands.
        expected_error: what the fit leaves open about `expected`.
        asymptotic: p from Z = √q0.
        toys: p from toys of the S = 0 fit, each refitted; None if none were asked for.
        fit: the sideband fit.
        order_choice: the F-tests; None if the order was given.
    """

    window: Window
    observed: float
    expected: float
    expected_error: float
    asymptotic: PValue
    toys: PValue | None
    fit: BackgroundFit
    order_choice: OrderChoice | None

    @property
    def z(self) -> float:
        """Signed significance √q0."""
        return self.asymptotic.z


def excesses(
    counts: Float[np.ndarray, "k b"],
    edges: Float[np.ndarray, " edges"],
    windows: Sequence[Window],
    family: str | Family = "dijet",
    order: int | str = "auto",
    *,
    alpha: float = ALPHA,
    variances: Float[np.ndarray, "k b"] | None = None,
) -> Excesses:
    """The local excess of each spectrum in its window; the hot path of every whole-analysis toy.

    Args:
        counts: sums of weights.
        edges: bin edges, the same for all.
        windows: one a spectrum; their edges must be bin edges.
        family: a background shape.
        order: number of parameters, or "auto" for an F-test on each spectrum's sidebands.
        alpha: size of each F-test.
        variances: sums of squared weights; the counts, for unit weights, if not given.

    Raises:
        InputError: not one window a spectrum, or a window's edges are not bin edges.
    """
    if len(windows) != len(counts):
        raise InputError(f"Got {len(windows)} windows for {len(counts)} spectra, but expected one each.")
    family = family_named(family)
    masks = {window: bins_inside(edges, window) for window in set(windows)}
    inside = np.array([masks[window] for window in windows], dtype=bool).reshape(counts.shape)
    fit = _sideband_fits(counts, edges, family, order, inside, alpha, variances)
    null = fit_many(counts, edges, family, fit.order, fitted=~inside, merged=inside, variances=variances)
    observed = (counts * inside).sum(1)
    expected, error = fit.sum_over(inside)
    return Excesses(
        z=np.where(observed >= expected, 1.0, -1.0) * np.sqrt(np.maximum(null.chi2 - fit.chi2, 0.0)),
        observed=observed,
        expected=expected,
        expected_error=error,
        order=fit.order,
        goodness_p=fit.goodness_p,
        converged=fit.converged & null.converged,
    )


def _sideband_fits(
    counts: np.ndarray,
    edges: np.ndarray,
    family: Family,
    order: int | str,
    inside: np.ndarray,
    alpha: float,
    variances: np.ndarray | None,
) -> ManyFits:
    if isinstance(order, int):
        return fit_many(counts, edges, family, order, fitted=~inside, variances=variances)
    if order != "auto":
        raise InputError(f'Got order {order!r}, but expected a number or "auto".')
    k, orders = len(counts), np.array(family.orders)
    repeat = np.repeat(np.arange(k), len(orders))
    tried = fit_many(
        counts[repeat],
        edges,
        family,
        np.tile(orders, k),
        fitted=~inside[repeat],
        variances=None if variances is None else variances[repeat],
    )
    chi2, mean, ndof, usable = (
        values.reshape(k, -1) for values in (tried.chi2, tried.chi2_moments[:, 0], tried.ndof, tried.converged)
    )
    p = np.ones((k, len(orders) - 1))
    for step, extra in enumerate(np.diff(orders)):
        p[:, step] = f_test(chi2[:, step], chi2[:, step + 1], mean[:, step + 1], ndof[:, step + 1], int(extra))[1]
    return tried[np.arange(k) * len(orders) + first_sufficient(p, usable[:, 1:], alpha)]


def local_p_value(
    spectrum: Spectrum,
    window: Window,
    family: str | Family = "dijet",
    order: int | str = "auto",
    *,
    alpha: float = ALPHA,
    toys: int = 0,
    seed: int = 0,
) -> LocalExcess:
    """The local excess of one spectrum, fitted with MINUIT.

    Toys are drawn from the S = 0 fit and repeat the fits and, with "auto", the choice of the order. A toy whose fit
    fails counts as one that reached the observation.

    Args:
        spectrum: counts.
        window: where the signal is sought; its edges must be bin edges.
        family: a background shape.
        order: number of parameters, or "auto" for an F-test on the sidebands.
        alpha: size of each F-test.
        toys: how many to draw; 0 for the asymptotic p alone.
        seed: of the toys.

    Raises:
        InputError: the window's edges are not bin edges, or the family has no such order.
        FitError: too few populated bins, or no minimum.
    """
    choice = choose_order(spectrum, family, window, alpha) if order == "auto" else None
    fit = choice.fit if choice else fit_background(spectrum, family, int(order), window)
    null = fit_background(spectrum, family, fit.order, window, merge=True)
    observed = float(spectrum.counts[spectrum.inside(window)].sum())
    expected, error = fit.expected_in(window)
    z = float(np.copysign(np.sqrt(max(null.chi2 - fit.chi2, 0.0)), observed - expected))
    reached = _toys_reaching(spectrum, window, null, order, alpha, z, toys, seed) if toys else None
    return LocalExcess(
        window=window,
        observed=observed,
        expected=expected,
        expected_error=error,
        asymptotic=asymptotic_p_value(z),
        toys=None if reached is None else toy_p_value(reached, toys),
        fit=fit,
        order_choice=choice,
    )


def _toys_reaching(
    spectrum: Spectrum,
    window: Window,
    null: BackgroundFit,
    order: int | str,
    alpha: float,
    z: float,
    toys: int,
    seed: int,
) -> int:
    """How many toys have a Z as large as the observed one."""
    scale = poisson_scale(spectrum.counts, spectrum.variances)
    n = rng_for(seed, f"local p in {window}").poisson(null.expected / scale, (toys, len(spectrum)))
    weighted = {} if (scale == 1).all() else {"variances": n * scale**2}
    found = excesses(n * scale, spectrum.edges, [window] * toys, null.family, order, alpha=alpha, **weighted)
    return int((~found.converged | (found.z >= z)).sum())
