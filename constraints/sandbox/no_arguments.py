"""Set command line arguments that a user's file requires to None, since a check gives none."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def with_defaults_of_absl(warn: Callable[[str], None]) -> None:
    """Let flags of absl, which are an error until ``app.run`` reads the command line, have their defaults."""
    module = sys.modules.get("absl.flags")
    flags = getattr(module, "FLAGS", None)
    if flags is not None and not flags.is_parsed():
        flags.mark_as_parsed()
        warn("no command line arguments are given: flags of absl have their defaults, None without one")


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
