"""The columns of a leaderboard by name: their headings in a table, and how their values are formatted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.results.network_text import NetworkText
from nas.results.numbers import duration, millions, number, percent
from nas.results.rows import COLUMNS, Row
from nas.results.sparklines import sparkline

CURVE = "curve"
HEADINGS: Mapping[str, str] = {
    "rank": "#",
    "val_accuracy": "val %",
    "val_balanced_accuracy": "balanced val %",
    "test_accuracy": "test %",
    "test_balanced_accuracy": "balanced test %",
    "test_std": "test ±",
    "test_seeds": "n",
    "macs": "MMACs",
    "receptive_field": "RF",
    "epochs": "ep",
    "seconds": "time",
}
"""Column -> heading; any other column's heading is its name."""
_LEFT = {"state", "architecture", "origin", "reason", "broken", CURVE}
_SHARES = ("val_accuracy", "val_balanced_accuracy", "test_accuracy", "test_balanced_accuracy", "test_std")
_FORMATS: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(_SHARES, percent),
    "seconds": duration,
    "macs": millions,
}


def read_columns(text: str | None) -> tuple[str, ...]:
    """The names in ``trial,val_accuracy``; empty where none are asked for."""
    return tuple(name.strip() for name in text.split(",")) if text is not None else ()


def check_columns(names: Sequence[str], measured: Sequence[str]) -> None:
    """Raise UnusableInputError for an unknown column; ``measured`` are those of the study's measured metrics."""
    known = (*COLUMNS, CURVE, *measured)
    for name in names:
        if name not in known:
            raise UnusableInputError(f"unknown column: {name!r}: {nearest(name, known)}")


def value(row: Row, name: str) -> Any:
    """The value of a row in a column."""
    return list(row.curve) if name == CURVE else row.value(name)


def is_left(name: str) -> bool:
    """Whether a column is aligned left."""
    return name in _LEFT


def cell(row: Row, name: str) -> RenderableType:
    """A value as a table shows it."""
    found = value(row, name)
    if name == CURVE:
        return sparkline(row.scores)
    if name == "architecture":
        return NetworkText(row.network)
    return _FORMATS[name](found) if name in _FORMATS else _as_text(found)


def _as_text(found: Any) -> str:
    if isinstance(found, bool):
        return "yes" if found else "no"
    return found if isinstance(found, str) else ", ".join(found) if isinstance(found, tuple) else number(found)
