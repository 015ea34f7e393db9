"""How flags are declared, and those that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from constraints.cli.options import read_bytes, read_seconds
from constraints.errors import UnusableInputError
from constraints.output.plain import say
from nas.cli import completion, place
from nas.cli.listed_names import alternatives, listed
from nas.loggers import choice as tracker_choice
from nas.passwords import masked
from nas.search import engine_choice

WHAT, BUDGET, DATA, PLACE, OUTPUT = "What to search", "Budget", "Data and training", "Where it runs", "Output"
MODEL, RULES, FIXES, ROWS, WHICH = "The model", "Rules", "Fixes", "Which rows", "Which trials"
"""Groups of flags in the help."""
_TOO_LITTLE = 128 * 1024**2
"""Bytes that are too few for any model; the child process reports whether it needs more."""


def flag(
    *names: str,
    help: str,
    value: str | None = None,
    default: str = "",
    group: str | None = None,
    complete: Callable[..., Any] | None = None,
    check: Callable[..., Any] | None = None,
) -> Any:
    """A flag whose help shows its ``value`` and its ``default``, in the same form for all flags.

    ``default`` describes what is used where the parameter's default is None.
    """
    text = f"{help}  [default: {default}]" if default else help
    return typer.Option(
        *names, help=text, metavar=value, rich_help_panel=group, autocompletion=complete, callback=check
    )


def file(*names: str, help: str, value: str, group: str) -> Any:
    """A flag that takes the path of a file."""
    return flag(*names, help=help, value=value, group=group, check=_named)


def _named(ctx: typer.Context, param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Check that a path names something: an empty one arrives as the working folder."""
    if value is not None and not value.name and not ctx.resilient_parsing:
        raise UnusableInputError(f"{param.opts[0]}: no file: {str(value)!r}, or nothing: give the path of a file")
    return value


