"""Cut files into batches of events as they come: in order, chunk by chunk, none twice and none lost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from jaxtyping import Float, Int

from serendip.data.columns import ROWS_PER_CHUNK, Source, iter_columns
from serendip.data.recipe import ROW, Recipe, plan
from serendip.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """Events of one file: features (n, d), and the row of each in the file."""

    file: str
    x: Float[np.ndarray, "n d"]
    rows: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.x)

    def split(self, n: int) -> tuple["Rows", "Rows"]:
        """The first n events, and the others."""
        return Rows(self.file, self.x[:n], self.rows[:n]), Rows(self.file, self.x[n:], self.rows[n:])


@dataclass(frozen=True)
class FileEnd:
    """A file is read to its end.

    Attributes:
        rows: how many it holds.
        stop: one past the row of its last event that was kept; 0 where none was.
        dropped: rows left out for values that are not finite.
        left: events that wait for a batch to fill, of this file and those before it.
    """

    file: str
    rows: int
    stop: int
    dropped: int
    left: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """Events that are judged together, from one file or several."""

    pieces: tuple[Rows, ...]

    @property
    def x(self) -> Float[np.ndarray, "n d"]:
        """The features of all pieces."""
        return np.concatenate([piece.x for piece in self.pieces])

    @property
    def spans(self) -> list[dict[str, object]]:
        """Which rows of which files: from `start` to before `stop`."""
        spans = []
        for file, pieces in groupby(self.pieces, lambda piece: piece.file):
            rows = np.concatenate([piece.rows for piece in pieces])
            spans.append({"file": file, "start": int(rows[0]), "stop": int(rows[-1]) + 1})
        return spans


def read_rows(source: Source, recipe: Recipe, start: int = 0, chunk: int = ROWS_PER_CHUNK) -> Iterator[Rows | FileEnd]:
    """The selected events of a file from row `start` on, then its end.

    Raises:
        InputError: the file cannot be read, lacks a column, or holds values that are not finite while the recipe
            does not drop them.
    """
    planned, file = plan(source, recipe), str(source)
    first = stop = dropped = 0
    for raw in iter_columns(file, planned.reads, rows_per_chunk=chunk):
        after = first + len(next(iter(raw.values())))
        if after > start:
            kept = planned.selected(raw, np.arange(first, after))
            x, rows = np.column_stack([kept[name] for name in recipe.features]), kept[ROW]
            good = (rows >= start) & np.isfinite(x).all(axis=1)
            bad = int(np.sum(rows >= start)) - int(good.sum())
            if bad and recipe.non_finite == "error":
                raise InputError(_not_finite(file, recipe, x, rows, start))
            dropped += bad
            if good.any():
                stop = int(rows[good][-1]) + 1
                yield Rows(file, x[good], rows[good])
        first = after
    yield FileEnd(file, first, stop, dropped)


def cut(parts: Iterable[Rows | FileEnd], size: int, *, across_files: bool) -> Iterator[Batch | FileEnd]:
    """Batches of exactly `size` events in order, and the ends of files, each after the batches that it fills.

    Args:
        parts: what `read_rows` gives, of one file after the other.
        size: events in a batch.
        across_files: keep what a file leaves over for the next; if not, it is given up, and `left` says how many.
    """
    waiting: list[Rows] = []
    for part in parts:
        if isinstance(part, FileEnd):
            yield replace(part, left=sum(map(len, waiting)))
            waiting = waiting if across_files else []
            continue
        waiting.append(part)
        while sum(map(len, waiting)) >= size:
            taken, waiting = _take(waiting, size)
            yield Batch(tuple(taken))


def _take(waiting: Sequence[Rows], size: int) -> tuple[list[Rows], list[Rows]]:
    """Exactly `size` events from the front, and what stays."""
    taken: list[Rows] = []
    for i, part in enumerate(waiting):
        wanted = size - sum(map(len, taken))
        if len(part) >= wanted:
            head, tail = part.split(wanted)
            return [*taken, head], [*([tail] if len(tail) else []), *waiting[i + 1 :]]
        taken.append(part)
    raise AssertionError("the caller saw to it that enough events wait")


def _not_finite(file: str, recipe: Recipe, x: np.ndarray, rows: np.ndarray, start: int) -> str:
    bad = ~np.isfinite(x) & (rows >= start)[:, None]
    row, column = np.argwhere(bad)[0]
    return (
        f"{file}: Got {x[row, column]} for {list(recipe.features)[column]} in row {rows[row]}, but expected finite values. "
        "Leave such events out with data.non_finite: drop (each batch then says nothing of them), or by data.where."
    )
