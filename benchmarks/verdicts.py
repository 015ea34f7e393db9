"""Compares measured figures with their goals, and shows them as a table, Markdown or JSON."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from benchmarks.goals import Goal
from benchmarks.runs import Run
from nas.cpu import cpu_class
from nas.results.table_style import styled_table

Verdict = Literal["met", "missed", "failed", "no goal"]
_STYLES: Mapping[Verdict, str] = {"met": "", "missed": "bold red", "failed": "bold red", "no goal": "dim"}
_HEADINGS = ("figure", "measured", "goal", "verdict")
UNLIMITED = 1_000
"""Width for a pipe or a file, where nothing is folded."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: ``measured`` is None if its benchmark failed, and ``reason`` says why."""

    goal: Goal
    cpu_class: str
    measured: float | None
    verdict: Verdict
    reason: str = ""

    def cells(self) -> tuple[str, str, str, str]:
        """The cells of its row in the table."""
        goal, unit = self.goal.goal_on(self.cpu_class), f" {self.goal.unit}".rstrip()
        limit = "-" if goal is None else f"{self.goal.comparison} {text(goal)}{unit}"
        if goal is not None and self.goal.tolerance:
            limit += f" {'+' if self.goal.comparison.startswith('<') else '-'} {100 * self.goal.tolerance:g} %"
        return self.goal.name, "-" if self.measured is None else text(self.measured) + unit, limit, self.verdict

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        goal = self.goal
        return {
            "name": goal.name,
            "benchmark": goal.benchmark,
            "measured": self.measured,
            "goal": goal.goal_on(self.cpu_class),
            "comparison": goal.comparison,
            "tolerance": goal.tolerance,
            "unit": goal.unit,
            "verdict": self.verdict,
            "reason": self.reason,
            "where": goal.where,
        }


@dataclass(frozen=True, kw_only=True)
class Board:
    """All figures of one run of the benchmarks."""

    rows: tuple[Row, ...]
    cpu_class: str
    commit: str
    cores: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every goal was met and no benchmark failed."""
        return all(row.verdict in {"met", "no goal"} for row in self.rows)

    def title(self, code: str = "") -> str:
        """Where it was measured and how long that took, with the commit between two ``code`` marks."""
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        return f"commit {code}{self.commit}{code}, {self.cpu_class}, {cores}, {self.seconds / 60:.1f} minutes in all"

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "commit": self.commit,
            "cpu_class": self.cpu_class,
            "cores": self.cores,
            "seconds": self.seconds,
            "ok": self.ok,
            "rows": [row.as_dict() for row in self.rows],
        }


def judge(goal: Goal, run: Run, on: str) -> Row:
    """Compare one figure of a benchmark with its goal for a class of processors."""
    if run.document is None:
        return Row(goal=goal, cpu_class=on, measured=None, verdict="failed", reason=run.reason)
    try:
        measured = goal.measured_in(run.document)
    except (LookupError, ZeroDivisionError) as error:
        return Row(goal=goal, cpu_class=on, measured=None, verdict="failed", reason=str(error))
    limit = goal.limit_on(on)
    verdict: Verdict = "no goal" if limit is None else "met" if goal.holds(measured, limit) else "missed"
    return Row(goal=goal, cpu_class=on, measured=measured, verdict=verdict)


def board(goals: Sequence[Goal], runs: Mapping[str, Run], seconds: float, at: str) -> Board:
    """Compare every goal with the run of its benchmark on this machine, at a commit."""
    on = cpu_class()
    rows = tuple(judge(goal, runs[goal.benchmark], on) for goal in goals)
    return Board(rows=rows, cpu_class=on, commit=at, cores=os.cpu_count() or 1, seconds=seconds)


def commit(root: Path) -> str:
    """Short hash of the commit, with ``-dirty`` after it if the tree differs; ``unknown`` without a Git commit."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=7", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def show(found: Board, console: Console) -> None:
    """Print the table, then where it was measured and why benchmarks failed."""
    table = styled_table(is_narrow=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    for row in found.rows:
        table.add_row(*row.cells(), style=_STYLES[row.verdict])
    console.print(table)
    console.print(found.title(), markup=False, highlight=False, soft_wrap=True)
    for reason in dict.fromkeys(f"{row.goal.benchmark}: {row.reason}" for row in found.rows if row.reason):
        console.print(reason, markup=False, highlight=False, soft_wrap=True)


def markdown(found: Board) -> str:
    """A sentence on where it was measured, and the table with links from a page of ``docs/``."""
    lines = [
        f"`python -m benchmarks --write`, {found.title('`')}:",
        "",
        f"| {' | '.join((*_HEADINGS, 'stated in'))} |",
        "|---" * (len(_HEADINGS) + 1) + "|",
    ]
    for row in found.rows:
        page = row.goal.where.removeprefix("docs/")
        link = f"[{page}]({page if row.goal.where.startswith('docs/') else f'../{page}'})"
        lines.append(f"| {' | '.join((*row.cells(), link))} |")
    return "\n".join(lines)


def text(number: float) -> str:
    """At most four significant digits, all digits of a whole number, with thousands separators."""
    if number == round(number) or abs(number) >= 1_000:
        return f"{number:,.0f}"
    return f"{number:.3g}"
