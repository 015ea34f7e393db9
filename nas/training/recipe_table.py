"""Converts a recipe to and from a table (for a study or file), and reads the text form in checkpoints.

A table contains every option, so that a new default does not change stored recipes; an option that a later release
added, and that the table lacks, gets its default.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe
from nas.validation_words import first_of, what_to_do

T = TypeVar("T", Recipe, Phase)
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_PHASE = TypeAdapter(with_config(_STRICT)(Phase))
_RECIPE = TypeAdapter(with_config(_STRICT)(Recipe))


def as_table(recipe: Recipe) -> dict[str, Any]:
    """Every option by name, ready for JSON."""
    table = asdict(recipe)
    return {"name": recipe.name, **table, "phases": [dict(phase) for phase in table["phases"]]}


def from_table(table: Any, source: str) -> Recipe:
    """The recipe of a table; UnusableInputError names ``source`` and the first invalid option with its phase."""
    phases = table.get("phases") if isinstance(table, Mapping) else None
    for number, phase in enumerate(phases if isinstance(phases, list | tuple) else (), 1):
        _read(_PHASE, phase, Phase, f"{source}: phases.{number}.")
    return _read(_RECIPE, table, Recipe, f"{source}: ")


def from_text(text: str) -> Recipe | None:
    """The recipe with this ``repr``, perhaps by another release; None where this release cannot represent it."""
    try:
        return from_table(_value(ast.parse(text, mode="eval").body), "recipe")
    except (SyntaxError, ValueError, TypeError, UnusableInputError, RecursionError, MemoryError):
        return None


def _read(reader: TypeAdapter[T], table: Any, kind: type[T], place: str) -> T:
    """``table`` as a ``kind``, strictly: a text is not accepted as a number, or a number as a bool."""
    try:
        return reader.validate_json(json.dumps(table, default=str), strict=True)
    except UnusableInputError as error:
        raise UnusableInputError(f"{place}{error}") from None
    except ValidationError as error:
        first = first_of(error)
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        message = what_to_do(error)
        if first["type"] == "unexpected_keyword_argument":
            message = _unknown(str(first["loc"][-1]), kind)
        where = (
            f"{place}{where}" if where else f"{place.removesuffix('.')}{'' if place[-1] == '.' else 'the whole table'}"
        )
        raise UnusableInputError(f"{where}: {first['input']!r}: {message}") from None


def _unknown(name: str, kind: type[Recipe | Phase]) -> str:
    """What to write in place of an option that ``kind`` does not have; the other kind may have it."""
    known, others = ([field.name for field in fields(one)] for one in (kind, Phase if kind is Recipe else Recipe))
    if name in others and kind is Recipe:
        return 'an option of a phase: write it in a recipe file, base = "default", below [[phases]]'
    if name in others:
        return "an option of the whole recipe: write it above the first [[phases]]"
    return f"unknown option: {nearest(name, [*known, *others], 'known are ' + ', '.join(known))}"


def _value(node: ast.expr) -> Any:
    """A literal, or the table of the keywords of a call."""
    if isinstance(node, ast.Call) and not node.args:
        return {word.arg: _value(word.value) for word in node.keywords if word.arg}
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(item) for item in node.elts]
    return ast.literal_eval(node)
