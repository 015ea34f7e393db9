"""The columns of the report's leaderboard, and the cells of a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nas.objective_text import ACCURACY
from nas.results.board import Leaderboard
from nas.results.board_lines import spread
from nas.results.numbers import duration, millions, number, percent
from nas.results.rows import Row

NETWORK = "architecture"
"""The last column, which gets all the room that the others leave."""
NETWORK_WIDTH = 13.0
_LETTER, _PADDING = 0.62, 0.7
"""Rem of the widest digit, and of the space beside a text."""
_ARROW = 2
"""Letters of the arrow that shows the order."""


class Column(NamedTuple):
    """A column of the leaderboard: its heading, and the field of a row by which it sorts."""

    key: str
    title: str
    hint: str = ""


COLUMNS = (
    Column("rank", "#", "rank by the accuracy that the study maximises"),
    Column("trial", "trial"),
    Column("state", "state"),
    Column("val_accuracy", "val %", "validation accuracy"),
    Column("test_accuracy", "test %", "test accuracy after confirming"),
    Column("params", "params", "parameters"),
    Column("macs", "MMACs", "million multiply-accumulates of one sample"),
    Column("receptive_field", "RF", "receptive field in input pixels"),
    Column("epochs", "epochs"),
    Column("seconds", "time", "time of training"),
    Column("architecture", "architecture"),
)


def columns(board: Leaderboard) -> tuple[Column, ...]:
    """COLUMNS, and columns for the study's measured metrics and, if it maximises another accuracy, for that."""
    found = []
    for column in COLUMNS:
        if board.measure != ACCURACY and column.key in {"val_accuracy", "test_accuracy"}:
            key = column.key.replace("_", "_balanced_")
            found.append(Column(key, f"balanced {column.title}", f"balanced {column.hint}"))
        found.append(column)
        if column.key == "receptive_field":
            found += [Column(name, name) for name in board.measured]
    return tuple(found)


def widths(shown: Sequence[Column], texts: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """The width of each column in rem, by key; the network's is its least one.

    It is known before anything is laid out, so that a browser can leave rows out that are far from its window.
    """
    rows = list(texts)
    longest = {c.key: max(len(c.title) + _ARROW, *(len(row.get(c.key, "")) for row in rows), 0) for c in shown}
    found = {key: round(_LETTER * count + _PADDING, 2) for key, count in longest.items()}
    return {**found, NETWORK: NETWORK_WIDTH}


def tracks(found: Mapping[str, float]) -> str:
    """The columns' widths as a CSS grid has them."""
    return " ".join(f"minmax({rem:g}rem, 1fr)" if key == NETWORK else f"{rem:g}rem" for key, rem in found.items())


def least(found: Mapping[str, float]) -> str:
    """The least width of all columns together."""
    return f"{math.fsum(found.values()):g}rem"


def cells(row: Row, *, is_best: bool = False) -> dict[str, str]:
    """The cells of a row under ``columns``; ``is_best`` adds the star of the Pareto front to its rank."""
    return {
        **{name: number(value) for name, value in row.measured.items()},
        "val_balanced_accuracy": percent(row.val_balanced_accuracy),
        "test_balanced_accuracy": percent(row.test_balanced_accuracy) + spread(row),
        "rank": f"{row.rank}{'!' if row.broken else '*' if is_best else ''}",
        "trial": str(row.trial),
        "state": row.state,
        "val_accuracy": percent(row.val_accuracy),
        "test_accuracy": percent(row.test_accuracy) + (spread(row) if row.measure == ACCURACY else ""),
        "params": f"{row.params:,}",
        "macs": millions(row.macs),
        "receptive_field": "?" if row.receptive_field is None else f"{row.receptive_field:,}",
        "epochs": str(row.epochs),
        "seconds": duration(row.seconds),
        "architecture": row.network,
    }
