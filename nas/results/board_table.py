"""A leaderboard as a table for people, CSV, markdown or JSON."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.objective_text import ACCURACY
from nas.results.leaderboard import Leaderboard
from nas.results.rows import COLUMNS, STATES, Row, State
from nas.results.sparklines import sparkline

HEADINGS = ("#", "trial", "state", "val %", "test %", "params", "MMACs", "RF", "ep", "time", "curve")
_STYLES: Mapping[State, str] = {
    "complete": "",
    "pruned": "dim",
    "running": "cyan",
    "unfinished": "dim",
    "failed": "red",
}
WIDE = 120
"""Columns from which on the networks' text has a place in the table."""
UNLIMITED = 10_000
"""Columns of a pipe or a file, where nothing is cut or folded."""
_FRONT, _BROKEN = "*", "!"
_COST_NAMES = {"params": "parameters", "macs": "MACs"}
FORMATS = ("table", "json", "csv", "markdown")


def as_text(board: Leaderboard, output_format: str) -> str:
    """The leaderboard as ``json``, ``csv`` or ``markdown``."""
    if output_format == "json":
        return board.to_json()
    if output_format == "csv":
        return _csv(board)
    return _markdown(board)


def as_table(board: Leaderboard, width: int) -> RenderableType:
    """The leaderboard for a terminal of ``width`` columns; below WIDE the networks' text is left out but the first."""
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, header_style="bold")
    for name in headings(board):
        left = name in {"state", "curve"}
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    if wide:
        table.add_column("architecture", overflow="fold")
    for row in board.rows:
        shown = [*cells(row, board, deviation=wide), sparkline(row.scores)]
        table.add_row(*shown, *([row.network] if wide else []), style=_style(row))
    return Group(Text(title(board), style="bold"), table, *footer(board, wide=wide))


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
    return f"study {board.study} on {board.data}{target}"


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
        lines.append(Text("pruned: " + ", ".join(f"{count} {reason}" for reason, count in sorted(pruned.items()))))
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
    if not wide and board.rows:
        lines.append(Text(f"#1, trial {board.rows[0].trial}: {board.rows[0].network}"))
    return lines


def _confirmed(board: Leaderboard) -> list[str]:
    """The network at which the search ended, and those of the rows whose training a confirmation finished."""
    best, lines = board.best_complete, list[str]()
    if best is not None and best.won and board.target is not None:
        lines.append(
            f"best: trial {best.trial}, confirmed over {board.target:.2%}: test {_test(best, deviation=True)} %"
        )
    for row in board.rows:
        if row.finished:
            length = f"{row.finished} epoch{'s' * (row.finished != 1)} on all images"
            tested = _test(row, deviation=True)
            lines.append(f"trial {row.trial}, at epoch {row.epochs}, was confirmed by {length}: test {tested} %")
    return lines


def _style(row: Row) -> str:
    return "bold green" if row.meets_target else _STYLES[row.state]


def cells(row: Row, board: Leaderboard, *, deviation: bool) -> list[str]:
    """What each of ``headings`` but the curve shows of a row; ``deviation`` adds that of the test accuracy."""
    plain = [] if row.measure == ACCURACY else [_percent(row.val_accuracy)]
    return [
        f"{row.rank}{_BROKEN if row.broken else _FRONT if row.pareto else ' '}",
        str(row.trial),
        row.state,
        _percent(row.score),
        *plain,
        _test(row, deviation=deviation),
        f"{row.params:,}",
        millions(row.macs),
        "?" if row.receptive_field is None else str(row.receptive_field),
        *(number(row.measured.get(name)) for name in board.measured),
        str(row.epochs),
        duration(row.seconds),
    ]


def millions(count: int | None) -> str:
    """A count in millions; a question mark where it is not known."""
    return "?" if count is None else f"{count / 1e6:.1f}"


def _test(row: Row, *, deviation: bool) -> str:
    return _percent(row.test_score) + (spread(row) if deviation else "")


def spread(row: Row) -> str:
    """Standard deviation and number of the trainings behind a test accuracy; nothing for one, which has no spread."""
    if not row.test_std:
        return ""
    return f" ± {100 * row.test_std:.2f}" + (f" (n={row.test_seeds})" if row.test_seeds else "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def number(value: float | None) -> str:
    """A measured metric: a whole number in full, any other to four digits; a dash where it is not known."""
    if value is None:
        return "-"
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"


def _csv(board: Leaderboard) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = (*COLUMNS, *board.measured)
    writer.writerow(names)
    writer.writerows([_plain(row.value(name)) for name in names] for row in board.rows)
    return text.getvalue().rstrip("\n")


def _plain(value: object) -> object:
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _markdown(board: Leaderboard) -> str:
    names = [*headings(board)[:-1], "architecture"]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [
        f"| {' | '.join([*(cell.strip() for cell in cells(row, board, deviation=True)), f'`{row.network}`'])} |"
        for row in board.rows
    ]
    return "\n".join(lines)


def print_board(board: Leaderboard, output_format: str, console: Console) -> None:
    """Print the leaderboard in one of FORMATS; only a terminal (or $COLUMNS) limits its width."""
    if output_format != "table":
        console.file.write(as_text(board, output_format) + "\n")
        return
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.file.write(as_plain_text(board) + "\n")
    else:
        console.print(as_table(board, console.width))


def as_plain_text(board: Leaderboard) -> str:
    """The table without colour, as wide as its rows need."""
    console = Console(file=io.StringIO(), width=UNLIMITED, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(as_table(board, console.width))
    return captured.get().rstrip("\n")
