"""Events: features by name, mass, signed weights and observers. Truth stands apart, so that no fit can read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from serendip.errors import InputError, unknown_name


@dataclass(frozen=True)
class Events:
    """A sample of events; every array has one entry an event.

    Attributes:
        columns: features by name, each of shape (n,), float64.
        m: resonant variable of shape (n,), in `units[mass_name]`; None for a search without one.
        w: weights of shape (n,), of either sign.
        observers: what no method may learn from: run and event numbers, source ids; each of shape (n,).
        units: the unit of each column, where known.
        mass_name: what `m` is called on axes and in messages.
    """

    columns: Mapping[str, np.ndarray]
    m: Float[np.ndarray, " n"] | None = None
    w: Float[np.ndarray, " n"] = None  # type: ignore[assignment]  # ones, once the length is known
    observers: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    mass_name: str = "mass"

    def __post_init__(self) -> None:
        if not self.columns and self.m is None:
            raise InputError("Got events without any column, but expected at least one feature or a mass.")
        if self.w is None:
            object.__setattr__(self, "w", np.ones(self._first_length()))
        for name, values in self._arrays():
            if values.ndim != 1 or len(values) != len(self):
                raise InputError(f"{name}: Got shape {values.shape}, but expected ({len(self)},) as the weights.")

    def _first_length(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else len(self.m)  # type: ignore[arg-type]

    def _arrays(self) -> list[tuple[str, np.ndarray]]:
        mass = [] if self.m is None else [(self.mass_name, self.m)]
        return [*self.columns.items(), *mass, *self.observers.items()]

    def __len__(self) -> int:
        return len(self.w)

    def __getitem__(self, rows: np.ndarray | slice) -> "Events":
        """The events of a mask, an index array or a slice."""
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            m=None if self.m is None else self.m[rows],
            w=self.w[rows],
            observers={name: values[rows] for name, values in self.observers.items()},
        )

    def x(self, names: Sequence[str] | None = None) -> Float[np.ndarray, "n d"]:
        """The features side by side, all of them or those named.

        Raises:
            InputError: a name is not among the columns.
        """
        for name in names or ():
            if name not in self.columns:
                raise InputError(unknown_name("column", name, self.columns))
        return np.column_stack([self.columns[name] for name in names or self.columns])

    @property
    def effective_size(self) -> float:
        """(Σw)² / Σw²: how many unit-weight events carry the same statistical power."""
        return effective_size(self.w)


@dataclass(frozen=True)
class Truth:
    """What an event really is; reaches `evaluate` and plots, never a `fit`."""

    is_signal: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.is_signal)

    def __getitem__(self, rows: np.ndarray | slice) -> "Truth":
        return Truth(self.is_signal[rows])


def effective_size(w: Float[np.ndarray, " n"]) -> float:
    """(Σw)² / Σw² (Kish 1965); 0 for no events or weights that cancel."""
    squares = float(np.sum(w**2))
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0


def concatenate(*samples: Events) -> Events:
    """One sample of several that have the same columns and observers.

    Raises:
        InputError: their columns or observers differ.
    """
    first = samples[0]
    for other in samples[1:]:
        if other.columns.keys() != first.columns.keys() or other.observers.keys() != first.observers.keys():
            raise InputError(
                f"Got columns {sorted(other.columns)} and observers {sorted(other.observers)}, but expected "
                f"{sorted(first.columns)} and {sorted(first.observers)} as in the first sample."
            )
    return replace(
        first,
        columns={k: np.concatenate([s.columns[k] for s in samples]) for k in first.columns},
        m=None if first.m is None else np.concatenate([s.m for s in samples]),  # type: ignore[misc]
        w=np.concatenate([s.w for s in samples]),
        observers={k: np.concatenate([s.observers[k] for s in samples]) for k in first.observers},
    )
