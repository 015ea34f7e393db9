"""A leaderboard as a table for people, CSV, markdown or JSON."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from constraints.output.console import SafeConsole
from constraints.output.json_text import json_text
from constraints.output.plain import one_line, say
from nas.objective_text import ACCURACY
from nas.results.board_columns import HEADINGS, cell, check_columns, is_left, value
from nas.results.leaderboard import Leaderboard
from nas.results.network_text import NetworkText
from nas.results.numbers import duration, millions, number, percent
from nas.results.rows import COLUMNS, STATES, Row, State
from nas.results.sparklines import sparkline
from nas.search.expectation import standard_error
from nas.words import counted

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
"""Columns from which on the networks' text has a place in the table."""
_LEAST_NETWORK = 24
"""Columns that the networks' text has at least."""
_GAP = 2
"""Columns between two."""
_ALWAYS = ("#", "trial", "val %", "balanced val %")
_FIRST = ("curve", "time", "ep")
_THEN = ("MMACs", "state", "test %", "balanced test %", "RF", "params")
"""Columns that are left out where there is no room, the first ones first; measured metrics between the two."""
UNLIMITED = 10_000
"""Columns of a pipe or a file, where nothing is cut or folded."""
_FRONT, _BROKEN = "*", "!"
_COST_NAMES = {"params": "parameters", "macs": "MACs"}
FORMATS = ("table", "json", "csv", "markdown")


def as_text(board: Leaderboard, output_format: str, columns: Sequence[str] = ()) -> str:
    """The leaderboard as ``json``, ``csv`` or ``markdown``, with these ``columns`` alone where there are any."""
    if output_format == "json":
        return _json(board, columns)
    if output_format == "csv":
        return _csv(board, columns or (*COLUMNS, *board.measured))
    return _markdown(board, columns)


def as_table(
    board: Leaderboard, width: int, columns: Sequence[str] = (), *, is_coloured: bool = False
) -> RenderableType:
    """The leaderboard for a terminal of ``width`` columns; below WIDE the networks' text is left out but the first.

    ``columns`` are shown in place of the usual ones; where ``is_coloured``, a line says what the colours mean.
    """
    below = [*footer(board, wide=width >= WIDE), *(_colours(board) if is_coloured else [])]
    table, missing = (_chosen(board, columns), 0) if columns else _usual(board, width, wide=width >= WIDE)
    if missing:
        left = f"{missing} column{'s' * (missing != 1)} left out: the terminal is too narrow: --columns chooses"
        below.insert(0, Text(left, style="dim"))
    best = board.rows[0] if board.rows and width < WIDE and not columns else None
    names = [NetworkText(best.network, f"#1, trial {best.trial}: ")] if best else []
    return Group(Text(title(board), style="bold"), table, *below, *names)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, header_style="bold")


def _chosen(board: Leaderboard, columns: Sequence[str]) -> Table:
    table = _table()
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
    """The table, and how many of its columns a terminal of ``width`` has no room for."""
    names = headings(board)
    rows = [[*cells(row, board, deviation=wide), sparkline(row.scores)] for row in board.rows]
    wanted = [max(cell_len(text) for text in column) for column in zip(names, *rows, strict=True)]
    kept = _fitting(names, wanted, width - (_LEAST_NETWORK if wide else 0))
    table = _table()
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
    """The places of the columns that fit beside one another; measured metrics are left out first, from the last on."""
    measured = [place for place, name in enumerate(names) if name not in (*_FIRST, *_THEN, *_ALWAYS)]
    first, then = ([names.index(name) for name in some if name in names] for some in (_FIRST, _THEN))
    order = [*first, *reversed(measured), *then]
    kept = list(range(len(names)))
    while order and sum(wanted[place] + _GAP for place in kept) - _GAP > width:
        kept.remove(order.pop(0))
    return kept


def _colours(board: Leaderboard) -> list[Text]:
    """What the colours of the rows mean, each in its own; nothing where all rows are plain."""
    styles = {_style(row): None for row in board.rows}
    known = [(meaning, style) for style, meaning in _MEANINGS.items() if style in styles]
    return [Text(", ").join(Text(meaning, style=style) for meaning, style in known)] if known else []


def rejections(rejected: Mapping[str, int]) -> str:
    """The rules that rejected proposals, most frequent first, in one line."""
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    return ", ".join(f"{rule} ({count:,})" for rule, count in ordered) or "none"


def headings(board: Leaderboard) -> tuple[str, ...]:
    """Of each column: an accuracy's says which it is, where the study is not judged by the plain one."""
    names = ("val %", "test %") if board.measure == ACCURACY else ("balanced val %", "val %", "balanced test %")
    return ("#", "trial", "state", *names, "params", "MMACs", "RF", *board.measured, "ep", "time", "curve")


def weighed(costs: Sequence[str], measure: str = ACCURACY) -> str:
    """``both accuracy and parameters``: what no other row beats a starred one in."""
    names = [measure.replace("_", " "), *(_COST_NAMES.get(cost, cost) for cost in costs)]
    return f"{'both' if len(names) == 2 else 'all of'} {', '.join(names[:-1])} and {names[-1]}"


