"""What can go wrong, said so that the reader knows where, what, and the way out."""

import difflib
from collections.abc import Iterable, Sized


class SerendipError(Exception):
    """Base of every error that Serendip raises on purpose."""


class InputError(SerendipError, ValueError):
    """What the user gave cannot be used: a file, a column, a value."""


class ConfigError(InputError):
    """A key of the config is wrong; the message starts with its path, such as `method.folds`."""


class TooFewEventsError(InputError):
    """A window, a sideband or a fold holds too few events for what is asked of it."""


class RunFolderError(InputError):
    """The run folder belongs to another config, or cannot be written."""


class MissingExtraError(SerendipError, ImportError):
    """An optional part is not installed; the message holds the install line."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'{package} is not installed. Install it with: pip install "serendip[{extra}]"')


class FitError(SerendipError):
    """A fit did not converge, or has no solution."""


def unknown_name(kind: str, got: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist, with the nearest that does."""
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Got {kind} {got!r}, but expected one of: {', '.join(names)}.{hint}"


def require_events(minimum: int, **samples: Sized) -> None:
    """Refuse samples that are too small.

    Args:
        minimum: the smallest size that will do.
        **samples: the samples under the names that the message shall use.

    Raises:
        TooFewEventsError: one of them holds fewer than `minimum` events.
    """
    for name, sample in samples.items():
        if len(sample) < minimum:
            raise TooFewEventsError(
                f"Got {len(sample)} events in the {name.replace('_', ' ')}, but expected at least {minimum}. "
                "Widen the window or the mass range, or loosen the selection."
            )
