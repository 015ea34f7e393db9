"""Format numbers and shapes for the outputs; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_THOUSAND, _LONG = 1000, 100_000
_UNITS = ("", "k", "M", "G", "T", "P")


def shape(sizes: Sequence[int]) -> str:
    """``3x32x32``."""
    return "x".join(map(str, sizes))


def sides(sizes: Sequence[float] | None) -> str:
    """``47`` or ``3x9``: one number where the sides are equal; empty where they are unknown."""
    if not sizes:
        return ""
    return f"{sizes[0]:g}" if len(set(sizes)) == 1 else "x".join(f"{s:g}" for s in sizes)


def exact(value: Any) -> str:
    """Every digit, with commas between thousands and between entries; ``unknown`` for None."""
    if value is None:
        return "unknown"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(exact, value))
    return str(value).lower() if isinstance(value, bool) else f"{value:,}"


def count(number: int) -> str:
    """Three significant digits from 100,000 on: 99,768 in full, 8,771,712 as 8.77M; empty for 0."""
    if number < _LONG:
        return f"{number:,}" if number else ""
    power, scaled = 0, float(number)
    while scaled >= _THOUSAND - 0.5 and power < len(_UNITS) - 1:
        scaled, power = scaled / _THOUSAND, power + 1
    return f"{scaled:.3g}{_UNITS[power]}"
