"""Where the S2 shone: (x, y) from the light that each PMT of the top array saw, by maximum likelihood.

The light response, how much a PMT sees against its distance from the light, is learned from calibration events, as
ZEPLIN-III and LUX did (Mercury: Solovov et al. 2012, arXiv:1112.1481; LUX: arXiv:1710.02752).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from scipy.interpolate import make_smoothing_spline
from sklearn.base import BaseEstimator

from serendip.errors import InputError, require_events
from serendip.nets.saving import load, save, saved_settings

KIND = "position reconstruction"
CHUNK = 4096  # events at once
LEAST = 500  # calibration events
MOST = 20_000  # events that the response is learned from
BIN = 0.5  # cm, of distance, where the response is averaged
STEPS, LONGEST_STEP, SMALL_STEP = 20, 3.0, 0.01  # of Fisher scoring: how many at most, longest and smallest in cm

Pattern = Float32[np.ndarray, "n pmts"]
Place = Float[np.ndarray, "n 2"]
PerEvent = Float[np.ndarray, " n"]


def weighted_centroid(pattern: Pattern, pmts: Float[np.ndarray, "pmts 2"]) -> Place:
    """Mean place of the light, cm: simple, and pulled inwards near the wall."""
    light = np.maximum(pattern, 0.0).astype(float)
    return light @ pmts / np.maximum(light.sum(axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True, eq=False)
class LightResponse:
    """How the light that a PMT sees falls with its distance from where it shone.

    Attributes:
        distance: grid, cm.
        log: logarithm of the light there, up to a constant.
        slope: its derivative, 1/cm.
    """

    distance: Float[np.ndarray, " k"]
    log: Float[np.ndarray, " k"]
    slope: Float[np.ndarray, " k"]

    @classmethod
    def learn(cls, pattern: Pattern, xy: Place, pmts: Float[np.ndarray, "pmts 2"]) -> "LightResponse":
        """The mean part of the light at each distance, smoothed on a logarithmic scale."""
        bins = int(np.ptp(pmts, axis=0).max() / BIN) + 2
        light, seen = np.zeros(bins), np.zeros(bins)
        for start in range(0, min(len(pattern), MOST), CHUNK):
            part = pattern[start : min(start + CHUNK, MOST)].astype(float)
            place = np.minimum(_distances(xy[start : start + len(part)], pmts) / BIN, bins - 1).astype(int)
            part /= np.maximum(part.sum(axis=1, keepdims=True), 1e-9)
            light += np.bincount(place.ravel(), part.ravel(), bins)
            seen += np.bincount(place.ravel(), minlength=bins)
        known = (light > 0) & (seen > 0)
        middle = (np.arange(bins)[known] + 0.5) * BIN
        spline = make_smoothing_spline(middle, np.log(light[known] / seen[known]), np.sqrt(seen[known]))
        distance = np.arange(0, middle[-1], BIN / 5)
        return cls(distance, spline(distance), spline.derivative()(distance))

    def at(self, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm and slope at these distances."""
        return np.interp(distance, self.distance, self.log), np.interp(distance, self.distance, self.slope)


