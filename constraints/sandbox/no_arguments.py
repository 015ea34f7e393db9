"""Set command line arguments that a user's file requires to None, since a check gives none."""

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


@contextmanager
def nothing_required(warn: Callable[[str], None]) -> Iterator[None]:
    """While entered, ``argparse`` accepts missing required arguments; ``warn`` gets a warning that names them."""
    parse = argparse.ArgumentParser.parse_known_args

    @functools.wraps(parse)
    def parsing(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        with _optional(self) as names:
            found = parse(self, args, namespace)
        missing = [name for name in names if getattr(found[0], name, None) is None]
        if missing:
            what = "no command line arguments are given: those that are required are None"
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


@contextmanager
def _optional(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    """While entered, a parser requires nothing; yields the names of what it required."""
    required = [a for a in parser._actions if a.required]
    groups = [g for g in parser._mutually_exclusive_groups if g.required]
    before = [(a, a.nargs) for a in required]
    for action in required:
        action.required = False
        if not action.option_strings and action.nargs != argparse.PARSER:
            action.nargs = "*" if action.nargs in {"+", argparse.REMAINDER} else "?"
    for group in groups:
        group.required = False
    try:
        yield [a.dest for a in required]
    finally:
        for action, nargs in before:
            action.required, action.nargs = True, nargs
        for group in groups:
            group.required = True
