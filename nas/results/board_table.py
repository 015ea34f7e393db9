"""Prints a leaderboard as a table, CSV, markdown or JSON."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.output.plain import say
from nas.results.board import Leaderboard
from nas.results.board_columns import HEADINGS, cell, check_columns, is_left, value
from nas.results.board_lines import cells, footer, headings, title
from nas.results.network_text import NetworkText
from nas.results.rows import COLUMNS, Row, State
from nas.results.sparklines import sparkline
from nas.results.table_style import styled_table

_STYLES: Mapping[State, str] = {
    "complete": "",
    "pruned": "dim",
    "running": "cyan",
    "unfinished": "dim",
    "failed": "red",
}
_MEETS = "bold green"
_MEANINGS: Mapping[str, str] = {
    _MEETS: "green over the target",
    "cyan": "cyan running",
    "dim": "grey pruned or unfinished",
    "red": "red failed",
}
WIDE = 120
"""From this terminal width on, the table shows the networks' text."""
_LEAST_NETWORK = 24
"""Least width of the networks' text."""
_GAP = 2
"""Width between two columns of the table."""
_ALWAYS = ("#", "trial", "val %", "balanced val %")
_FIRST = ("curve", "time", "ep")
_THEN = ("MMACs", "state", "test %", "balanced test %", "RF", "params")
"""Columns that are left out where there is no room, in this order; measured metrics come between the two parts."""
UNLIMITED = 10_000
"""Width for a pipe or a file, where no text is cut or folded."""
FORMATS = ("table", "json", "csv", "markdown")


def as_text(board: Leaderboard, output_format: str, columns: Sequence[str] = ()) -> str:
    """The leaderboard as ``json``, ``csv`` or ``markdown``; only with ``columns`` if any are given."""
    if output_format == "json":
        return _json(board, columns)
    if output_format == "csv":
        return _csv(board, columns or (*COLUMNS, *board.measured))
    return _markdown(board, columns)


def as_table(
    board: Leaderboard, width: int, columns: Sequence[str] = (), *, is_coloured: bool = False
) -> RenderableType:
    """The leaderboard for a terminal of ``width`` columns; below WIDE only the first network's text is shown.

    ``columns`` replace the usual ones; if ``is_coloured``, a line explains the colours.
    """
    below = [*footer(board, wide=width >= WIDE, has_marks=not columns), *(_colours(board) if is_coloured else [])]
    table, missing = (_chosen(board, columns), 0) if columns else _usual(board, width, wide=width >= WIDE)
    if missing:
        left = f"{missing} column{'s' * (missing != 1)} left out: the terminal is too narrow: --columns chooses"
        below.insert(0, Text(left, style="dim"))
    best = board.rows[0] if board.rows and width < WIDE and not columns else None
    names = [NetworkText(best.network, f"#1, trial {best.trial}: ")] if best else []
    return Group(Text(title(board), style="bold"), table, *below, *names)


def _chosen(board: Leaderboard, columns: Sequence[str]) -> Table:
    table = styled_table()
    for name in columns:
        table.add_column(
            HEADINGS.get(name, name),
            justify="left" if is_left(name) else "right",
            no_wrap=name not in {"reason", "architecture"},
        )
    for row in board.rows:
        table.add_row(*(cell(row, name) for name in columns), style=_style(row))
    return table


def _usual(board: Leaderboard, width: int, *, wide: bool) -> tuple[Table, int]:
    """The table, and how many of its columns do not fit into ``width``."""
    names = headings(board)
    rows = [[*cells(row, board, deviation=wide), sparkline(row.scores)] for row in board.rows]
    wanted = [max(cell_len(text) for text in column) for column in zip(names, *rows, strict=True)]
    kept = _fitting(names, wanted, width - (_LEAST_NETWORK if wide else 0))
    table = styled_table()
    for place in kept:
        left = names[place] in {"state", "curve"}
        table.add_column(names[place], justify="left" if left else "right", no_wrap=True)
    if wide:
        table.add_column("architecture")  # the only column that folds in a narrow window
    for row, shown in zip(board.rows, rows, strict=True):
        network = [NetworkText(row.network)] if wide else []
        table.add_row(*(shown[place] for place in kept), *network, style=_style(row))
    return table, len(names) - len(kept)


def _fitting(names: Sequence[str], wanted: Sequence[int], width: int) -> list[int]:
    """Indices of the columns that fit into ``width``; measured metrics are left out first, starting with the last."""
    measured = [place for place, name in enumerate(names) if name not in (*_FIRST, *_THEN, *_ALWAYS)]
    first, then = ([names.index(name) for name in some if name in names] for some in (_FIRST, _THEN))
    order = [*first, *reversed(measured), *then]
    kept = list(range(len(names)))
    while order and sum(wanted[place] + _GAP for place in kept) - _GAP > width:
        kept.remove(order.pop(0))
    return kept


def _colours(board: Leaderboard) -> list[Text]:
    """A legend of the rows' colours, each text in its colour; empty where no row is coloured."""
    styles = {_style(row): None for row in board.rows}
    known = [(meaning, style) for style, meaning in _MEANINGS.items() if style in styles]
    return [Text(", ").join(Text(meaning, style=style) for meaning, style in known)] if known else []


def _style(row: Row) -> str:
    return _MEETS if row.meets_target else _STYLES[row.state]


def _json(board: Leaderboard, columns: Sequence[str]) -> str:
    document = board.as_dict()
    if columns:
        document["rows"] = [{name: value(row, name) for name in columns} for row in board.rows]
    return json_text(document)


def _csv(board: Leaderboard, names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(value(row, name)) for name in names] for row in board.rows)
    return text.getvalue().rstrip("\n")


def _plain(found: object) -> object:
    return "" if found is None else ", ".join(map(str, found)) if isinstance(found, (tuple, list)) else found


def _markdown(board: Leaderboard, columns: Sequence[str] = ()) -> str:
    if columns:
        head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        return "\n".join([*head, *(f"| {' | '.join(str(_plain(value(r, n))) for n in columns)} |" for r in board.rows)])
    names = [*headings(board)[:-1], "architecture"]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [
        f"| {' | '.join([*(cell.strip() for cell in cells(row, board, deviation=True)), f'`{row.network}`'])} |"
        for row in board.rows
    ]
    return "\n".join(lines)


def print_board(board: Leaderboard, output_format: str, console: Console, columns: Sequence[str] = ()) -> None:
    """Print the leaderboard in one of FORMATS; only a terminal (or $COLUMNS) limits its width.

    Raises UnusableInputError for an unknown column.
    """
    check_columns(columns, board.measured)
    if output_format != "table":
        say(as_text(board, output_format, columns), console.file)
        return
    if not console.is_terminal and "COLUMNS" not in os.environ:
        say(as_plain_text(board, columns), console.file)
    else:
        is_coloured = console.color_system is not None and not console.no_color
        console.print(as_table(board, console.width, columns, is_coloured=is_coloured))


def as_plain_text(board: Leaderboard, columns: Sequence[str] = ()) -> str:
    """The table without colour, as wide as its rows need."""
    console = SafeConsole(file=io.StringIO(), width=UNLIMITED, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(as_table(board, console.width, columns))
    return captured.get().rstrip("\n")
