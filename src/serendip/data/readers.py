"""From event files to `Events`: only the columns needed are read, chunk by chunk.

Expressions and the selection are applied to each chunk, so that memory is bounded by a chunk and what was
selected, not by the files.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serendip.data.columns import ROWS_PER_CHUNK, Source, iter_columns, sources
from serendip.data.events import Events, Truth
from serendip.data.recipe import MASS, OBSERVER, ROW, TRUTH, WEIGHT, NonFinite, Plan, Recipe, plan
from serendip.errors import InputError, TooFewEventsError

Paths = str | os.PathLike | Sequence[str | os.PathLike]
LARGEST_EXACT_ID = 2**53

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What was read, and what was left out on the way.

    Attributes:
        events: the events that were kept; their observer `row` is the row number in the files, counted on.
        truth: which of them are signal, if the recipe names a truth.
        rows: how many rows the files hold.
        selected: how many of them `where` let pass.
        dropped: non-finite values of the selected rows by column, if the policy is "drop".
    """

    events: Events
    truth: Truth | None
    rows: int
    selected: int
    dropped: Mapping[str, int]


def read(
    path: Paths,
    *,
    features: Mapping[str, str] | Sequence[str],
    mass: str | None = None,
    mass_name: str | None = None,
    weight: str | None = None,
    observers: Sequence[str] = (),
    where: str | None = None,
    units: Mapping[str, str] | None = None,
    non_finite: NonFinite = "error",
    rows_per_chunk: int = ROWS_PER_CHUNK,
) -> Events:
    """The events of a file, of a pattern such as `run*.root:events`, or of several files in order.

    The keywords are those of `Recipe`.

    Raises:
        InputError: see `read_recipe`.
        TooFewEventsError: no event was selected.
    """
    recipe = Recipe(features, mass, mass_name, weight, observers, None, where, units or {}, non_finite)
    return read_recipe(path, recipe, rows_per_chunk=rows_per_chunk).events


def read_labelled(
    path: Paths,
    *,
    truth: str,
    features: Mapping[str, str] | Sequence[str],
    mass: str | None = None,
    mass_name: str | None = None,
    weight: str | None = None,
    observers: Sequence[str] = (),
    where: str | None = None,
    units: Mapping[str, str] | None = None,
    non_finite: NonFinite = "error",
    rows_per_chunk: int = ROWS_PER_CHUNK,
) -> tuple[Events, Truth]:
    """The events and, apart from them, which are signal; the truth is refused among their columns.

    The keywords are those of `Recipe`.

    Raises:
        InputError: see `read_recipe`.
        TooFewEventsError: no event was selected.
    """
    recipe = Recipe(features, mass, mass_name, weight, observers, truth, where, units or {}, non_finite)
    reading = read_recipe(path, recipe, rows_per_chunk=rows_per_chunk)
    assert reading.truth is not None  # for mypy: the recipe names one
    return reading.events, reading.truth


def read_recipe(path: Paths, recipe: Recipe, *, rows_per_chunk: int = ROWS_PER_CHUNK) -> Reading:
    """Read events, and say what was left out.

    Raises:
        InputError: a file is missing, damaged or empty; a column is missing; the mass, the truth, the weight
            or an observer is among the features; values are not finite; the weights sum to 0.
        TooFewEventsError: no event was selected.
    """
    files = sources(path)
    planned = plan(files[0], recipe)
    chunks: list[dict[str, np.ndarray]] = []
    bad: dict[str, _Bad] = {}
    rows = selected = 0
    for source in files:
        start = rows
        for raw in iter_columns(str(source), planned.reads, rows_per_chunk=rows_per_chunk):
            length = len(next(iter(raw.values())))
            kept = planned.selected(raw, np.arange(rows, rows + length))
            selected += len(kept[ROW])
            chunks.append(_finite(kept, bad, source, start))
            rows += length
        if rows == start:
            raise InputError(f"{source}: Got no rows, but expected at least one event.")
    _report_bad(bad, recipe.non_finite, selected)
    _require_some(files, recipe, chunks, rows, selected)
    columns = _joined(chunks)
    truth = _truth(columns.pop(TRUTH), recipe) if recipe.truth else None
    dropped = {name: one.count for name, one in bad.items()}
    return Reading(_events(columns, recipe, planned), truth, rows, selected, dropped)


