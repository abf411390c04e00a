"""What every command shares: exit codes, the two consoles, and errors turned into a line and a code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from rich.console import Console

from serendip.errors import InputError, MissingExtraError, SerendipError

FAILED, BAD_INPUT, NOT_VALID, ALARM, INTERRUPTED = 1, 2, 3, 4, 130

# Tables keep their columns in a log file, where rich would fold them to 80 characters.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, highlight=False)
P = ParamSpec("P")


def explained(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turn our own errors into a line and an exit code; let everything else show its traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except (InputError, MissingExtraError) as error:
            errors.print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
            code = BAD_INPUT
        except SerendipError as error:
            errors.print(f"Failed: {error}", style="red", markup=False, soft_wrap=True)
            code = BAD_INPUT if isinstance(error.__cause__, InputError) else FAILED
        except KeyboardInterrupt:
            errors.print("Stopped. What is done is kept; the same command goes on from there.")
            code = INTERRUPTED
        sys.exit(code or 0)

    return run
