"""Tag N' Train: a weak classifier of one object tags events for a better classifier of the other, and the reverse.

Source: Amram, Mantilla Suarez 2020, arXiv:2002.12376.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from serendip.data import Window
from serendip.errors import ConfigError, InputError, unknown_name
from serendip.score.classifiers import fit_two_samples, make_settled
from serendip.score.densities import make_settled_density
from serendip.score.weak.cwola import Cwola
from serendip.score.weak.template import Features, Part, PerEvent, take_apart

TAGGERS = ("cwola", "density")


class TagNTrain(BaseEstimator):
    """Scores events by the sum of two classifiers, each trained on one object with labels from the other.

    For an event with two objects, such as two jets: a weak tagger of the first calls events signal-rich (the highest
    20 %, in the window) or background-rich (the lowest 40 %, at any mass). The features of the second object, in the
    background independent of the first, then train a classifier. And the other way round.

    The paper starts from autoencoders; its code can start from CWoLa, too. On the LHCO sample (S/√B = 2.2, two features
    a jet) CWoLa tags far better: the largest SIC is 5.5, against 2.3 for a density and 2.0 for an autoencoder.

    Trap: as in CWoLa, features that depend on the mass tell the window from the rest without any signal.

    Args:
        classifier: a key of `CLASSIFIERS`, for tags by CWoLa and for the scores.
        settings: of the classifiers.
        groups: the columns of either object; None takes the first half of the columns and the rest.
        tagger: `cwola`, window against the rest in the features of one object, or `density`, −log p of them.
        density: a key of `DENSITIES`, for tags by density.
        density_settings: of the density.
        signal_rich: part of the events with the highest tag.
        background_rich: part of the events with the lowest tag.
        seed: of the taggers and the classifiers.
    """

    needs = frozenset({"mass", "window"})
    source = "arXiv:2002.12376"
    summary = "two objects in an event: a weak tagger of one labels events to train a classifier of the other"

    def __init__(
        self,
        classifier: str = "trees",
        *,
        settings: dict[str, Any] | None = None,
        groups: Sequence[Sequence[int]] | None = None,
        tagger: str = "cwola",
        density: str = "spline_maf",
        density_settings: dict[str, Any] | None = None,
        signal_rich: float = 0.2,
        background_rich: float = 0.4,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.groups = groups
        self.tagger = tagger
        self.density = density
        self.density_settings = density_settings
        self.signal_rich = signal_rich
        self.background_rich = background_rich
        self.seed = seed

    def prepare(self, x: Features) -> Features:
        """x itself: each classifier takes some of the columns."""
        return x

    def fit(self, x: Features, m: PerEvent, window: Window, *, w: PerEvent | None = None) -> "TagNTrain":
        """Tag and train, either way.

        Args:
            x: features of both objects.
            m: resonant variable, in the units of `window`.
            window: where the signal is sought.
            w: event weights, of either sign.

        Raises:
            TooFewEventsError: the window, the sidebands or a tagged sample hold fewer than 100 events.
            ConfigError: the tagger is unknown.
            InputError: weights cancel, a feature is NaN or infinite, the groups are not two sets of columns, or the tagged
                samples overlap.
        """
        if not (self.signal_rich > 0 and self.background_rich > 0 and self.signal_rich + self.background_rich <= 1):
            raise InputError(
                f"Got signal_rich={self.signal_rich:g} and background_rich={self.background_rich:g}, but expected parts "
                "above 0 that do not overlap."
            )
        if self.tagger not in TAGGERS:
            raise ConfigError("tagger: " + unknown_name("tagger", self.tagger, TAGGERS))
        part = Part(x, m, w)
        take_apart(part, window)
        self.groups_ = self._groups(x.shape[1])
        self.classifiers_ = [
            self._train(part, window, tagging, trained) for tagging, trained in (self.groups_, self.groups_[::-1])
        ]
        return self

    def _groups(self, features: int) -> tuple[list[int], list[int]]:
        half, columns = features // 2, list(range(features))
        groups = [columns[:half], columns[half:]] if self.groups is None else [list(group) for group in self.groups]
        named = [column for group in groups for column in group]
        if len(groups) != 2 or not all(groups) or len(set(named)) < len(named) or not set(named) <= set(columns):
            raise InputError(
                f"groups: Got {groups} for {features} features, but expected two lists of columns that share none."
            )
        return groups[0], groups[1]

    def _train(self, part: Part, window: Window, tagging: list[int], trained: list[int]) -> Any:
        tag = self._tags(part.x[:, tagging], part.m, window, part.w)
        low, high = np.quantile(tag, [self.background_rich, 1 - self.signal_rich])
        rich, poor = part[(tag > high) & window.contains(part.m)], part[tag <= low]
        return fit_two_samples(
            make_settled(self),
            {"signal_rich_events": (rich.x[:, trained], rich.w)},
            {"background_rich_events": (poor.x[:, trained], poor.w)},
        )

    def _tags(self, x: Features, m: PerEvent, window: Window, w: PerEvent | None) -> PerEvent:
        if self.tagger == "cwola":
            return (
                Cwola(self.classifier, settings=self.settings, seed=self.seed).fit(x, m, window, w=w).anomaly_score(x)
            )
        density = make_settled_density(self)
        return -density.fit(x, None, w).log_prob(x)

    def anomaly_score(self, x: Features) -> PerEvent:
        """Sum of the logits of both objects."""
        first, second = self.classifiers_
        return first.score(x[:, self.groups_[1]]) + second.score(x[:, self.groups_[0]])
