"""Column expressions such as `sqrt(tau2j1 / tau1j1)`: read as a syntax tree and walked, never run as code.

Python's operators and precedence hold, element by element: `+ - * / ** %`, comparisons (chained ones too),
`and or not`, and `& | ~` between comparisons. Every number is float64.
"""

import ast
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from serendip.data.functions import FUNCTIONS, Values
from serendip.errors import InputError, unknown_name

LONGEST_TEXT = 4000
DEEPEST_NESTING = 100
WIDEST_EXCERPT = 100

OPERATORS: Mapping[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.Mod: np.mod,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.Not: np.logical_not,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
    ast.Invert: np.logical_not,
}
LOGICAL = (ast.And, ast.Or, ast.Not, ast.BitAnd, ast.BitOr, ast.Invert)


@dataclass(frozen=True)
class Expression:
    """An expression that was read and found safe.

    Attributes:
        text: as it was written.
        names: the columns it needs, in order of appearance.
        is_logical: whether its values are true or false, as a selection needs.
    """

    text: str
    names: tuple[str, ...]
    is_logical: bool
    _tree: ast.expr = field(repr=False, compare=False)

    @property
    def normal_form(self) -> str:
        """The text with spaces and parentheses made uniform, to tell whether two expressions are the same."""
        return ast.unparse(self._tree)

    def evaluate(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The value for every event: float64, or bool where `is_logical`.

        A division by zero or the logarithm of a negative number gives inf or NaN without a warning; whoever
        uses the values decides on them.

        Raises:
            InputError: a column is missing; the message names the nearest.
        """
        self.require_columns(columns)
        with np.errstate(all="ignore"):
            return np.asarray(_value(self._tree, columns))

    def require_columns(self, known: Collection[str]) -> None:
        """Point at the first column that is not known.

        Raises:
            InputError: a column is missing; the message names the nearest.
        """
        for node in _columns_in(self._tree):
            if node.id not in known:
                raise InputError(_pointing_at(self.text, node, unknown_name("column", node.id, known)))


def parse(text: str) -> Expression:
    """Read an expression, and refuse whatever is not plain arithmetic on columns.

    Raises:
        InputError: it is not an expression, calls an unknown function, or holds anything but numbers,
            columns, operators and functions; the message points at the place.
    """
    text = " ".join(text.split())
    tree = _syntax_tree(text)
    _check(text, tree, depth=0)
    names = tuple(dict.fromkeys(node.id for node in _columns_in(tree)))
    if not names:
        raise InputError(f"Got expression {text!r} without any column, but expected at least one.")
    return Expression(text, names, _is_logical(tree), tree)


def column(name: str) -> Expression:
    """The expression that is one column, whatever characters its name has."""
    return Expression(name, (name,), False, ast.Name(name, col_offset=0, end_col_offset=len(name.encode())))


def _syntax_tree(text: str) -> ast.expr:
    if not text or len(text) > LONGEST_TEXT:
        raise InputError(f"Got an expression of {len(text)} characters, but expected 1 to {LONGEST_TEXT}.")
    if "#" in text:
        raise InputError(f"Got '#' in the expression {text!r}, but expected no comments.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = max((error.offset or 1) - 1, 0)
        message = f"Got an expression that cannot be read: {error.msg}.\n{_excerpt(text, place, place + 1)}"
        raise InputError(message) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"Got an expression that cannot be read: {error or 'it is nested too deeply'}.") from None


def _columns_in(tree: ast.expr) -> list[ast.Name]:
    if isinstance(tree, ast.Name):
        return [tree]
    return [name for part in _parts(tree) for name in _columns_in(part)]


def _check(text: str, node: ast.expr, depth: int) -> None:
    """Refuse every node that is not on the list; whatever is new in Python is refused too."""
    if depth > DEEPEST_NESTING:
        raise InputError(f"Got an expression nested deeper than {DEEPEST_NESTING} levels: name its parts as columns.")
    match node:
        case ast.Name():
            return
        case ast.Constant():
            _check_number(text, node)
        case ast.Call():
            _check_call(text, node)
        case ast.UnaryOp() | ast.BinOp():
            _check_operator(text, node, node.op)
        case ast.Compare():
            _check_comparison(text, node)
        case ast.BoolOp():
            pass
        case _:
            kind = type(node).__name__.lower()
            raise InputError(
                _pointing_at(text, node, f"Got {kind}, but expected numbers, columns, operators and functions.")
            )
    for part in _parts(node):
        _check(text, part, depth + 1)


def _parts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return node.args  # not its function, whose name is no column
    return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]


def _check_number(text: str, node: ast.Constant) -> None:
    is_number = isinstance(node.value, int | float)
    try:
        if is_number and np.isfinite(float(node.value)):  # type: ignore[arg-type]
            return
    except OverflowError:
        pass
    got = "a number too large for float64" if is_number else type(node.value).__name__
    raise InputError(_pointing_at(text, node, f"Got {got}, but expected a number or a column."))


def _check_call(text: str, node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        last = node.func.attr if isinstance(node.func, ast.Attribute) else None
        hint = f" Write {last}(...) alone." if last in FUNCTIONS else ""
        raise InputError(_pointing_at(text, node.func, f"Got a call of no plain function.{hint}"))
    name = node.func.id
    if name not in FUNCTIONS:
        raise InputError(_pointing_at(text, node.func, unknown_name("function", name, FUNCTIONS)))
    function, got = FUNCTIONS[name], len(node.args)
    if node.keywords:
        raise InputError(_pointing_at(text, node, f"Got a keyword in {name}(...), but expected values alone."))
    if not function.fewest <= got <= function.most:
        message = f"Got {got} arguments for {name}, but expected {function.arity}."
        raise InputError(_pointing_at(text, node, message))


def _check_operator(text: str, node: ast.UnaryOp | ast.BinOp, operator: ast.AST) -> None:
    if type(operator) not in OPERATORS:
        kind = type(operator).__name__
        raise InputError(_pointing_at(text, node, f"Got operator {kind}, but expected one of + - * / ** % & | ~."))
    if isinstance(operator, ast.BitAnd | ast.BitOr | ast.Invert):
        for part in _parts(node):
            if not (isinstance(part, ast.Name) or _is_logical(part)):
                _refuse_loose_comparison(text, part)


def _check_comparison(text: str, node: ast.Compare) -> None:
    for operator in node.ops:
        if type(operator) not in OPERATORS:
            kind = type(operator).__name__
            raise InputError(_pointing_at(text, node, f"Got comparison {kind}, but expected < <= > >= == or !=."))
    for part in _parts(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitAnd | ast.BitOr):
            _refuse_loose_comparison(text, part)


def _refuse_loose_comparison(text: str, node: ast.expr) -> None:
    """`a > 1 & b < 2` means `a > (1 & b) < 2` in Python: nobody who writes it wants that."""
    message = "Got & | or ~ beside a number, but expected true or false on its sides: write (a > 1) & (b < 2)."
    raise InputError(_pointing_at(text, node, message))


def _is_logical(node: ast.expr) -> bool:
    match node:
        case ast.Compare() | ast.BoolOp():
            return True
        case ast.UnaryOp() | ast.BinOp():
            return isinstance(node.op, LOGICAL)
        case ast.Call():
            return isinstance(node.func, ast.Name) and node.func.id == "isfinite"
    return False


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> Values:
    match node:
        case ast.Name():
            return np.asarray(columns[node.id], dtype=np.float64)
        case ast.Constant():
            return np.float64(node.value)  # type: ignore[arg-type]
        case ast.Compare():
            return _compared(node, columns)
    values = [_value(part, columns) for part in _parts(node)]
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id].call(*[_number(value) for value in values])  # type: ignore[attr-defined]
    operator = node.op  # type: ignore[attr-defined]
    taken_as = _truth if isinstance(operator, LOGICAL) else _number
    return _folded(OPERATORS[type(operator)], [taken_as(value) for value in values])


def _compared(node: ast.Compare, columns: Mapping[str, np.ndarray]) -> Values:
    values = [_value(part, columns) for part in (node.left, *node.comparators)]
    pairs = zip(node.ops, values[:-1], values[1:], strict=True)
    return np.logical_and.reduce([OPERATORS[type(op)](a, b) for op, a, b in pairs])


def _folded(operation: Callable, values: list[Values]) -> Values:
    if len(values) == 1:
        return operation(values[0])
    result = values[0]
    for value in values[1:]:
        result = operation(result, value)
    return result


def _number(values: Values) -> Values:
    """True and false count as 1 and 0."""
    return np.asarray(values, dtype=np.float64)


def _truth(values: Values) -> Values:
    return np.asarray(values) != 0


def _pointing_at(text: str, node: ast.expr, message: str) -> str:
    """The message, and the expression with carets under the place; ast counts in bytes, not characters."""
    raw = text.encode()
    start, end = len(raw[: node.col_offset].decode()), len(raw[: node.end_col_offset].decode())
    return f"{message}\n{_excerpt(text, start, end)}"


def _excerpt(text: str, start: int, end: int) -> str:
    first = max(0, start - WIDEST_EXCERPT // 2)
    shown = text[first : first + WIDEST_EXCERPT]
    carets = min(max(end - start, 1), WIDEST_EXCERPT - (start - first))
    return f"  {shown}\n  {' ' * (start - first)}{'^' * carets}"
