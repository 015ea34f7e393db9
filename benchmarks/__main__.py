"""Measures every figure that the documentation promises, and compares it with its goal, in one table.

``uv run --group bench python -m benchmarks [NAME ...] [--json | --markdown | --write]``. All quick benchmarks that
``benchmarks/goals.toml`` names, or those given, run one after the other. Exit 1 where a goal is missed or a benchmark
fails. ``--write`` puts the table into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import goals as promised
from benchmarks.goals import Goal
from benchmarks.runs import Run, run
from benchmarks.verdicts import UNLIMITED, Board, board, commit, markdown, show
from constraints.errors import UnusableInputError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: python -m benchmarks --write -->", "<!-- end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print or write; the exit code says whether every goal is met."""
    options = _parser().parse_args(arguments)
    try:
        timeout, goals = promised.read(options.goals)
        chosen = _chosen(goals, options.names)
        if options.write:
            _writable(options.names)
    except UnusableInputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        found = measure(chosen, timeout)
    except KeyboardInterrupt:
        return 130
    _tell(found, options)
    return 0 if found.ok else 1


def measure(goals: Sequence[Goal], timeout: float) -> Board:
    """Run each benchmark once, one after the other, with progress on stderr."""
    began, at, runs = time.perf_counter(), commit(ROOT), dict[str, Run]()
    for benchmark in dict.fromkeys(goal.benchmark for goal in goals):
        started = time.perf_counter()
        print(f"running {benchmark} …", end=" ", file=sys.stderr, flush=True)
        runs[benchmark] = run(benchmark, timeout)
        failed = f", failed: {runs[benchmark].reason}" if runs[benchmark].reason else ""
        print(f"{time.perf_counter() - started:.0f} s{failed}", file=sys.stderr, flush=True)
    return board(goals, runs, time.perf_counter() - began, at)


def write(found: Board, page: Path) -> None:
    """Write the table between the two markers of a page."""
    before, after = _around_table(page)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(found)}\n\n{END}{after}", encoding="utf-8")


def _around_table(page: Path) -> tuple[str, str]:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise UnusableInputError(f"{page} has no markers for the table: add the lines {BEGIN} and {END}")
    return before, after


def _chosen(goals: Sequence[Goal], names: Sequence[str]) -> list[Goal]:
    known = dict.fromkeys(goal.module for goal in goals)
    for name in names:
        if name not in known:
            raise UnusableInputError(f"no goals for benchmark {name!r}: known are {', '.join(known)}")
    return [goal for goal in goals if not names or goal.module in names]


def _writable(names: Sequence[str]) -> None:
    if names:
        raise UnusableInputError(f"--write with {' '.join(names)}: the page holds every figure: name no benchmark")
    if (state := commit(ROOT)) == "unknown" or state.endswith("-dirty"):
        raise UnusableInputError(f"--write needs a commit to cite: the tree is {state}: commit its changes first")
    _around_table(PAGE)


def _tell(found: Board, options: argparse.Namespace) -> None:
    if options.write:
        write(found, PAGE)
    if options.json:
        print(json.dumps(found.as_dict(), indent=1))
    elif options.markdown:
        print(markdown(found))
    else:
        show(found, Console(width=None if sys.stdout.isatty() else UNLIMITED))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run; all by default")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON object")
    forms.add_argument("--markdown", action="store_true", help="the table as the documentation has it")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--goals", type=Path, default=promised.GOALS, metavar="FILE", help="other goals")
    return parser


if __name__ == "__main__":
    sys.exit(main())
