"""Tables made from the code while the pages are built, so that they cannot drift from it.

In a page, a `from-code` directive names one of `TABLES`.
"""

import types
import typing
from collections.abc import Iterable, Iterator

from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from texts import linked

from serendip.config import Analysis, Config, GoodnessOfFit, Recoil, Run
from serendip.data.catalogue import CATALOGUE
from serendip.data.functions import FUNCTIONS
from serendip.score import METHODS
from serendip.stats.families import FAMILIES
from serendip.stats.sample_tests import TESTS

logger = logging.getLogger(__name__)


def config() -> Iterator[str]:
    """One table a section of the config of a resonance search."""
    yield from _keys(_sections("", Config))


def config_fit() -> Iterator[str]:
    """The same of a goodness-of-fit search, without what all searches share."""
    shared = {path for path, _ in _sections("", Analysis)} - {""}
    yield from _keys((path, model) for path, model in _sections("", GoodnessOfFit) if path not in shared)


def config_recoil() -> Iterator[str]:
    """The same of a recoil search."""
    shared = {path for path, _ in _sections("", Run)} - {""}
    yield from _keys((path, model) for path, model in _sections("", Recoil) if path not in shared)


def _keys(sections: Iterable[tuple[str, type[BaseModel]]]) -> Iterator[str]:
    for path, model in sections:
        if not model.model_fields:
            continue  # settings that are handed on
        heading = f"`{path}`" if path else "The top level"
        yield from ("", f"**{heading}.** {(model.__doc__ or '').strip()}", "")
        yield from _head("key", "type", "default", "meaning")
        for name, field in model.model_fields.items():
            key = field.alias or name
            if not field.description:
                logger.warning("%s.%s: no meaning given, but expected description= in its Field", model.__name__, name)
            meaning = (field.description or "") + _limits(field)
            yield _row(f"`{key}`", _type(field.annotation), _default(field), meaning)


def functions() -> Iterator[str]:
    """What an expression may call."""
    yield from _head("function", "arguments")
    for name, function in sorted(FUNCTIONS.items()):
        yield _row(f"`{name}`", function.arity)


def methods() -> Iterator[str]:
    """The registry of methods."""
    yield from _head("name", "what it does", "needs", "source")
    for name, method in METHODS.items():
        yield _row(f"`{name}`", method.summary, ", ".join(sorted(method.needs)), linked(method.source))


def tests() -> Iterator[str]:
    """The registry of tests of a sample against a reference."""
    yield from _head("name", "what it does", "sees the number of events", "learns a ratio", "source")
    for name, test in TESTS.items():
        sees = ("yes" if flag else "no" for flag in (test.counts, test.has_ratio))
        yield _row(f"`{name}`", test.summary, *sees, linked(test.source))


def families() -> Iterator[str]:
    """The background shapes."""
    yield from _head("name", "density per unit mass, x = m / √s", "parameters, in the order of switching on", "orders")
    for name, family in FAMILIES.items():
        orders = f"{min(family.orders)}–{max(family.orders)}"
        yield _row(f"`{name}`", f"`{family.formula}`", ", ".join(family.parameters), orders)


def catalogue() -> Iterator[str]:
    """The public data sets."""
    yield from _head("name", "what it holds", "licence", "record")
    for name, entry in sorted(CATALOGUE.items()):
        yield _row(f"`{name}`", entry.description, entry.licence, f"<{entry.page}>")


OF_CONFIGS = (config, config_fit, config_recoil)
OF_REGISTRIES = (functions, methods, tests, families, catalogue)
TABLES = {table.__name__: table for table in (*OF_CONFIGS, *OF_REGISTRIES)}


class FromCode(SphinxDirective):
    """Puts one of `TABLES` in its place."""

    required_arguments = 1

    def run(self) -> list:
        """The nodes of the table."""
        lines = StringList(list(TABLES[self.arguments[0]]()), source=f"from-code {self.arguments[0]}")
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=False)


def _sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        key = field.alias or name
        for inner in _models_in(field.annotation):
            yield from _sections(f"{path}.{key}" if path else key, inner)


def _models_in(annotation: typing.Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _type(annotation: typing.Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(one) for one in arguments if one is not type(None))
    if origin is list:
        inner = _type(arguments[0])
        return f"list of {inner}s" if inner in ("section", "number", "integer") else f"list of {inner}"
    if origin is tuple:
        return f"[{', '.join(_type(one) for one in arguments)}]"
    if origin is dict:
        return "mapping"
    return (
        "section"
        if _models_in(annotation)
        else {"str": "text", "float": "number", "int": "integer", "bool": "true or false"}[annotation.__name__]
    )


def _default(field: typing.Any) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return "none" if value is None or value in ({}, []) else f"`{value}`"


def _limits(field: typing.Any) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = [f"{sign} {getattr(m, name):g}" for m in field.metadata for name, sign in signs.items() if hasattr(m, name)]
    return f" ({', '.join(found)})" if found else ""


def _head(*names: str) -> list[str]:
    return [_row(*names), _row(*("---" for _ in names))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def setup(app):
    """Called by Sphinx."""
    app.add_directive("from-code", FromCode)
    return {"parallel_read_safe": True}
