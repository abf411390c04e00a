"""The anomaly function of a recoil: how badly it fits electron recoils, and how well a nuclear one, as one number.

TS = −ELBO + R·H_B with H_B = −ln(1 − p), p the probability of a nuclear recoil. Source: arXiv:2410.00755.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from sklearn.base import BaseEstimator

from serendip.data.recordings import Recordings
from serendip.errors import InputError, require_events
from serendip.nets import saving
from serendip.score.classifiers import MIN_EVENTS
from serendip.score.densities import PerEvent

KIND = "anomaly function"
HIGH, HIGH_IN_BIN = 0.99, 0.9  # quantiles that units are taken from: of all events, and of those in a bin of energy
BINS, LEAST_IN_BIN = 12, 250
NAMES = ("−ELBO", "H_B")

Terms = Float[np.ndarray, "n 2"]
Ratios = float | Float[np.ndarray, " ratios"]
Scores = Float[np.ndarray, "n *ratios"]


@runtime_checkable
class OddsOfRecoil(Protocol):
    """Any classifier that tells nuclear from electron recoils."""

    def log_odds(self, recordings: Recordings) -> PerEvent:
        """ln p / (1 − p) of a nuclear recoil."""


@runtime_checkable
class BoundOfRecoil(Protocol):
    """Any model of electron recoils."""

    def negative_elbo(self, recordings: Recordings) -> PerEvent:
        """Higher is less like an electron recoil."""


class AnomalyFunction(BaseEstimator):
    """Scores recordings by TS = T₁ + R·T₂, T₁ being −ELBO and T₂ H_B, each standardised on electron recoils.

    A term's centre is its median and its unit the distance from there to a high quantile, over what a normal
    distribution has there: a standard deviation of the upper half, where anomalies lie, that neither the rarest
    electron recoils nor the many with H_B = 0 decide. So R = 1 counts both terms alike at the 99 % quantile.

    −ELBO falls with the energy even among electron recoils, as the pulses scatter less: its centre and unit follow the
    energy, interpolated between a dozen bins. H_B's do not: that electron recoils leak more at low energy is what it
    has to say. The published R₀ belongs to terms as they are: R = R₀·unit(H_B) / unit(−ELBO).

    Args:
        vae: a fitted model of electron recoils.
        classifier: a fitted classifier.
        ratio: R, 0 for −ELBO alone.
        along: the column that −ELBO is standardised along; None for one centre and unit.
    """

    def __init__(
        self, vae: BoundOfRecoil, classifier: OddsOfRecoil, ratio: float = 1.0, *, along: str | None = "energy"
    ) -> None:
        self.vae = vae
        self.classifier = classifier
        self.ratio = ratio
        self.along = along

    def fit(self, recordings: Recordings) -> "AnomalyFunction":
        """Standardise the terms.

        Args:
            recordings: electron recoils that neither model was trained on, within the search's selection.

        Raises:
            TooFewEventsError: fewer than 100 events.
            InputError: a term that is nearly the same for all events.
        """
        require_events(MIN_EVENTS, electron_recoils=recordings)
        raw, place = self.raw_terms(recordings), self._places(recordings)
        in_bins = np.array_split(np.argsort(place, kind="stable"), self._bins(len(raw)))
        high = HIGH if len(in_bins) == 1 else HIGH_IN_BIN
        self.knots_ = np.array([np.median(place[rows]) for rows in in_bins])
        centre = np.array([np.median(raw[rows, 0]) for rows in in_bins])
        above = raw[:, 0] - np.interp(place, self.knots_, centre)
        # The slope within a bin is no spread: so the units come from what is above the interpolated centre.
        self.elbo_ = np.column_stack([centre, [_centre_and_unit(above[rows], high)[1] for rows in in_bins]])
        self.h_b_ = np.array(_centre_and_unit(raw[:, 1], HIGH))
        for name, units in zip(NAMES, (self.elbo_[:, 1], self.h_b_[1:])):
            if not np.all(units > 0):
                raise InputError(
                    f"Got a term {name} without spread over {len(raw)} electron recoils, but expected some."
                )
        return self

    def raw_terms(self, recordings: Recordings) -> Terms:
        """−ELBO and H_B, both in nats. H_B = ln(1 + odds) is exact where p rounds to 0 or 1."""
        h_b = np.logaddexp(0.0, self.classifier.log_odds(recordings))
        return np.column_stack([self.vae.negative_elbo(recordings), h_b])

    def terms(self, recordings: Recordings) -> Terms:
        """T₁ and T₂, standardised."""
        place = self._places(recordings)
        centre, unit = (np.interp(place, self.knots_, values) for values in self.elbo_.T)
        elbo, h_b = self.raw_terms(recordings).T
        return np.column_stack([(elbo - centre) / unit, (h_b - self.h_b_[0]) / self.h_b_[1]])

    def combine(self, terms: Terms, ratio: Ratios) -> Scores:
        """TS of each event, and of each R where several are given."""
        return combine(terms, ratio)

    def anomaly_score(self, recordings: Recordings) -> PerEvent:
        """TS; higher is more anomalous."""
        return combine(self.terms(recordings), self.ratio)

    def ratio_from_published(self, published: float) -> float:
        """R here, of an R₀ for terms as they are; with the median of −ELBO's units where they follow the energy."""
        return float(published * self.h_b_[1] / np.median(self.elbo_[:, 1]))

    def _places(self, recordings: Recordings) -> PerEvent:
        return np.zeros(len(recordings)) if self.along is None else recordings.events.x([self.along])[:, 0]

    def _bins(self, n: int) -> int:
        return 1 if self.along is None else min(BINS, max(1, n // LEAST_IN_BIN))

    def save(self, path: str | Path) -> None:
        """Write settings and standardisation; the models are saved by themselves."""
        facts = {"ratio": self.ratio, "along": self.along, "knots": len(self.knots_)}
        saving.save(path, (self.knots_, self.elbo_, self.h_b_), facts, KIND)

    @classmethod
    def load(cls, path: str | Path, vae: BoundOfRecoil, classifier: OddsOfRecoil) -> "AnomalyFunction":
        """Read what `save` wrote, for the models that it was fitted with.

        Raises:
            InputError: the file is missing, broken, of another kind or version.
        """
        facts = saving.saved_settings(path, KIND)
        function, n = cls(vae, classifier, facts["ratio"], along=facts["along"]), facts["knots"]
        blank = np.zeros(n), np.zeros((n, 2)), np.zeros(2)
        function.knots_, function.elbo_, function.h_b_ = saving.load(path, lambda _: blank, KIND)
        return function


def combine(terms: Terms, ratio: Ratios) -> Scores:
    """TS = T₁ + R·T₂ of each event, and of each R where several are given.

    Raises:
        InputError: a ratio is negative, infinite or NaN.
    """
    ratio = np.asarray(ratio, float)
    if not (np.all(ratio >= 0) and np.all(np.isfinite(ratio))):
        raise InputError(f"ratio: Got {ratio}, but expected numbers from 0 (−ELBO alone) up.")
    return np.add.outer(terms[:, 0], 0.0 * ratio) + np.multiply.outer(terms[:, 1], ratio)


def _centre_and_unit(values: PerEvent, high: float) -> tuple[float, float]:
    centre, upper = np.quantile(values, (0.5, high))
    return float(centre), float((upper - centre) / ndtri(high))
