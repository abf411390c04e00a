"""What a monitor has judged: one JSON line a batch, and what it knows of each file, so that a restart goes on from there."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serendip.data.columns import Source
from serendip.errors import InputError
from serendip.run.folder import RunFolder
from serendip.search.batches import FileEnd

BATCHES, FILES = "batches.jsonl", "files.jsonl"
ENDS_READ = 65_536  # bytes at either end of a file that tell it from another of the same size


class Journal:
    """The records of a run folder; lines are appended, and never written anew.

    A batch is on record once its line is written whole: killed before, it is judged again after the restart, with the
    same outcome; killed after, it is not judged again.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.batches = folder.read_lines(BATCHES)
        self._files = folder.read_lines(FILES)

    def add_batch(self, record: dict[str, Any]) -> dict[str, Any]:
        """Number a batch and write its record."""
        record = {"batch": len(self.batches), "time": _now(), **record}
        self._folder.append_json(BATCHES, record)
        self.batches.append(record)
        return record

    def begin(self, source: Source) -> None:
        """Note that a file is read from now on."""
        self._add_file({"event": "begin", "file": str(source), "fingerprint": fingerprint(source.path)})

    def end(self, end: FileEnd) -> None:
        """Note that a file was read to its end."""
        self._add_file({"event": "end", **vars(end)})

    def _add_file(self, record: dict[str, Any]) -> None:
        record = {"time": _now(), **record}
        self._folder.append_json(FILES, record)
        self._files.append(record)

    def judged(self, source: Source) -> int:
        """The row of a file before which all events are judged."""
        return max((s["stop"] for b in self.batches for s in b["spans"] if s["file"] == str(source)), default=0)

    def pending(self, given: Iterable[Source], *, across_files: bool) -> list[Source]:
        """The files that hold events not judged yet: those whose rest waits for the next file first.

        Raises:
            InputError: a file that was begun holds something else now.
        """
        by_name = {str(source): source for source in given}
        ends = {r["file"]: r for r in self._files if r["event"] == "end" and r["file"] in by_name}
        for record in self._files:
            if record["event"] == "begin" and record["file"] in by_name:
                _require_same(by_name[record["file"]], record["fingerprint"])
        waiting = [by_name[f] for f, end in ends.items() if across_files and self.judged(by_name[f]) < end["stop"]]
        return waiting + [source for name, source in by_name.items() if name not in ends]


def fingerprint(path: Path) -> str:
    """What tells a file from a later one of the same name: its size, and a hash of both its ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(ENDS_READ))
        file.seek(max(size - ENDS_READ, 0))
        digest.update(file.read())
    return f"{size}-{digest.hexdigest()[:32]}"


def absolute(sources: Sequence[Source]) -> list[Source]:
    """Files under names that do not depend on where the command was given."""
    return [Source(source.path.resolve(), source.inside) for source in sources]


def _require_same(source: Source, known: str) -> None:
    if fingerprint(source.path) != known:
        raise InputError(
            f"{source}: Got a file that changed since it was judged, but expected the same one. Give new events in a file "
            "of another name, complete before it gets that name."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
