"""A recipe as a table (for a study, a file) and as the text that checkpoints hold; both read back.

A table holds every option, so that a release which changes a default changes no recipe that was stored; an option that
a later release added, and the table does not have, is left at its default.
"""

from __future__ import annotations

import ast
from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from constraints.errors import UnusableInputError
from nas.training.recipes import Phase, Recipe

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_READER = TypeAdapter(with_config(_STRICT)(Recipe))
with_config(_STRICT)(Phase)


def as_table(recipe: Recipe) -> dict[str, Any]:
    """Every option by name, ready for JSON."""
    table = asdict(recipe)
    return {**table, "phases": [dict(phase) for phase in table["phases"]]}


def from_table(table: Any, source: str) -> Recipe:
    """The recipe of a table; UnusableInputError names ``source`` and the first option that is off."""
    try:
        return _READER.validate_python(table)
    except UnusableInputError as error:
        raise UnusableInputError(f"{source}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UnusableInputError(f"{source}: {place or 'the whole table'}: {first['input']!r}: {message}") from None


def from_text(text: str) -> Recipe | None:
    """The recipe whose ``repr`` this is, perhaps of another release; None where it is none that this one has."""
    try:
        return from_table(_value(ast.parse(text, mode="eval").body), "recipe")
    except (SyntaxError, ValueError, TypeError, UnusableInputError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Any:
    """A literal, or the table of the keywords of a call."""
    if isinstance(node, ast.Call) and not node.args:
        return {word.arg: _value(word.value) for word in node.keywords if word.arg}
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(item) for item in node.elts]
    return ast.literal_eval(node)