@dataclass
class _Bad:
    """The non-finite values of one column so far, and the first of them."""

    count: int
    source: Source
    row: int
    value: float


def _finite(kept: dict[str, np.ndarray], bad: dict[str, _Bad], source: Source, start: int) -> dict[str, np.ndarray]:
    """The rows whose values are all finite; the others are counted."""
    good = np.ones(len(kept[ROW]), bool)
    for name, values in kept.items():
        if name.startswith(OBSERVER) or name == ROW:
            continue
        finite = np.isfinite(values)
        if not finite.all():
            first = int(np.argmin(finite))
            known = bad.setdefault(name, _Bad(0, source, int(kept[ROW][first]) - start, float(values[first])))
            known.count += int(np.count_nonzero(~finite))
            good &= finite
    return kept if good.all() else {name: values[good] for name, values in kept.items()}


def _report_bad(bad: Mapping[str, _Bad], policy: NonFinite, selected: int) -> None:
    if not bad:
        return
    counts = ", ".join(f"{one.count} of {name}" for name, one in bad.items())
    if policy == "drop":
        logger.warning("Dropped the rows with non-finite values among %d selected: %s", selected, counts)
        return
    first = next(iter(bad.values()))
    raise InputError(
        f"{first.source}: Got non-finite values in {selected} selected rows: {counts} (the first is "
        f"{first.value} in row {first.row}), but expected finite ones. Drop these events with "
        "non_finite: drop, cut them away with where, or divide with ratio_or(a, b, default)."
    )


def _require_some(
    files: Sequence[Source],
    recipe: Recipe,
    chunks: Sequence[Mapping[str, np.ndarray]],
    rows: int,
    selected: int,
) -> None:
    if any(len(chunk[ROW]) for chunk in chunks):
        return
    place = ", ".join(map(str, files))
    if selected:
        raise TooFewEventsError(f"{place}: Got non-finite values in all of the {selected} selected rows.")
    raise TooFewEventsError(f"{place}: Got no event of {rows} with where={recipe.where!r}, but expected at least one.")


def _joined(chunks: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The chunks end to end; each part is let go once it is copied, so that memory holds no second sample."""
    return {name: np.concatenate([chunk.pop(name) for chunk in chunks]) for name in list(chunks[0])}


def _truth(values: np.ndarray, recipe: Recipe) -> Truth:
    if not np.isin(values, (0.0, 1.0)).all():
        some = ", ".join(f"{value:g}" for value in np.unique(values)[:5])
        raise InputError(f"truth: Got the values {some}, but expected 0 and 1; write truth='{recipe.truth} == ...'.")
    return Truth(values == 1)


def _events(columns: dict[str, np.ndarray], recipe: Recipe, planned: Plan) -> Events:
    w = columns.get(WEIGHT)
    if w is not None and abs(np.sum(w)) <= 1e-12 * np.sum(np.abs(w)):
        raise InputError(f"weight: Got weights {recipe.weight!r} that sum to 0, but expected another sum.")
    return Events(
        columns={name: columns[name] for name in planned.values if name not in (MASS, WEIGHT, TRUTH)},
        m=columns.get(MASS),
        w=w if w is not None else np.ones(len(columns[ROW])),
        observers={ROW: columns[ROW]} | {name: _ids(name, columns[OBSERVER + name]) for name in planned.observers},
        units=dict(recipe.units),
        mass_name=planned.mass_name,
    )


def _ids(name: str, values: np.ndarray) -> np.ndarray:
    """Whole numbers again, where CSV gave decimals."""
    if values.dtype.kind != "f" or not np.array_equal(values, np.floor(values)):
        return values
    if np.abs(values).max() > LARGEST_EXACT_ID:
        raise InputError(f"{name}: Got ids beyond 2^53, which CSV loses digits of; write the file as Parquet.")
    return values.astype(np.int64)
