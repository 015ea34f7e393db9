"""Summarise the results of several targets, one row each; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.findings import Findings, Result
from constraints.output.numbers import count, sides

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 100
"""Minimum terminal width for printing all columns of the summary."""
_MOST_NAMED = 12
"""Number of files without a model that are named."""
SUMMARY = ("target", "verdict", "params", "MACs", "RF", "what fails")


def outcome(report: Findings) -> str:
    """A line on how many constraints of a target hold, at the end of its report or the top of its page."""
    failed, number = sum(not v.ok for v in report.constraints), len(report.constraints)
    if number == 1:
        return f"{report.target}: the constraint {'fails' if failed else 'holds'}"
    said = f"{failed} of {number} constraints fail" if failed else f"all {number} constraints hold"
    return f"{report.target}: {said}"


def summary_row(result: Result) -> tuple[str, ...]:
    """The cells of one target under ``SUMMARY``."""
    if not isinstance(result, Findings):
        return result.target, "error", "", "", "", result.error
    m, failed = result.metrics, [v.name for v in result.constraints if not v.ok]
    verdict = f"{len(failed)} of {len(result.constraints)} fail" if failed else f"all {len(result.constraints)} hold"
    metrics = (count(m["params"]), count(m["macs"] or 0), sides(m["receptive_field_hw"]))
    return result.target, verdict, *metrics, ", ".join(failed)


def skipped_line(files: Sequence[str]) -> str:
    """A line on the files of folders and patterns that contain no model: how many, and the first of them."""
    word = "file" if len(files) == 1 else "files"
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"skipped {len(files)} {word} without a model: {', '.join(files[:_MOST_NAMED])}{more}"


def print_summary(results: Sequence[Result], console: Console, skipped: Sequence[str] = ()) -> None:
    """Print a table of all targets, and how many satisfy every constraint; on a narrow terminal without the costs.

    ``skipped`` are the files that contain no model.
    """
    from rich.text import Text

    from constraints.output.ruled import ruled_table

    shown = [heading for heading in SUMMARY if heading != "MACs" or console.width >= _WIDE]
    lines = [dict(zip(SUMMARY, summary_row(result), strict=True)) for result in results]
    names = max(len(line["target"]) for line in lines)
    table = ruled_table()
    for heading in shown:
        is_number = heading in {"params", "RF", "MACs"}
        is_long = heading in {"target", "what fails"}
        width = min(names, console.width // 3) if heading == "target" else None
        table.add_column(
            heading, overflow="fold", justify="right" if is_number else "left", no_wrap=not is_long,
            width=width, ratio=1 if heading == SUMMARY[-1] else None,
        )  # fmt: skip
    for result, line in zip(results, lines, strict=True):
        table.add_row(*(Text(line[heading]) for heading in shown), style="" if result.ok else "red")
    kept = sum(result.ok for result in results)
    rule = Text("=" * console.width)
    console.print(rule, table, rule, Text(f"{kept} of {len(results)} targets keep every constraint"), sep="\n")
    if skipped:
        console.print(Text(skipped_line(skipped)))