def title(board: Leaderboard) -> str:
    """The study, its data and its target."""
    what = "" if board.measure == ACCURACY else f" {board.measure.replace('_', ' ')}"
    target = f", target over {board.target:.2%}{what}" if board.target is not None else ""
    return f"study {one_line(board.study)} on {one_line(board.data)}{target}"


def footer(board: Leaderboard, *, wide: bool) -> list[Text]:
    """The lines below the table: proposals, what became of them, the legend; more where the table is not ``wide``."""
    counts, rejected = board.counts, sum(board.rejected.values())
    states = ", ".join(f"{counts[s]:,} {s}" for s in STATES if counts[s])
    lines = [Text(f"{counts['proposed']:,} proposed, {rejected:,} rejected; trials: {states or 'none'}")]
    if counts["unfinished"]:
        lines.append(Text("unfinished: no launch works on this study now; the next one continues them"))
    if rejected:
        lines.append(Text(f"rejected by: {rejections(board.rejected)}"))
    pruned = Counter(row.reason for row in board.rows if row.state == "pruned" and row.reason)
    if pruned:
        lines.append(
            Text("pruned: " + ", ".join(f"{pruned[reason]} {reason}" for reason in sorted(pruned, key=_natural)))
        )
    if any(row.pareto for row in board.rows):
        lines.append(Text(f"{_FRONT} no row shown beats it in {weighed(board.costs, board.measure)}", style="dim"))
    lines += [Text(line) for line in _confirmed(board)]
    if board.expected is not None:
        lines.append(Text(board.expected.sentence(board.target)))
    for row in board.rows:
        if row.broken:
            lines.append(Text(f"{_BROKEN} trial {row.trial} breaks {', '.join(row.broken)}", style="yellow"))
        if row.state == "failed" and row.reason:
            lines.append(Text(f"trial {row.trial} failed: {row.reason}", style="red"))
        if row.test_std and not wide:
            kind = "" if row.measure == ACCURACY else "balanced "
            lines.append(Text(f"trial {row.trial} confirmed: {kind}test {_test(row, deviation=True)} %"))
    if board.images:
        error = "± in val % is" if wide else _error_of_first(board)
        lines.append(Text(f"{error} the standard error of a share of {board.images:,} images", style="dim"))
    return lines


def _natural(text: str) -> list[tuple[int, str]]:
    """A key by which ``epoch 3`` comes before ``epoch 12``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _confirmed(board: Leaderboard) -> list[str]:
    """The network at which the search ended, and those of the rows whose training a confirmation finished."""
    best, lines = board.best_complete, list[str]()
    if best is not None and best.won and board.target is not None:
        lines.append(
            f"best: trial {best.trial}, confirmed over {board.target:.2%}: test {_test(best, deviation=True)} %"
        )
    for row in board.rows:
        if row.finished:
            length = f"{counted(row.finished, 'epoch')} on all images"
            tested = _test(row, deviation=True)
            lines.append(f"trial {row.trial}, at epoch {row.epochs}, was confirmed by {length}: test {tested} %")
    return lines


def _error_of_first(board: Leaderboard) -> str:
    if not board.rows or board.rows[0].score is None:
        return "val % has"
    return f"val % of trial {board.rows[0].trial} has ± {_error(board.rows[0].score, board)}:"


def _error(score: float, board: Leaderboard) -> str:
    return f"{100 * standard_error(score, board.images):.2f}"


def _val(row: Row, board: Leaderboard, *, deviation: bool) -> str:
    """The validation accuracy that the study judges by, with its standard error where there is room."""
    known = f" ± {_error(row.score, board)}" if deviation and board.images and row.score is not None else ""
    return percent(row.score) + known


def _style(row: Row) -> str:
    return _MEETS if row.meets_target else _STYLES[row.state]


def cells(row: Row, board: Leaderboard, *, deviation: bool) -> list[str]:
    """What each of ``headings`` but the curve shows of a row; ``deviation`` adds that of the test accuracy."""
    plain = [] if row.measure == ACCURACY else [percent(row.val_accuracy)]
    return [
        f"{row.rank}{_BROKEN if row.broken else _FRONT if row.pareto else ' '}",
        str(row.trial),
        row.state,
        _val(row, board, deviation=deviation),
        *plain,
        _test(row, deviation=deviation),
        f"{row.params:,}",
        millions(row.macs),
        "?" if row.receptive_field is None else str(row.receptive_field),
        *(number(row.measured.get(name)) for name in board.measured),
        str(row.epochs),
        duration(row.seconds),
    ]


def _test(row: Row, *, deviation: bool) -> str:
    return percent(row.test_score) + (spread(row) if deviation else "")


def spread(row: Row) -> str:
    """Standard deviation and number of the trainings behind a test accuracy; the number alone of one."""
    known = f" ± {100 * row.test_std:.2f}" if row.test_std else ""
    return known + (f" (n={row.test_seeds})" if row.test_seeds else "")


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

    Raises UnusableInputError for a column that there is not.
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
