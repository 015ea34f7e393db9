"""A leaderboard as a table for people, CSV, markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.results.leaderboard import Leaderboard, Row

_SPARKS = "▁▂▃▄▅▆▇█"
FORMATS = ("table", "json", "csv", "markdown")


def as_text(board: Leaderboard, form: str) -> str:
    """The leaderboard as ``json``, ``csv`` or ``markdown``."""
    if form == "json":
        return json.dumps(board.as_dict(), indent=1)
    if form == "csv":
        return _csv(board)
    return _markdown(board)


def as_table(board: Leaderboard, width: int) -> RenderableType:
    """The leaderboard for a terminal of ``width`` columns: what does not fit is left out, the network last."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    columns: list[tuple[str, bool]] = [
        ("#", True),
        ("trial", True),
        ("state", False),
        ("val %", True),
        ("test %", True),
    ]
    columns += [
        ("params", True),
        ("MMACs", True),
        ("RF", True),
        ("ep", True),
        ("time", True),
        ("curve", False),
    ]
    wide = width >= 120  # noqa: PLR2004 (a network's text needs what is left past 80 columns)
    for name, right in columns:
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    if wide:
        table.add_column("architecture", overflow="fold", ratio=1)
    for row in board.rows:
        cells = _cells(row)
        table.add_row(
            *cells, *([row.architecture] if wide else []), style="bold green" if row.meets_target else ""
        )
    return Group(_title(board), table, *_footer(board, wide=wide))


def sparkline(values: tuple[float, ...], width: int = 10) -> str:
    """A learning curve in ``width`` characters or fewer, from 0 to 1."""
    step = max(1, -(-len(values) // width))
    return "".join(_SPARKS[min(7, max(0, int(v * 8)))] for v in values[step - 1 :: step])


def rejections(rejected: Mapping[str, int]) -> str:
    """What turned proposals away, most frequent first, in one line."""
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    return ", ".join(f"{rule} ({count:,})" for rule, count in ordered) or "none"


def duration(seconds: float) -> str:
    """``42s``, ``3m07s``, ``2h05m``."""
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004 (seconds in a minute)
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"  # noqa: PLR2004


def _title(board: Leaderboard) -> Text:
    target = f", target over {board.target:.2%}" if board.target is not None else ""
    return Text(f"study {board.study} on {board.data}{target}", style="bold")


def _footer(board: Leaderboard, *, wide: bool) -> list[RenderableType]:
    counts = board.counts
    states = ", ".join(f"{counts[s]} {s}" for s in ("complete", "pruned", "running", "failed") if counts[s])
    lines: list[RenderableType] = [
        Text(
            f"{counts['proposed']:,} proposed, {sum(board.rejected.values()):,} rejected; trials: {states or 'none'}"
        ),
        Text(f"rejected by: {rejections(board.rejected)}"),
    ]
    failed = [
        f"trial {row.trial} failed: {row.reason}"
        for row in board.rows
        if row.state == "failed" and row.reason
    ]
    lines += [Text(line, style="red", no_wrap=True, overflow="ellipsis") for line in failed]
    if not wide and board.rows:
        lines.append(Text(f"best: trial {board.rows[0].trial} = {board.rows[0].architecture}"))
    return lines


def _cells(row: Row) -> list[str]:
    test = _percent(row.test_accuracy) + (f"±{100 * row.test_std:.2f}" if row.test_std else "")
    return [
        str(row.rank), str(row.trial), row.state, _percent(row.val_accuracy), test, f"{row.params:,}",
        f"{row.macs / 1e6:.1f}", str(row.receptive_field), str(row.epochs), duration(row.seconds), sparkline(row.curve),
    ]  # fmt: skip


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


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
    names = [
        "#",
        "trial",
        "state",
        "val %",
        "test %",
        "params",
        "MMACs",
        "RF",
        "epochs",
        "time",
        "architecture",
    ]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join([*_cells(row)[:-1], f'`{row.architecture}`'])} |" for row in board.rows]
    return "\n".join(lines)


def print_board(board: Leaderboard, form: str, console: Console) -> None:
    """Print the leaderboard in one of FORMATS."""
    if form == "table":
        console.print(as_table(board, console.width))
    else:
        console.file.write(as_text(board, form) + "\n")
