"""Shell completion of studies, trials, presets and metrics; silent where there is nothing to complete."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import typer

from nas.cli import listed_names, place, zsh
from nas.defaults import STORAGE
from nas.words import counted

Names = list[tuple[str, str]]
"""Each name with its description."""
AUGMENTATIONS = ("assignment", "seed", "none")
"""Repeated here, since the library that defines them takes seconds to load."""
_MOST = 30
"""Most trials that are listed, best first."""


def _silent(found: Callable[[typer.Context], Names]) -> Callable[[typer.Context, str], Names]:
    """Complete nothing where the storage is missing or unreadable, since a shell asks on every key press."""

    def complete(ctx: typer.Context, incomplete: str) -> Names:
        try:
            with warnings.catch_warnings(action="ignore"):  # any text would be inserted into the command line
                names = [known for known in found(ctx) if known[0].startswith(incomplete)]
                return zsh.pairs(names) if zsh.is_zsh() else names
        except Exception:  # of any kind: a traceback would be inserted too
            return []

    complete.__doc__ = found.__doc__
    return complete


def _listed(one: Callable[[typer.Context, str], Names]) -> Callable[[typer.Context, str], Names]:
    """Completion of the last name in a comma-separated list, excluding the names before it."""

    def complete(ctx: typer.Context, incomplete: str) -> Names:
        before, comma, begun = incomplete.rpartition(",")
        others = {other.partition("=")[0] for other in before.split(",")}
        return [
            (f"{before}{comma}{name}", words) for name, words in one(ctx, begun) if name.removesuffix("=") not in others
        ]

    complete.__doc__ = one.__doc__
    return complete


@_silent
def studies(ctx: typer.Context) -> Names:
    """The studies of the storage that the command names, the newest first."""
    from nas.results.study_list import studies as listed

    found = listed(_storage(ctx))
    return [
        (entry.study, f"{counted(sum(entry.counts.values()), 'trial')} on {entry.data}") for entry in reversed(found)
    ]


@_silent
def trials(ctx: typer.Context) -> Names:
    """``best``, the trials of the study that the command names, the networks that ship, and the champions."""
    from nas.results.board import leaderboard
    from nas.results.summary_cache import read_summary

    try:
        rows = leaderboard(read_summary(_storage(ctx), _study(ctx)), top=_MOST).rows
    except Exception:  # no study yet: the networks that ship are there
        rows = ()
    known = [(str(row.trial), _words(row.state, row.score, row.params)) for row in rows]
    return [*([("best", "the best complete trial")] if known else []), *known, *_shipped()]


def _shipped() -> Names:
    """The networks that have a name, with or without a study."""
    from nas.architecture.named import NAMED
    from nas.champions.registry import champions, limits

    return [
        *((name, "ships with this tool") for name in NAMED),
        *(
            (name, f"{one.params:,} params, {one.test_accuracy:.2%} on the test set")
            for name, one in champions().items()
        ),
        *((name, f"the most accurate under a limit: {one.name}") for name, one in limits().items()),
    ]


@_silent
def architectures(ctx: typer.Context) -> Names:
    """The networks that ship, and the champions."""
    return _shipped()


def networks(ctx: typer.Context, incomplete: str) -> Names:
    """The same where a file may be given too: nothing before the first letter, so that the shell lists files."""
    return architectures(ctx, incomplete) if incomplete else []


def _words(state: str, score: float | None, params: int | None) -> str:
    accuracy = "" if score is None else f" {score:.2%}"
    return f"{state}{accuracy}, {params:,} params" if params is not None else f"{state}{accuracy}"


@_silent
def spaces(ctx: typer.Context) -> Names:
    """The presets of spaces."""
    from nas.space.space import PRESETS

    return [(name, "") for name in PRESETS]


@_silent
def recipes(ctx: typer.Context) -> Names:
    """The recipes that ship."""
    from nas.training.named_recipes import RECIPES

    return [(name, recipe.purpose) for name, recipe in RECIPES.items()]


@_listed
@_silent
def _recipe_options(ctx: typer.Context) -> Names:
    from nas.training.options.declaration import declared
    from nas.training.recipes import Recipe

    return [(f"{name}=", one.meaning) for name, one in declared(Recipe).items()]


def recipe(ctx: typer.Context, incomplete: str) -> Names:
    """The recipes that ship; after a comma the options with which a recipe may be given."""
    return _recipe_options(ctx, incomplete) if "," in incomplete else recipes(ctx, incomplete)


@_listed
@_silent
def tunable(ctx: typer.Context) -> Names:
    """The options of a recipe that ``--tune`` takes without a range."""
    from nas.training.named_recipes import DEFAULT, RECIPES
    from nas.training.tuning import usual_ranges

    return [(name, "") for name in usual_ranges(RECIPES[DEFAULT].make(20))]


@_silent
def profiles(ctx: typer.Context) -> Names:
    """The profiles of the file of constraints that the command names."""
    from nas.toml import read_toml

    return [(name, "") for name in read_toml(Path(ctx.params["constraints"]))["profiles"]]


@_silent
def augmentations(ctx: typer.Context) -> Names:
    """The augmentations that ship."""
    return [(name, "") for name in AUGMENTATIONS]


@_silent
def metrics(ctx: typer.Context) -> Names:
    """Names of metrics, with which a constraint begins."""
    from constraints.metrics import Metrics

    return [(name, definition) for name, (definition, _) in Metrics.definitions().items()]


@_silent
def sort_keys(ctx: typer.Context) -> Names:
    """Sort keys of a leaderboard."""
    from nas.results.rows import SORT_KEYS

    return [(name, "") for name in SORT_KEYS]


@_listed
@_silent
def columns(ctx: typer.Context) -> Names:
    """Columns of a leaderboard."""
    from nas.results.board_columns import CURVE
    from nas.results.rows import COLUMNS

    return [(name, "") for name in (*COLUMNS, CURVE)]


@_listed
@_silent
def states(ctx: typer.Context) -> Names:
    """The states of trials."""
    from nas.results.rows import STATES

    return [(name, "") for name in STATES]


@_listed
@_silent
def objectives(ctx: typer.Context) -> Names:
    """An accuracy, then metrics."""
    from constraints.metrics import Metrics
    from nas.objective_text import MEASURES

    return [*((name, "") for name in MEASURES), *((name, words) for name, (words, _) in Metrics.definitions().items())]


def of(*names: str) -> Callable[[], list[str]]:
    """A fixed list."""
    return lambda: list(names)


def of_table(home: str) -> Callable[[], list[str]]:
    """The names of a table, ``MODULE:TABLE``, whose module loads only then."""
    return lambda: listed_names.names(home)


def _storage(ctx: typer.Context) -> str:
    found = place.of_project(ctx, "storage")
    return place.expanded(found.value if found else str(ctx.params.get("storage") or STORAGE))


def _study(ctx: typer.Context) -> str | None:
    found = place.of_project(ctx, "study")
    return found.value if found else ctx.params.get("study")
