"""Train the network of an estimator so that neither a crash nor a diverging loss loses what was learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from serendip.errors import InputError
from serendip.nets import saving
from serendip.nets.training import DivergedError, Progress, Trained, Training, train


def fit_network(
    estimator: Any,
    model: Any,
    loss: Callable[..., Any],
    rows: tuple[np.ndarray, ...],
    *,
    w: np.ndarray | None,
    settings: Training,
    members: int | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train, and put the result where the estimator scores with it: in `model_`.

    After a divergence `model_` is what the epochs before gave, and the error goes on to the caller.

    Args:
        estimator: with a `seed` and a `checkpoint`.
        model: as for `train`.
        loss: as for `train`.
        rows: arrays with one row an event.
        w: event weights, of either sign.
        settings: of the training.
        members: size of an ensemble.
        progress: called after each epoch.

    Raises:
        DivergedError: a loss became NaN or infinite.
    """
    folder = checkpoint_folder(estimator)
    try:
        trained = train(
            model,
            loss,
            rows,
            w=w,
            settings=settings,
            seed=estimator.seed,
            members=members,
            checkpoint=folder,
            progress=progress,
        )
    except DivergedError as error:
        estimator.model_ = error.model
        raise
    estimator.model_ = trained.model
    return trained


def checkpoint_folder(estimator: Any) -> Path | None:
    """The folder of an estimator's `checkpoint`, made if need be."""
    if estimator.checkpoint is None:
        return None
    folder = Path(estimator.checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save_estimator(estimator: Any, path: str | Path, learned: Any, facts: dict[str, Any], kind: str) -> None:
    """Write an estimator's settings and what it learned as arrays and JSON, all or nothing.

    Args:
        estimator: whose settings are JSON values.
        path: of the file.
        learned: a tree of arrays.
        facts: what else its shapes depend on.
        kind: of the estimator.
    """
    saving.save(path, learned, facts | {"settings": estimator.get_params()}, kind)


def blank_estimator(kind_of_estimator: type, path: str | Path, kind: str) -> tuple[Any, dict[str, Any]]:
    """An estimator with the settings in a file, not fitted, and the facts there.

    Raises:
        InputError: the file is missing, broken, of another kind or version.
    """
    facts = saving.saved_settings(path, kind)
    try:
        return kind_of_estimator(**facts["settings"]), facts
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: Got settings that this version does not know ({error}). Train and save the model anew, or use "
            "the version of Serendip that wrote it."
        ) from None
