"""Read the values of command line options: formats, shapes, durations, sizes, keyword arguments; no torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from constraints.cli.toml_text import read_toml_text
from constraints.errors import UnusableInputError
from constraints.sandbox.request import Limits
from constraints.suggestions import nearest

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def check_format(name: str, known: Sequence[str]) -> None:
    """Raise UnusableInputError for an output format that is not in ``known``."""
    if name not in known:
        raise UnusableInputError(f"unknown format: {name!r}: {nearest(name, known, 'use ' + ', '.join(known))}")


def read_seconds(text: str, least: float | None = None) -> float:
    """``90s``, ``45m``, ``8h`` -> seconds; a plain number is seconds; above 0, or at least ``least``."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[(match[2] or "s").lower()] if match else -1.0
    if not (0 < seconds < math.inf or seconds == least):
        some = "a number above 0" if least is None else f"{least:g} or a number"
        raise UnusableInputError(f"not a duration: {text!r}: write {some} with s, m or h, for example 90s")
    return seconds


def read_bytes(text: str) -> int:
    """``4GiB``, ``500MB``, ``1g`` -> bytes; ``i`` means powers of 1024; a plain number is bytes."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or not 0 < float(match[1]) < math.inf:
        raise UnusableInputError(f"not a size: {text!r}: write a number above 0 with MiB or GiB, for example 4GiB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS.get((match[2] or "").lower(), 0))


def read_numbers(text: str, count: int) -> tuple[float, ...]:
    """``0.49,0.48,0.45`` -> ``count`` numbers."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UnusableInputError(f"not {count} numbers: {text!r}: write them with commas between")
    return numbers


def read_arguments(pairs: list[str]) -> dict[str, Any]:
    """``["width=16", 'act="relu"']`` -> keyword arguments; each value is read as TOML."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip().isidentifier():
            raise UnusableInputError(f"not key=value: {pair!r}: write for example width=16")
        arguments[key.strip()] = _toml(value, pair)
    return arguments


def _toml(value: str, pair: str) -> Any:
    try:
        document = read_toml_text(f"value = {value}")
    except ValueError:
        document = {}
    if set(document) != {"value"}:
        raise UnusableInputError(f"not a TOML value: {pair!r}: a text needs its quotes, for example name='\"relu\"'")
    try:
        json.dumps(document)  # the value is sent as JSON to the process that runs the user's code
    except TypeError:
        raise UnusableInputError(
            f"not a value for an argument: {pair!r}: write a date or a time as text, for example day='\"2026-01-31\"'"
        ) from None
    return document["value"]


def read_limits(timeout: str, memory: str) -> Limits:
    """The limits of the user's code, from the flags ``--timeout`` and ``--memory``."""
    return Limits(seconds=read_seconds(timeout), memory_bytes=read_bytes(memory))
