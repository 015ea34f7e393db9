"""Draws learning curves as characters for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TypeVar

T = TypeVar("T")
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SPARKS = _EIGHTHS[1:]


def sparkline(values: Sequence[float | None], width: int = 8) -> str:
    """A curve of values from 0 to 1 in at most ``width`` characters; a value that is not a number is a gap."""
    return "".join(_spark(value) for value in _thinned(values, width))


def _thinned(values: Sequence[T], most: int) -> Sequence[T]:
    """At most ``most`` of the values, equally far apart, with the last one."""
    step = max(1, -(-len(values) // most))
    return values[(len(values) - 1) % step :: step]


def _spark(value: float | None) -> str:
    return " " if value is None or not isfinite(value) else _SPARKS[min(7, max(0, int(value * 8)))]


def chart(values: Sequence[float | None], *, width: int, height: int = 8) -> list[str]:
    """Lines, top first, of a bar chart of ``values`` between their least and greatest, both labelled in percent.

    If there are more values than ``width``, a bar shows the last of several. Values that are not numbers are left out.
    """
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return []
    shown = _thinned(known, max(1, width))
    low, high = min(shown), max(shown)
    thick = max(1, min(4, width // len(shown)))
    eighths = [1 + round((v - low) / (high - low or 1) * (8 * height - 1)) for v in shown]
    lines = []
    for line in range(height - 1, -1, -1):
        label = {height - 1: f"{high:7.2%} ", 0: f"{low:7.2%} "}.get(line, " " * 8)
        lines.append(label + "".join(_EIGHTHS[min(8, max(0, e - 8 * line))] * thick for e in eighths).rstrip())
    return lines
