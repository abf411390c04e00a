"""How far a run has got: a bar on a terminal, dated lines elsewhere."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


@runtime_checkable
class Progress(Protocol):
    """What the engine tells: a stage begins, tasks get done, it ends; and words in between."""

    def begin(self, name: str, total: int, done: int) -> None:
        """A stage of `total` tasks begins, `done` of them done before."""

    def advance(self) -> None:
        """One task more is done."""

    def end(self, how: str = "done") -> None:
        """The stage is done, stopped or failed."""

    def note(self, text: str) -> None:
        """A line for the reader."""


class Silent:
    """Tells nothing."""

    def begin(self, name: str, total: int, done: int) -> None:
        """Nothing."""

    def advance(self) -> None:
        """Nothing."""

    def end(self, how: str = "done") -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Lines:
    """Dated lines at the start and the end of a stage, and at most every few seconds between."""

    def __init__(self, console: Console, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._every_s, self._clock = console, every_s, clock

    def begin(self, name: str, total: int, done: int) -> None:
        """A stage of `total` tasks begins, `done` of them done before."""
        self._name, self._total, self._done, self._before = name, total, done, done
        self._begun = self._told = self._clock()
        self.note(f"{name}: {total} tasks" + (f", {done} done before" if done else ""))

    def advance(self) -> None:
        """One task more is done; told if the last line is old enough."""
        self._done += 1
        now = self._clock()
        if now - self._told >= self._every_s and self._done < self._total:
            self._told = now
            left = (now - self._begun) / (self._done - self._before) * (self._total - self._done)
            self.note(f"{self._name}: {self._done} of {self._total}, {duration(left)} left")

    def end(self, how: str = "done") -> None:
        """The stage is done, stopped or failed."""
        self.note(summary(self._name, self._done, self._total, self._clock() - self._begun, how))

    def note(self, text: str) -> None:
        """A line for the reader, with its date."""
        dated = f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}"
        self._console.print(dated, markup=False, highlight=False, soft_wrap=True)


class Bar:
    """A bar on a terminal; each stage leaves one line with its time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rich: RichProgress | None = None

    def begin(self, name: str, total: int, done: int) -> None:
        """A stage of `total` tasks begins, `done` of them done before."""
        self._name, self._total, self._done, self._begun = name, total, done, time.monotonic()
        left = TimeRemainingColumn(compact=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._rich = RichProgress(*columns, left, console=self._console, transient=True)
        self._task = self._rich.add_task(name, total=total, completed=done)
        self._rich.start()

    def advance(self) -> None:
        """One task more is done."""
        self._done += 1
        if self._rich is not None:
            self._rich.advance(self._task)

    def end(self, how: str = "done") -> None:
        """The stage is done, stopped or failed."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = None
        self.note(summary(self._name, self._done, self._total, time.monotonic() - self._begun, how))

    def note(self, text: str) -> None:
        """A line for the reader, above the bar."""
        self._console.print(text, markup=False, highlight=False)


def progress_on(console: Console | None = None) -> Progress:
    """A bar if the console (default: standard error) is a terminal, else dated lines."""
    console = console or Console(stderr=True)
    return Bar(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


def summary(name: str, done: int, total: int, seconds: float, how: str) -> str:
    """The line that a stage leaves."""
    return f"{name}: {done} of {total} {how} in {duration(seconds)}"


def duration(seconds: float) -> str:
    """A time as people say it: 0.4 s, 75 s, 12 min, 3.1 h."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
