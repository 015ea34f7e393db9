"""Set command line arguments that a user's file requires to None or an empty list, since a check gives none."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

_MAY_BE_EMPTY = (argparse.ZERO_OR_MORE, argparse.REMAINDER, argparse.SUPPRESS)
"""Numbers of values that include none; ``parse_intermixed_args`` suppresses positional arguments at first."""


@contextmanager
def nothing_required(warn: Callable[[str], None]) -> Iterator[None]:
    """While entered, ``argparse`` accepts missing required arguments; ``warn`` gets a warning that names them."""
    parse = argparse.ArgumentParser.parse_known_args

    @functools.wraps(parse)
    def parsing(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        with _optional(self) as required:
            found = parse(self, args, namespace)
        missing = [name for name, places in required.items() if all(_is_missing(found[0], at) for at in places)]
        if missing:
            what = "no command line arguments are given: those that are required are None or empty"
            warn(f"{what}: {', '.join(missing)}: give a default to one that the model needs")
        return found

    with patch.object(argparse.ArgumentParser, "parse_known_args", parsing):
        yield


def with_defaults_of_absl(space: Mapping[str, Any], warn: Callable[[str], None]) -> Callable[[], None] | None:
    """Let flags of absl, which are an error until ``app.run`` reads the command line, have their defaults.

    Only where a file, whose names are ``space``, or one of the project that it imports from has something of absl:
    installed packages may load it too. Returns what undoes it; None where there was nothing to do.
    """
    module = sys.modules.get("absl.flags")
    flags = getattr(module, "FLAGS", None)
    if flags is None or flags.is_parsed() or not any(map(_has_absl, [space, *_imported_from(space)])):
        return None
    flags.mark_as_parsed()
    warn("no command line arguments are given: flags of absl have their defaults, None without one")
    undo: Callable[[], None] = flags.unparse_flags
    return undo


def _has_absl(space: Mapping[str, Any]) -> bool:
    modules = [v.__name__ if isinstance(v, ModuleType) else type(v).__module__ for v in list(space.values())]
    return any(name.partition(".")[0] == "absl" for name in modules)


def _imported_from(space: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The names of the modules outside installed packages from which a file has something."""
    values = list(space.values())
    names = {v.__name__ if isinstance(v, ModuleType) else getattr(v, "__module__", None) for v in values}
    for module in [sys.modules[name] for name in names if isinstance(name, str) and name in sys.modules]:
        if not {"site-packages", "dist-packages"} & set(Path(getattr(module, "__file__", None) or "").parts):
            yield vars(module)


def _is_missing(found: Any, place: str) -> bool:
    value = getattr(found, place, None)
    return value is None or (isinstance(value, list) and not value)


@contextmanager
def _optional(parser: argparse.ArgumentParser) -> Iterator[dict[str, list[str]]]:
    """While entered, a parser requires nothing; yields the names of what it required, each with where values go.

    Of a group, one argument is required. Arguments that may have no values are not changed.
    """
    required = [a for a in parser._actions if a.required and (a.option_strings or a.nargs not in _MAY_BE_EMPTY)]
    groups = [g for g in parser._mutually_exclusive_groups if g.required]
    before = [(a, a.nargs) for a in required]
    for action in required:
        action.required = False
        if not action.option_strings and action.nargs != argparse.PARSER:
            is_list = action.nargs == argparse.ONE_OR_MORE and action.choices is None  # an empty list is no choice
            action.nargs = argparse.ZERO_OR_MORE if is_list else argparse.OPTIONAL
    for group in groups:
        group.required = False
    try:
        of_groups = {" or ".join(map(_name, g._group_actions)): [a.dest for a in g._group_actions] for g in groups}
        yield {_name(a): [a.dest] for a in required} | of_groups
    finally:
        for action, nargs in before:
            action.required, action.nargs = True, nargs
        for group in groups:
            group.required = True


def _name(action: argparse.Action) -> str:
    """The name of an argument in the code; of subcommands without one, their own names."""
    return action.dest if action.dest != argparse.SUPPRESS else "/".join(map(str, action.choices or ()))
