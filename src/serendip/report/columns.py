"""Columns of numbers, as every figure writes them beside itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Num

from serendip.errors import InputError

Numbers = Mapping[str, np.ndarray]
Points = Num[np.ndarray, "_"]  # lengths are compared when a panel is made, with its name in the message


def require_rising(name: str, edges: np.ndarray) -> None:
    """Refuse edges that are not bins; the message names the panel."""
    if len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise InputError(f"{name}: Got edges {edges}, but expected at least two, rising.")


def require_lengths(name: str, n: int, *columns: Any) -> None:
    """Refuse columns that are not n long; the message names the panel."""
    for column in columns:
        if len(column) != n:
            raise InputError(f"{name}: Got {len(column)} entries, but expected {n}.")


def stacked(parts: Any) -> Numbers:
    """Several tables below each other, each under its label in the column `series`."""
    parts = list(parts)
    if not parts:
        return {"series": np.array([], str)}
    labels = [np.full(len(next(iter(table.values()))), label, dtype=object) for label, table in parts]
    columns = {key: np.concatenate([np.asarray(table[key]) for _, table in parts]) for key in parts[0][1]}
    return {"series": np.concatenate(labels), **columns}
