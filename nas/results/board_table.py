"""A leaderboard as a table for people, CSV, markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.results.leaderboard import STATES, Leaderboard, Row, State
from nas.results.sparklines import sparkline

_COLUMNS = ("#", "trial", "state", "val %", "test %", "params", "MMACs", "RF", "ep", "time", "curve")
_STYLES: Mapping[State, str] = {"complete": "", "pruned": "dim", "running": "cyan", "failed": "red"}
WIDE = 120
"""Columns from which on the networks' text has a place in the table."""
UNLIMITED = 10_000
"""Columns of a pipe or a file, where nothing is cut or folded."""
_FRONT = "*"
FORMATS = ("table", "json", "csv", "markdown")


def as_text(board: Leaderboard, output_format: str) -> str:
    """The leaderboard as ``json``, ``csv`` or ``markdown``."""
    if output_format == "json":
        return json.dumps(board.as_dict(), indent=1)
    if output_format == "csv":
        return _csv(board)
    return _markdown(board)


def as_table(board: Leaderboard, width: int) -> RenderableType:
    """The leaderboard for a terminal of ``width`` columns; below WIDE the networks' text is left out but the first."""
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, header_style="bold")
    for name in _COLUMNS:
        left = name in {"state", "curve"}
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    if wide:
        table.add_column("architecture", overflow="fold")
    for row in board.rows:
        cells = [*_cells(row, deviation=wide), sparkline(row.curve)]
        table.add_row(*cells, *([row.architecture] if wide else []), style=_style(row))
    return Group(_title(board), table, *_footer(board, wide=wide))


def rejections(rejected: Mapping[str, int]) -> str:
    """What turned proposals away, most frequent first, in one line."""
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    return ", ".join(f"{rule} ({count:,})" for rule, count in ordered) or "none"


def duration(seconds: float) -> str:
    """``42s``, ``3m07s``, ``2h05m``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def _title(board: Leaderboard) -> Text:
    target = f", target over {board.target:.2%}" if board.target is not None else ""
    return Text(f"study {board.study} on {board.data}{target}", style="bold")


def _footer(board: Leaderboard, *, wide: bool) -> list[RenderableType]:
    counts, rejected = board.counts, sum(board.rejected.values())
    states = ", ".join(f"{counts[s]:,} {s}" for s in STATES if counts[s])
    lines = [Text(f"{counts['proposed']:,} proposed, {rejected:,} rejected; trials: {states or 'none'}")]
    if rejected:
        lines.append(Text(f"rejected by: {rejections(board.rejected)}"))
    pruned = Counter(row.reason for row in board.rows if row.state == "pruned" and row.reason)
    if pruned:
        lines.append(Text("pruned: " + ", ".join(f"{count} {reason}" for reason, count in sorted(pruned.items()))))
    if any(row.pareto for row in board.rows):
        lines.append(Text(f"{_FRONT} no row shown beats it in both accuracy and parameters", style="dim"))
    for row in board.rows:
        if row.state == "failed" and row.reason:
            lines.append(Text(f"trial {row.trial} failed: {row.reason}", style="red"))
        if row.test_std and not wide:
            lines.append(Text(f"trial {row.trial} confirmed: test {_test(row, deviation=True)} %"))
    if not wide and board.rows:
        lines.append(Text(f"#1, trial {board.rows[0].trial}: {board.rows[0].architecture}"))
    return list(lines)


def _style(row: Row) -> str:
    return "bold green" if row.meets_target else _STYLES[row.state]


def _cells(row: Row, *, deviation: bool) -> list[str]:
    return [
        f"{row.rank}{_FRONT if row.pareto else ' '}",
        str(row.trial),
        row.state,
        _percent(row.val_accuracy),
        _test(row, deviation=deviation),
        f"{row.params:,}",
        f"{row.macs / 1e6:.1f}",
        str(row.receptive_field),
        str(row.epochs),
        duration(row.seconds),
    ]


def _test(row: Row, *, deviation: bool) -> str:
    return _percent(row.test_accuracy) + (f" ± {100 * row.test_std:.2f}" if row.test_std and deviation else "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _csv(board: Leaderboard) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name in Row.__dataclass_fields__ if name != "curve"]
    writer.writerow(names)
    writer.writerows([_plain(getattr(row, name)) for name in names] for row in board.rows)
    return text.getvalue().rstrip("\n")


def _plain(value: object) -> object:
    return "" if value is None else value


def _markdown(board: Leaderboard) -> str:
    names = [*_COLUMNS[:-1], "architecture"]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [
        f"| {' | '.join([*(cell.strip() for cell in _cells(row, deviation=True)), f'`{row.architecture}`'])} |"
        for row in board.rows
    ]
    return "\n".join(lines)


def print_board(board: Leaderboard, output_format: str, console: Console) -> None:
    """Print the leaderboard in one of FORMATS; only a terminal (or $COLUMNS) limits its width."""
    if output_format != "table":
        console.file.write(as_text(board, output_format) + "\n")
        return
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(file=console.file, width=UNLIMITED)
    console.print(as_table(board, console.width))