def stored(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """Check that a storage is named."""
    if value is not None and not value.strip() and not ctx.resilient_parsing:
        raise UnusableInputError(f"{param.opts[0]}: {value!r}: give a path, or a database's URL")
    return value


def _checked(reader: Callable[..., Any]) -> Callable[..., Any]:
    """Check a flag's value with the function that reads it; errors name the flag."""

    def check(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
        if value is not None and not ctx.resilient_parsing:
            try:
                reader(value)
            except UnusableInputError as error:
                raise UnusableInputError(f"{param.opts[0]}: {error}") from None
            if reader is not _memory and value.strip().isdecimal() and int(value):
                advice = f"write {value}s, or {value}m for minutes"
                say(f"note: {param.opts[0]} {value} is {value} seconds: {advice}", sys.stderr)
        return value

    return check


def least(number: int, most: int | None = None) -> Callable[..., Any]:
    """Check that a count is in its range."""

    def check(ctx: typer.Context, param: typer.CallbackParam, value: int | None) -> int | None:
        if value is not None and not ctx.resilient_parsing and not number <= value <= (value if most is None else most):
            allowed = f"{number} or more" if most is None else f"{number} to {most}"
            raise UnusableInputError(f"{param.opts[0]}: {value}: give {allowed}")
        return value

    return check


def _memory(text: str) -> int:
    size = read_bytes(text)
    if size < _TOO_LITTLE:
        taken = f"torch alone takes more than {_TOO_LITTLE:,}"
        raise UnusableInputError(f"memory limit too small: {size:,} bytes: {taken}: raise it, to 4GiB perhaps")
    return size


def _or_none(text: str) -> float:
    return read_seconds(text, least=0)


def duration(*names: str, help: str, default: str = "", group: str | None = BUDGET, may_be_0: bool = False) -> Any:
    """A flag that takes a duration: ``90s``, ``45m``, ``8h``; a plain number is seconds, and a note says so."""
    check = _checked(_or_none if may_be_0 else read_seconds)
    return flag(*names, help=help, value="DURATION", default=default, group=group, check=check)


def formats(*known: str) -> Any:
    """The flag ``--format``."""
    words, complete = alternatives(known), completion.of(*known)
    return flag("--format", help=words, value="FORMAT", group=OUTPUT, complete=complete)


def formats_of(home: str) -> Any:
    """The flag ``--format`` that takes the names of a table, ``MODULE:TABLE``."""
    return flag("--format", help=listed(home), value="FORMAT", group=OUTPUT, complete=completion.of_table(home))


def study(
    help: str = "name of the study", default: str = "the newest", *, check: Callable[..., Any] | None = None
) -> Any:
    """The flag ``--study``."""
    complete = completion.studies
    return flag("--study", help=help, value="NAME", default=default, group=PLACE, complete=complete, check=check)


def storage(default: str = "", *, check: Callable[..., Any] | None = None) -> Any:
    """The flag ``--storage``."""
    text = "journal file, or a database's URL"
    return flag("--storage", help=text, value="PATH|URL", default=default, group=PLACE, check=check)


def _of_project(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """``--storage``, or its ``--study``, from the project's settings if the command line gives neither."""
    name = str(param.name)
    found = None if ctx.resilient_parsing else place.of_project(ctx, name)
    if found is not None:
        say(f"note: {name} {masked(found.value)}, from {found.source}", sys.stderr)
        value = found.value
    return place.expanded(str(stored(ctx, param, value))) if name == "storage" and value is not None else value


def workers(default: str = "one per core, or per GPU") -> Any:
    """The flag ``--workers``."""
    return flag("--workers", help="number of processes that train", value="N", default=default, group=PLACE)


def recipe(default: str = "default; long from 30 epochs on") -> Any:
    """The flag ``--recipe``."""
    text = "one of search.py recipes, with options: default,batch_size=64, or FILE.toml"
    return flag("--recipe", help=text, value="RECIPE", default=default, group=DATA, complete=completion.recipe)


def augmentation(default: str = "assignment") -> Any:
    """The flag ``--augmentation``."""
    text, complete = "assignment, seed, none or FILE.py:NAME; with options: assignment,flip=0", completion.augmentations
    return flag("--augmentation", help=text, value="NAME", default=default, group=DATA, complete=complete)


def trial(help: str = "a number, best, an architecture's text, seed, or a champion's name", default: str = "") -> Any:
    """An argument that names a trial."""
    text = f"{help}  [default: {default}]" if default else help
    return typer.Argument(help=text, metavar="TRIAL", autocompletion=completion.trials)


Study = Annotated[str | None, study(check=_of_project)]
Storage = Annotated[str, storage(check=_of_project)]
Constraints = Annotated[
    Path | None, file("--constraints", help="constraints from a file", value="FILE.toml", group=RULES)
]
Require = Annotated[
    list[str] | None,
    flag(
        "--require", help='one constraint, such as "params < 200k"; repeatable', value="EXPR", group=RULES,
        complete=completion.metrics,
    ),
]  # fmt: skip
Data = Annotated[
    str | None,
    flag(
        "--data", help="auto, cifar10, digits, a folder, a tar or zip file", value="DATA", default="auto", group=DATA,
        complete=completion.of("auto", "cifar10", "digits"),
    ),
]  # fmt: skip
DataNow = Annotated[str | None, flag("--data", help="current location of the study's data", value="DATA", group=DATA)]
Device = Annotated[
    str | None,
    flag(
        "--device", help="auto, cpu or cuda", value="DEVICE", default="auto", group=PLACE,
        complete=completion.of("auto", "cpu", "cuda"),
    ),
]  # fmt: skip
Engine = Annotated[
    str | None,
    flag(
        "--engine", help=engine_choice.forms(), value="ENGINE", default="local", group=PLACE,
        complete=completion.of(*engine_choice.KINDS),
    ),
]  # fmt: skip
Arguments = Annotated[
    list[str] | None,
    flag("--arg", help="argument of a class or function, read as TOML; repeatable", value="KEY=VALUE", group=MODEL),
]
Teachers = Annotated[
    list[str] | None,
    flag(
        "--teacher",
        help="a trained network to distil from; several are an ensemble",
        value="TRIAL|STUDY:TRIAL|FILE",
        group=DATA,
        complete=completion.trials,
    ),
]
AugmentationOptions = Annotated[
    list[str] | None,
    flag("--augmentation-arg", help="an option of the augmentation; repeatable", value="KEY=VALUE", group=DATA),
]
Memory = Annotated[
    str,
    flag(
        "--memory", help="memory limit of your own code: 4GiB, 500MB", value="SIZE", group=BUDGET,
        check=_checked(_memory),
    ),
]  # fmt: skip
TableOrJson = Annotated[str, formats("table", "json")]
BoardFormat = Annotated[str, formats_of("nas.results.board_table:FORMATS")]
Trackers = Annotated[
    list[str] | None,
    flag(
        "--log", help=f"write curves to {tracker_choice.forms()} too", value="TRACKER", group=OUTPUT,
        complete=completion.of(*tracker_choice.KINDS),
    ),
]  # fmt: skip