class PositionReconstruction(BaseEstimator):
    """Maximum likelihood on the share of the light in each PMT near the brightest spot.

    Only shares among near PMTs are compared, so that neither the size of the S2 nor light scattered from far
    walls has to be known.

    Args:
        pmts: places of the PMTs, cm, shape (pmts, 2).
        near: how many PMTs around the brightest one are used.
    """

    def __init__(self, pmts: np.ndarray, *, near: int = 37) -> None:
        self.pmts = pmts
        self.near = near

    def fit(self, pattern: Pattern, xy: Float[np.ndarray, "_ 2"]) -> "PositionReconstruction":
        """Learn the light response, and how much wider than the likelihood says positions scatter.

        Args:
            pattern: PE in each PMT of calibration events, spread over the whole array.
            xy: where they were, cm.

        Raises:
            InputError: shapes that do not fit, or places that are not finite.
            TooFewEventsError: fewer than 500 events.
        """
        self._check(pattern)
        require_events(LEAST, calibration_sample=pattern)
        if xy.shape != (len(pattern), 2) or not np.isfinite(xy).all():
            raise InputError(f"xy: Got shape {xy.shape} or NaN in it, but expected ({len(pattern)}, 2), finite.")
        self._place_tubes()
        self.response_ = LightResponse.learn(pattern, xy, self.pmts)
        self.inflation_ = 1.0
        off = np.hypot(*(self.predict(pattern[:MOST]) - xy[:MOST]).T) / self.resolution(pattern[:MOST])
        self.inflation_ = float(np.median(off) / np.sqrt(2 * np.log(2)))  # the median of a Rayleigh distribution
        return self

    def predict(self, pattern: Pattern) -> Place:
        """Where the light shone, cm; the middle of the near PMTs where they saw nothing.

        Raises:
            InputError: another number of PMTs.
        """
        return self._estimate(pattern)[0]

    def resolution(self, pattern: Pattern) -> PerEvent:
        """Standard deviation of each coordinate, cm, from the Fisher information and the calibration's scatter.

        Raises:
            InputError: another number of PMTs.
        """
        return self.inflation_ * self._estimate(pattern)[1]

    def save(self, path: str | Path) -> None:
        """Write settings, light response and places of the PMTs as arrays and JSON, all or nothing."""
        response = self.response_
        facts = {"near": self.near, "inflation": self.inflation_, "pmts": len(self.pmts), "grid": len(response.log)}
        save(path, (np.asarray(self.pmts, float), response.distance, response.log, response.slope), facts, KIND)

    @classmethod
    def load(cls, path: str | Path) -> "PositionReconstruction":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        facts = saved_settings(path, KIND)
        empty = np.empty((facts["pmts"], 2)), *(np.empty(facts["grid"]) for _ in range(3))
        pmts, *response = load(path, lambda _: empty, KIND)
        fitted = cls(pmts, near=facts["near"])
        fitted._place_tubes()
        fitted.response_, fitted.inflation_ = LightResponse(*response), facts["inflation"]
        return fitted

    def _place_tubes(self) -> None:
        """Which tubes stand near each, and the radius of the array, cm."""
        distance = _distances(self.pmts, self.pmts)
        self.neighbours_ = np.argsort(distance, axis=1, kind="stable")[:, : self.near]
        self.radius_ = float(np.hypot(*self.pmts.T).max() + np.median(np.sort(distance, axis=1)[:, 1]) / 2)

    def _check(self, pattern: Pattern) -> None:
        if np.ndim(self.pmts) != 2 or pattern.shape[1] != len(self.pmts):
            raise InputError(
                f"Got patterns of {pattern.shape[1]} PMTs, but expected {len(self.pmts)}, as many as have a place."
            )

    def _estimate(self, pattern: Pattern) -> tuple[Place, PerEvent]:
        self._check(pattern)
        starts = range(0, max(len(pattern), 1), CHUNK)
        parts = [self._climb(np.maximum(pattern[start : start + CHUNK], 0.0).astype(float)) for start in starts]
        places, spreads = zip(*parts)
        return np.concatenate(places), np.concatenate(spreads)

    def _climb(self, light: Float[np.ndarray, "n pmts"]) -> tuple[Place, PerEvent]:
        """Fisher scoring from the centroid around the brightest PMT."""
        near = self.neighbours_[light[:, self.neighbours_[:, :7]].sum(axis=2).argmax(axis=1)]
        charge, pmts = np.take_along_axis(light, near, axis=1), self.pmts[near]
        inner = charge[:, :19] + 1e-9
        place = (inner[:, :, None] * pmts[:, :19]).sum(axis=1) / inner.sum(axis=1, keepdims=True)
        for _ in range(STEPS):
            gradient, information = self._likelihood(place, charge, pmts)
            step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
            length = np.hypot(*step.T)[:, None]
            place = self._inside(place + step * np.minimum(1, LONGEST_STEP / np.maximum(length, 1e-9)))
            if length.max() < SMALL_STEP:
                break
        information = self._likelihood(place, charge, pmts)[1]
        return place, np.sqrt(np.trace(np.linalg.inv(information), axis1=1, axis2=2) / 2)

    def _likelihood(
        self, place: Place, charge: Float[np.ndarray, "n near"], pmts: Float[np.ndarray, "n near 2"]
    ) -> tuple[Place, Float[np.ndarray, "n 2 2"]]:
        """Gradient and Fisher information of Σ qᵢ log pᵢ, with pᵢ the expected shares of the near PMTs."""
        away = place[:, None] - pmts
        distance = np.hypot(away[..., 0], away[..., 1])
        log, slope = self.response_.at(distance)
        share = np.exp(log - log.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        pull = away * (slope / np.maximum(distance, 1e-6))[..., None]
        total = charge.sum(axis=1)
        mean = (share[..., None] * pull).sum(axis=1)
        gradient = ((charge - total[:, None] * share)[..., None] * pull).sum(axis=1)
        square = np.einsum("nk,nki,nkj->nij", share, pull, pull) - mean[:, :, None] * mean[:, None, :]
        return gradient, np.maximum(total, 1.0)[:, None, None] * square + 1e-6 * np.eye(2)

    def _inside(self, place: Place) -> Place:
        beyond = np.maximum(np.hypot(*place.T) / self.radius_, 1.0)
        return place / beyond[:, None]


def _distances(xy: Float[np.ndarray, "n 2"], pmts: Float[np.ndarray, "pmts 2"]) -> Float[np.ndarray, "n pmts"]:
    away = xy[:, None, :] - pmts[None, :, :]
    return np.hypot(away[..., 0], away[..., 1])
