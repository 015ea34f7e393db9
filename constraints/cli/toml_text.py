"""TOML texts as tables, without those that nest so deeply that nothing could check or print them; no torch."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 64
"""Tables and lists in each other; Python's own functions fail on some hundreds."""


def read_toml_text(text: str) -> dict[str, Any]:
    """The table that a text contains.

    Raises ValueError if it is not TOML, has a number of thousands of digits, or nests deeper than ``DEEPEST``, which
    dotted keys do in one line.
    """
    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))  # the mark with which Windows begins files in UTF-8
    except RecursionError:
        raise _TooDeepError from None
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, (dict, list))]
        if not level:
            return table
    raise _TooDeepError


class _TooDeepError(ValueError):
    def __init__(self) -> None:
        super().__init__(f"tables and lists nest deeper than {DEEPEST} levels")


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value
