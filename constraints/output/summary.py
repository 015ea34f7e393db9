"""What became of several targets, a row each; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.findings import Findings, Result
from constraints.output.numbers import count, sides

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY = ("target", "verdict", "params", "MACs", "RF", "what fails")


def summary_row(result: Result) -> tuple[str, ...]:
    """The cells of one target under ``SUMMARY``."""
    if not isinstance(result, Findings):
        return result.target, "error", "", "", "", result.error
    m, failed = result.metrics, [v.name for v in result.constraints if not v.ok]
    verdict = f"{len(failed)} of {len(result.constraints)} fail" if failed else f"all {len(result.constraints)} hold"
    metrics = (count(m["params"]), count(m["macs"] or 0), sides(m["receptive_field_hw"]))
    return result.target, verdict, *metrics, ", ".join(failed)


def print_summary(results: Sequence[Result], console: Console) -> None:
    """A table of all targets, and how many of them keep every constraint."""
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True)
    for heading in SUMMARY:
        table.add_column(heading, overflow="fold", justify="right" if heading in {"params", "MACs", "RF"} else "left")
    for result in results:
        cells = map(Text, summary_row(result))
        table.add_row(*cells, style="" if result.ok else "red")
    kept = sum(result.ok for result in results)
    console.print(table, Text(f"{kept} of {len(results)} targets keep every constraint"), sep="\n")
