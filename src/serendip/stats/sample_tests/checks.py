"""What a test refuses before it computes: references that cannot be compared with, samples of other features."""

import numpy as np
from jaxtyping import Float

from serendip.errors import InputError, require_events
from serendip.stats.sample_tests.sample import Sample


def check_reference(reference: Sample, minimum: int = 2) -> None:
    """Refuse a reference that is too small, has a constant feature, or weights that cancel.

    Raises:
        TooFewEventsError: fewer than `minimum` events.
        InputError: a feature has one value, or the weights do not sum to a positive number.
    """
    require_events(minimum, reference=reference.x)
    check_weights("reference", reference)
    flat = np.ptp(reference.x, axis=0) == 0
    if flat.any():
        raise InputError(
            f"Got feature {int(np.argmax(flat))} with one value in the reference, but expected features that vary. "
            "Leave it out."
        )


def check_sample(sample: Sample, features: int) -> None:
    """Refuse a sample without events, with other features than the reference, or with weights that cancel.

    Raises:
        TooFewEventsError: fewer than two events.
        InputError: the number of features differs, or the weights do not sum to a positive number.
    """
    require_events(2, sample=sample.x)
    if sample.x.shape[1] != features:
        raise InputError(f"Got a sample of {sample.x.shape[1]} features, but expected the reference's {features}.")
    check_weights("sample", sample)


def check_weights(name: str, sample: Sample) -> None:
    """Refuse weights whose sum is not positive.

    Raises:
        InputError: they cancel.
    """
    if not sample.total > 0:
        raise InputError(f"Got weights that sum to {sample.total:g} in the {name}, but expected a positive sum.")


def check_positive(**settings: float) -> None:
    """Refuse settings that are not above 0.

    Raises:
        InputError: one is not.
    """
    for name, value in settings.items():
        if not value > 0:
            raise InputError(f"test.{name}: Got {value}, but expected a number above 0.")


def effective_size(w: Float[np.ndarray, "*toys n"]) -> Float[np.ndarray, "*toys"]:
    """(Σw)² / Σw²: how many events of weight 1 know as much."""
    return np.asarray(w.sum(axis=-1) ** 2 / np.square(w).sum(axis=-1))
