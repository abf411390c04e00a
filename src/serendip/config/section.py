"""What every section of a config is made of."""

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from serendip.errors import unknown_name


def known(kind: str, names: Collection[Any]) -> BeforeValidator:
    """Accept the keys of a registry only, and name the nearest for any other."""

    def check(name: Any) -> Any:
        if isinstance(name, str) and name not in names:  # what is no text, the type's own check refuses
            raise ValueError(unknown_name(kind, name, [one for one in names if one is not None]))
        return name

    return BeforeValidator(check)


class Section(BaseModel):
    """A part of the config: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
