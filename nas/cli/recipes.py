"""The command ``recipes``: lists the shipped recipes, or shows one with every option."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from constraints.cli.options import check_format
from constraints.errors import ExitCode, UnusableInputError
from constraints.output.json_documents import json_text
from nas.cli.common import TABLE_OR_JSON, interruptible, wide_console
from nas.training.named_recipes import RECIPES
from nas.training.recipe_files import AskedRecipe, load, to_toml
from nas.training.recipe_table import as_table
from nas.training.tuning import usual_ranges

ONE = (*TABLE_OR_JSON, "toml")


@interruptible("nothing was written")
def recipes(name: str | None, epochs: int, output_format: str) -> int:
    """Print the shipped recipes or, with ``name``, one of them or of a file, for a training of ``epochs``."""
    check_format(output_format, ONE)
    if name is None and output_format not in TABLE_OR_JSON:
        raise UnusableInputError(f"--format: {output_format!r}: it is of one recipe: give its name too")
    if name is not None:
        _show(name, load(name, epochs), output_format)
    elif output_format == "json":
        print(json_text({"recipes": [_entry(name, epochs) for name in RECIPES]}))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("recipe", "what for", "what was measured"):
            table.add_column(heading, overflow="fold")
        for shipped, known in RECIPES.items():
            table.add_row(*map(Text, (shipped, known.purpose, known.measured)))
        wide_console().print(table)
    return ExitCode.DONE


def _entry(name: str, epochs: int) -> dict[str, Any]:
    known = RECIPES[name]
    options = as_table(known.make(epochs))
    return {"name": name, "purpose": known.purpose, "measured": known.measured, "epochs": epochs, "options": options}


def _show(name: str, source: AskedRecipe, output_format: str) -> None:
    """Print one recipe, as JSON or as a recipe file."""
    if output_format == "json":
        print(json_text(as_table(source.recipe)))
        return
    if output_format == "table" and name in RECIPES:
        print(f"# {RECIPES[name].purpose}\n# {RECIPES[name].measured}")
    print(to_toml(source.recipe), end="")
    print("\n# What --tune proposes from where nothing is written; uncomment what you change.\n# [tune]")
    for option, one in usual_ranges(source.recipe).items():
        print(f"# {option} = {one.to_toml()}")
