"""Toy stages in a module that worker processes can import."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serendip.seeds import rng_for


@dataclass(frozen=True)
class ToyConfig:
    """What the toys below read; `marks` is a folder in which they leave traces."""

    seed: int = 1
    marks: str = ""
    wait_s: float = 0.0


def draw(config: ToyConfig, index: int) -> dict[str, object]:
    """Random numbers of this task alone."""
    time.sleep(config.wait_s)
    numbers = rng_for(config.seed, "draw", index).normal(size=(3, 2))
    return {
        "index": index,
        "x": numbers,
        "mean": numbers.mean(),
        "nested": {"max": [float(numbers.max()), None]},
    }


def where(config: ToyConfig, index: int) -> dict[str, object]:
    """The process, and how it was started."""
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {"pid": os.getpid(), "threads": [os.environ.get(name) for name in names]}


def fail_at_3(config: ToyConfig, index: int) -> dict[str, object]:
    """A bug in one task."""
    if index == 3:
        raise ZeroDivisionError("the third event has no mass")
    return {"index": index}


def die_at_1(config: ToyConfig, index: int) -> dict[str, object]:
    """A task that kills every worker."""
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"index": index}


def die_once_at_1(config: ToyConfig, index: int) -> dict[str, object]:
    """A task whose first worker dies."""
    mark = Path(config.marks) / "died"
    if index == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"index": index}


def interrupt_at_2(config: ToyConfig, index: int) -> dict[str, object]:
    """The user presses Ctrl-C during the third task."""
    if index == 2:
        raise KeyboardInterrupt
    return {"index": index}


def same(a: list[dict[str, object]], b: list[dict[str, object]]) -> bool:
    """Whether two lists of results agree to the last bit."""
    return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))


def _same(a: dict[str, object], b: dict[str, object]) -> bool:
    return a.keys() == b.keys() and all(
        np.array_equal(a[key], b[key]) if isinstance(a[key], np.ndarray) else a[key] == b[key] for key in a
    )
