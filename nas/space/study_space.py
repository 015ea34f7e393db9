"""The space of an existing study, which the study stores, so that neither its file nor a later release changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.architecture.spec import Shape
from nas.space.space import Space, load
from nas.toml import validated

_OF_DATA = {"input", "classes"}


def as_stored(name: str, space: Space) -> dict[str, Any]:
    """The space as a study's identity stores it: name, hash and table."""
    table = space.model_dump(mode="json", exclude=_OF_DATA)
    return {"name": name, "hash": space.fingerprint, "table": table}


def stored_space(known: Mapping[str, Any], *, input: Shape, classes: int) -> Space:
    """The space that ``as_stored`` describes; by its name where an earlier release stored no table.

    Raises UnusableInputError for a table that is not of a space, and where a space file is missing.
    """
    name, table = str(known.get("name")), known.get("table")
    if not isinstance(table, Mapping):
        return load(name, input=input, classes=classes)
    return validated(Space, {**table, "input": input, "classes": classes}, f"the study's space {name}")
