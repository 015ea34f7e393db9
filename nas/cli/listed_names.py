"""Names from tables whose modules load too slowly for every command: read where a help or a completion shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module

_HOME = re.compile(r"\{([\w.]+:\w+)\}")


def listed(home: str) -> str:
    """A place in a flag's help for the names of a table, ``MODULE:TABLE``; ``filled`` puts them there."""
    return f"{{{home}}}"


def filled(help: str) -> str:
    """A help with the names of the tables that it mentions: ``json, csv or markdown``."""
    return _HOME.sub(lambda place: alternatives(names(place[1])), help)


def names(home: str) -> list[str]:
    """The names of a table, in its order."""
    module, _, table = home.partition(":")
    return list(getattr(import_module(module), table))


def alternatives(known: Sequence[str]) -> str:
    """``json, csv or markdown``."""
    return f"{', '.join(known[:-1])} or {known[-1]}"
