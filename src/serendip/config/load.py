"""Read a config, and say what is wrong with it by the path of the key."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_origin

import yaml
from pydantic import BaseModel, Discriminator, TypeAdapter, ValidationError

from serendip.config.analysis import Run
from serendip.config.goodness_of_fit import GoodnessOfFit
from serendip.config.recoil import Recoil
from serendip.config.schema import Config
from serendip.errors import ConfigError, unknown_name

SCHEMAS: dict[str, type[Run]] = {"resonance": Config, "goodness_of_fit": GoodnessOfFit, "recoil": Recoil}
UNION_BRANCHES = {  # what pydantic adds to a path: the member of a union that was tried
    *("scan", "list", "str", "list[str]", "int", "literal['auto']"),
    *("dijet", "exponential", "drift_tubes"),
    *("normalisation", "scale", "learned"),
    *("constrained-float", "literal['data','weights']"),
    "[key]",  # of a mapping whose names are checked
}


class _Loader(yaml.SafeLoader):
    """YAML in which `1e-6` is a number, as in YAML 1.2 and in Python; PyYAML alone reads it as text."""


_Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a YAML config; `${NAME}` and `${NAME:-default}` stand for environment variables.

    Args:
        path: the YAML file.
        overrides: `a.b=value` each, the value written as in YAML.

    Raises:
        ConfigError: the file is no YAML mapping, a key is unknown or wrong, or a variable is not set.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        given = read_yaml(_expand(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: Got text that is no YAML: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: Got {type(given).__name__}, but expected a mapping such as `search: resonance`.")
    if None in given:  # YAML reads the bare key `null` as nothing
        given["null"] = given.pop(None)
    for override in overrides:
        _override(given, override)
    return make_config(given)


def make_config(given: Mapping[str, Any]) -> Run:
    """A config from plain values, of the search that they name.

    Raises:
        ConfigError: a key is unknown or wrong; each line of the message begins with the key's path.
    """
    search = given.get("search")
    if search not in SCHEMAS:
        missing = "search: missing; expected one of: " + ", ".join(sorted(SCHEMAS))
        raise ConfigError(missing if search is None else "search: " + unknown_name("search", str(search), SCHEMAS))
    schema = SCHEMAS[search]
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        lines = [_say(detail, schema) for detail in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every config, for editors."""
    return TypeAdapter(Annotated[Config | GoodnessOfFit | Recoil, Discriminator("search")]).json_schema(by_alias=True)


def read_yaml(text: str) -> Any:
    """What YAML text says.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader=_Loader)  # a SafeLoader: it makes plain values only


def _expand(text: str) -> str:
    """Put the values of environment variables in; what stands in a comment stays as it is."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if not os.environ.get(name) and default is None:
            raise ConfigError(
                f"Got ${{{name}}}, but the environment variable {name} is not set. Set it, or write ${{{name}:-default}}."
            )
        return os.environ.get(name) or default

    def line(given: str) -> str:
        comment = re.search(r"(^|\s)#", given)
        end = comment.start() if comment else len(given)
        return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", value, given[:end]) + given[end:]

    return "\n".join(line(given) for given in text.split("\n"))


def _override(given: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set: Got {override!r}, but expected key.key=value.")
    *parents, last = path.split(".")
    place: Any = given
    for key in parents:
        place = place[int(key)] if isinstance(place, list) and key.isdigit() else place.setdefault(key, {})
        if not isinstance(place, dict | list):
            raise ConfigError(f"--set: Got {path!r}, but {key!r} holds a value, not a section.")
    value = read_yaml(text)
    if isinstance(place, list):
        if not (last.isdigit() and int(last) < len(place)):
            raise ConfigError(f"--set: Got {path!r}, but {'.'.join(parents)} has entries 0 to {len(place) - 1}.")
        place[int(last)] = value
    else:
        place[last] = value


def _say(detail: Any, schema: type[BaseModel]) -> str:
    """One pydantic complaint as a line that begins with the path of the key."""
    parts = [part for part in detail["loc"] if not (isinstance(part, str) and part in UNION_BRANCHES)]
    path = ".".join(str(part) for part in parts)
    if detail["type"] == "extra_forbidden":
        section = _section(parts[:-1], schema)
        message = unknown_name("key", str(parts[-1]), section) if section else "no such key."
    elif detail["type"] == "missing":
        message = "missing; this key has no default."
    elif detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
    else:
        message = f"Got {detail['input']!r}. {detail['msg']}."
    return _joined(path, message)


def _joined(path: str, message: str) -> str:
    """The path of a section and what its own check says, which may begin with the key below it."""
    if not path:
        return message
    if re.match(r"[a-z_]\w*(\.\w+)*: ", message):
        return f"{path}.{message.removeprefix(path.rsplit('.', 1)[-1] + '.')}"
    return f"{path}: {message}"


def _section(parts: Sequence[Any], schema: type[BaseModel]) -> list[str]:
    """The keys that the section at this path knows."""
    model: Any = schema
    named = False  # whether the next part is a name within a mapping
    for part in parts:
        if isinstance(part, int) or named:
            named = False
            continue
        found = [f for key, f in model.model_fields.items() if part in (key, f.alias)]
        if not found:
            return []
        model, named = _model_in(found[0].annotation), get_origin(found[0].annotation) is dict
        if model is None:
            return []
    return [field.alias or key for key, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in getattr(annotation, "__args__", ()) if (m := _model_in(arg))), None)
