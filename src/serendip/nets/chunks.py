"""A trained model over many events, in chunks: memory does not grow with them, and few shapes are compiled."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from serendip.nets.batches import bucket, pad

CHUNK = 8192  # events at once


def in_chunks(
    function: Callable[..., Array], model: Any, *rows: np.ndarray, shared: tuple[Any, ...] = ()
) -> np.ndarray:
    """`function(model, *rows, *shared)` under one compilation, for rows of which each stands alone.

    Args:
        function: to rows of some number n gives an array with n rows. Trap: one that is made anew for each call (a
            lambda) is compiled anew.
        model: any tree of arrays.
        *rows: arrays with one row an event; passed on as float32.
        shared: what is the same for all events.
    """
    results = []
    for start in range(0, max(len(rows[0]), 1), CHUNK):
        chunk = [np.asarray(array[start : start + CHUNK], np.float32) for array in rows]
        padded = [pad(array, bucket(len(array))) for array in chunk]
        results.append(np.asarray(_compiled(function, model, padded, shared), float)[: len(chunk[0])])
    return np.concatenate(results)


@eqx.filter_jit
def _compiled(function: Callable[..., Array], model: Any, rows: list[Any], shared: tuple[Any, ...]) -> Array:
    return function(model, *rows, *shared)
