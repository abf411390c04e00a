"""What to read from an event file: which columns become features, mass, weights and observers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from serendip.data.columns import Source, column_names
from serendip.data.expressions import Expression, column, parse
from serendip.errors import InputError, unknown_name

NonFinite = Literal["error", "drop"]
ROW = "row"
# Roles that have no name of their own in a chunk; a space keeps them apart from every column and feature.
MASS, WEIGHT, TRUTH = "the mass", "the weight", "the truth"
OBSERVER = "observer "


@dataclass(frozen=True)
class Recipe:
    """Which columns or expressions become what, and which events are kept.

    Attributes:
        features: names with the column or expression of each, or columns that keep their names.
        mass: column or expression of the resonant variable; None for a search without one.
        mass_name: what to call it; by default the column's own name, or "mass" for an expression.
        weight: column or expression of the event weights, of either sign; None for 1.
        observers: columns that no method may learn from, such as run and event numbers.
        truth: column or expression that is 1 for signal and 0 for background.
        where: an event is kept if this is true; it may use the file's columns, the features and the mass.
        units: the unit of each feature and of the mass, where known.
        non_finite: what to do with NaN or infinite values of a kept event: "error" or "drop".
    """

    features: Mapping[str, str] | Sequence[str]
    mass: str | None = None
    mass_name: str | None = None
    weight: str | None = None
    observers: Sequence[str] = ()
    truth: str | None = None
    where: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    non_finite: NonFinite = "error"

    def __post_init__(self) -> None:
        if isinstance(self.features, str) or not (self.features or self.mass):
            raise InputError(f"features: Got {self.features!r}, but expected names or a mapping to expressions.")
        if self.non_finite not in ("error", "drop"):
            raise InputError(f"non_finite: Got {self.non_finite!r}, but expected 'error' or 'drop'.")
        if ROW in self.observers:
            raise InputError(f"observers: Got {ROW!r}, but expected another name: it is the row number in the file.")


@dataclass(frozen=True)
class Plan:
    """The parsed recipe: the values to keep, the selection, and the columns to read for them."""

    values: Mapping[str, Expression]
    derived: Mapping[str, Expression]
    observers: tuple[str, ...]
    where: Expression | None
    reads: tuple[str, ...]
    mass_name: str

    def selected(self, raw: Mapping[str, np.ndarray], row: np.ndarray) -> dict[str, np.ndarray]:
        """The values of the rows that pass, so that the chunk can go."""
        if self.where is not None:
            keep = np.flatnonzero(self.where.evaluate(self._with_derived(raw)))
            raw, row = {name: values[keep] for name, values in raw.items()}, row[keep]
        kept = {name: np.asarray(expression.evaluate(raw), np.float64) for name, expression in self.values.items()}
        return kept | {OBSERVER + name: raw[name] for name in self.observers} | {ROW: row}

    def _with_derived(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: expression.evaluate(raw) for name, expression in self.derived.items()} | dict(raw)


def plan(source: Source, recipe: Recipe) -> Plan:
    """Parse a recipe for a file, and hold each column to one role.

    Raises:
        InputError: a column is missing, an expression is wrong, or the mass, the truth, the weight or an
            observer is among the features.
    """
    known = column_names(str(source))
    named = recipe.features if isinstance(recipe.features, Mapping) else {name: name for name in recipe.features}
    features = {name: _expression(f"features.{name}", text, source, known) for name, text in named.items()}
    roles = {
        role: _expression(key, text, source, known)
        for role, key, text in (
            (MASS, "mass", recipe.mass),
            (WEIGHT, "weight", recipe.weight),
            (TRUTH, "truth", recipe.truth),
        )
        if text is not None
    }
    observers = {name: _expression("observers", name, source, known, only_column=True) for name in recipe.observers}
    mass_name = recipe.mass_name or (recipe.mass if recipe.mass in known else None) or "mass"
    _check_roles(features, roles, observers, mass_name)

    named_values = features | ({mass_name: roles[MASS]} if MASS in roles else {})
    where, derived = _selection(recipe.where, source, known, named_values)
    values = features | roles
    needed = [*values.values(), *observers.values(), *derived.values(), *([where] if where else [])]
    reads = dict.fromkeys(name for one in needed for name in one.names if name not in derived)
    return Plan(values, derived, tuple(observers), where, tuple(reads), mass_name)


def _expression(key: str, text: str, source: Source, known: Sequence[str], *, only_column: bool = False) -> Expression:
    """A column by its exact name, or an expression of columns that exist."""
    if text in known:
        return column(text)
    if only_column:
        raise InputError(f"{key}: {source}: {unknown_name('column', text, known)}")
    try:
        expression = parse(text)
        expression.require_columns(known)
    except InputError as error:
        raise InputError(f"{key}: {source}: {error}") from None
    return expression


def _selection(
    text: str | None, source: Source, known: Sequence[str], named: Mapping[str, Expression]
) -> tuple[Expression | None, dict[str, Expression]]:
    """The selection, and the features that it uses; a column of the file goes before a feature."""
    if text is None:
        return None, {}
    where = _expression("where", text, source, [*known, *(name for name in named if name not in known)])
    if not where.is_logical:
        raise InputError(f"where: Got {text!r}, but expected a condition, such as `mjj > 2000`.")
    return where, {name: named[name] for name in where.names if name not in known}


def _check_roles(
    features: Mapping[str, Expression],
    roles: Mapping[str, Expression],
    observers: Mapping[str, Expression],
    mass_name: str,
) -> None:
    if MASS in roles and mass_name in features:
        raise InputError(f"features.{mass_name}: Got the name of the mass, but expected another.")
    forbidden = dict.fromkeys(observers, "an observer")
    forbidden |= {name: role for role in (WEIGHT, TRUTH) if role in roles for name in roles[role].names}
    learned = {f"features.{name}": one for name, one in features.items()}
    if MASS in roles:
        learned["mass"] = roles[MASS]
    for key, expression in learned.items():
        if key != "mass" and MASS in roles and expression.normal_form == roles[MASS].normal_form:
            raise InputError(f"{key}: Got the mass, but expected features that say nothing about it.")
        for name in expression.names:
            if name in forbidden:
                raise InputError(
                    f"{key}: Got column {name!r}, which is {forbidden[name]}; no method may learn from it."
                )
    _check_truth_alone(roles, observers)


def _check_truth_alone(roles: Mapping[str, Expression], observers: Mapping[str, Expression]) -> None:
    if TRUTH not in roles:
        return
    visible = {f"observers.{name}": one for name, one in observers.items()}
    visible |= {"weight": roles[WEIGHT]} if WEIGHT in roles else {}
    for key, expression in visible.items():
        for name in set(expression.names) & set(roles[TRUTH].names):
            raise InputError(f"{key}: Got column {name!r}, which is the truth; it may not stand among the events.")
