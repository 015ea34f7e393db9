"""Loads recipes by name, from a TOML file or from a configuration's table, and writes them as TOML.

A file holds options by the names of ``Recipe`` and, in ``[[phases]]``, of ``Phase``; ``base = "default"`` starts from a
shipped recipe, each ``[[phases]]`` from the base's phase with the same number. ``[tune]`` contains ranges for
``tuning``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from constraints.cli.options import read_arguments
from constraints.errors import UnusableInputError
from constraints.output.plain import one_line
from constraints.suggestions import nearest
from nas.toml import read_toml
from nas.training import recipes
from nas.training.named_recipes import RECIPES
from nas.training.options.declaration import declared
from nas.training.options.phase import Phase
from nas.training.recipe_table import as_table, from_table
from nas.training.recipes import Recipe

SUFFIX = ".toml"


@dataclass(frozen=True, kw_only=True)
class AskedRecipe:
    """A recipe as the user asked for it."""

    recipe: Recipe
    tune: Mapping[str, Any] = field(default_factory=dict)
    """The ``[tune]`` table of its file, not read yet."""
    place: str = ""
    """Prefix of errors about it."""


INLINE = "[recipe]"
"""Prefix of errors about a configuration's table."""


def load(asked: str | Mapping[str, Any] | None, epochs: int) -> AskedRecipe:
    """The recipe with a name, from a TOML file or from a table as in such a file, for a training of ``epochs``.

    Options may follow a name, ``default,batch_size=64``, each value as in TOML. None means the default for that number
    of epochs.

    Raises UnusableInputError for an unknown name and for an unreadable or invalid file, with the file, the option and
    its valid values.
    """
    if isinstance(asked, Mapping):
        return _source({"name": "own", **asked}, INLINE, epochs)
    name = recipes.usual(epochs).name if asked is None else asked
    if name in RECIPES:
        return AskedRecipe(recipe=RECIPES[name].make(epochs), place=f"recipe {name}")
    shipped, *options = name.split(",")
    if options:
        given = read_arguments(options)
        if len(given) < len(options):
            raise UnusableInputError(f"an option is given twice: {name!r}: give one value")
        table = {"name": name, "base": shipped, **given}
        return _source(table, f"recipe {name}", epochs)
    if not name.endswith(SUFFIX):
        hint = nearest(name, RECIPES, f"give {', '.join(RECIPES)} or a {SUFFIX} file")
        raise UnusableInputError(f"no such recipe: {name!r}: {hint}")
    return _read(Path(name), epochs)


def to_toml(recipe: Recipe) -> str:
    """Every option of a recipe except its name, with its meaning, as TOML that ``load`` can read.

    The file's name becomes the recipe's.
    """
    lines = _lines(recipe)
    for phase in recipe.phases:
        lines += ["", "[[phases]]", *_lines(phase)]
    return "\n".join(lines) + "\n"


def _lines(value: Recipe | Phase) -> list[str]:
    texts = {f"{name} = {json.dumps(getattr(value, name))}": one.meaning for name, one in declared(value).items()}
    width = max(map(len, texts))
    return [f"{text:<{width}}  # {meaning}" for text, meaning in texts.items()]


def _read(path: Path, epochs: int) -> AskedRecipe:
    name = path.name if path.stem in RECIPES else path.stem
    return _source({"name": name, **read_toml(path)}, str(path), epochs)


def _source(table: dict[str, Any], place: str, epochs: int) -> AskedRecipe:
    tune, base = table.pop("tune", {}), table.pop("base", None)
    if not isinstance(tune, dict):
        raise UnusableInputError(f"{place}: tune: {tune!r}: give a table [tune] of ranges")
    recipe = from_table(_over_base(base, table, place, epochs), place)
    if not recipe.name.strip() or recipe.name != one_line(recipe.name):
        raise UnusableInputError(f"{place}: name: {recipe.name!r}: give a name, on one line")
    if recipe.name in RECIPES and recipe != RECIPES[recipe.name].make(epochs):
        raise UnusableInputError(f"{place}: name: {recipe.name!r}: a recipe that ships has it: give another name")
    return AskedRecipe(recipe=recipe, tune=tune, place=place)


def _over_base(base: Any, named: dict[str, Any], place: str, epochs: int) -> dict[str, Any]:
    """The options of a table, merged over those of its base."""
    if base is None:
        return named
    if not isinstance(base, str) or base not in RECIPES:
        raise UnusableInputError(f"{place}: base: {base!r}: start from one of {', '.join(RECIPES)}")
    known = as_table(RECIPES[base].make(epochs))
    if isinstance(phases := named.get("phases"), list):
        begun = [*known["phases"], *({} for _ in phases)]
        named["phases"] = [
            {**start, **phase} if isinstance(phase, dict) else phase
            for start, phase in zip(begun, phases, strict=False)
        ]
    return {**known, **named}


def nameless(recipe: Recipe) -> Recipe:
    """The recipe without its name, to compare recipes by their options only."""
    return replace(recipe, name="")
