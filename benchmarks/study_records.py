"""Lines of a study, one JSON object each in a file, so that a study that was cut off goes on; and tables of them."""

import json
import re
import resource
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]


class Records:
    """The lines of one file.

    Args:
        path: of the file; it need not exist.
        keys: what tells one line from another.
        only: a regular expression; lines with no value among their keys that it matches are left out.
    """

    def __init__(self, path: Path, keys: Sequence[str], only: str = "") -> None:
        self.path, self.keys, self.only = path, tuple(keys), re.compile(only)
        path.parent.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[Row]:
        """All lines, in the order in which they were measured."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def measure(self, key: Mapping[str, Any], measured: Callable[[], Row]) -> None:
        """Measure and write a line, unless it is there already."""
        if not any(self.only.match(str(value)) for value in key.values()):
            return
        if any(all(row[name] == key[name] for name in self.keys) for row in self.rows()):
            return
        begin = _processor_seconds()
        row = {**key, **measured(), "cpu": round(_processor_seconds() - begin, 2)}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def _processor_seconds() -> float:
    """Of this process and of those that it waited for: what a busy machine does not change."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Median, and between which values 68 % lie; both ends where there are fewer than four."""
    values = np.array([value for value in values if value is not None], dtype=float)
    if not len(values):
        return "–"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    low, median, high = np.quantile(values, [0.16, 0.5, 0.84] if len(values) > 3 else [0.0, 0.5, 1.0])
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(
    rows: Sequence[Row], by: Sequence[str], columns: Mapping[str, Callable[[Row], Any]], digits: Mapping[str, int]
) -> str:
    """A Markdown table: a line for each value of `by`, and `spread` of every column over the rows."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    lines = ["| " + " | ".join([*by, "draws", *columns]) + " |", "|---" * (len(by) + 1 + len(columns)) + "|"]
    for key, members in groups.items():
        cells = [spread((value(row) for row in members), digits.get(name, 2)) for name, value in columns.items()]
        lines.append("| " + " | ".join([*map(str, key), str(len(members)), *cells]) + " |")
    return "\n".join(lines)
