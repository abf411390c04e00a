"""Files of classifiers that see events through a `Representation`."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from serendip.nets.saving import load
from serendip.score.fit_network import blank_estimator, save_estimator
from serendip.score.semi.representation import Representation

C = TypeVar("C")


def save_represented(classifier: Any, path: str | Path, kind: str) -> None:
    """Write a classifier's settings, `representation_` and `model_` as arrays and JSON, all or nothing."""
    learned = classifier.representation_.learned()
    save_estimator(classifier, path, (classifier.model_, learned), {"shapes": [array.shape for array in learned]}, kind)


def load_represented(kind_of_classifier: type[C], path: str | Path, kind: str) -> C:
    """A classifier from what `save_represented` wrote; its `_build` makes networks for a number of inputs.

    Raises:
        InputError: the file is missing, broken, of another kind or version.
    """
    classifier, facts = blank_estimator(kind_of_classifier, path, kind)
    empty = tuple(np.empty(shape) for shape in facts["shapes"])
    tree = classifier._build(len(empty[0])), empty
    classifier.model_, learned = load(path, lambda _: tree, kind)
    classifier.representation_ = Representation(classifier.parts, modes=classifier.modes).restore(learned)
    return classifier
