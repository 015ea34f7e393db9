"""The commands that only read a study: ``leaderboard``, ``show``, ``compare``, ``report``, ``dashboard``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import RenderableType
from rich.live import Live

from constraints.cli.options import check_format
from constraints.collection import without_collection
from constraints.errors import ExitCode, UnusableInputError
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.output.plain import say
from nas.cli.common import TABLE_OR_JSON, ended_by_ctrl_c, interruptible, wide_console
from nas.results.board import Leaderboard
from nas.results.board import leaderboard as ranked
from nas.results.board_columns import check_columns, read_columns
from nas.results.board_table import FORMATS, as_table, print_board
from nas.results.summary_cache import read_summary
from nas.search.presence import has_launch
from nas.search.study_opening import open_study, quiet

WATCH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """Which rows of a leaderboard to show, in which order."""

    top: int = 20
    sort: str | None = None
    states: Sequence[str] = ()
    where: Sequence[str] = ()
    pareto: bool = False


@interruptible("the study is as it was")
def leaderboard(
    name: str | None, storage: str, output_format: str, view: BoardView, *, watch: bool, columns: str | None = None
) -> int:
    """Print a study's leaderboard, only with ``columns`` if given; ``watch`` refreshes it until interrupted."""
    check_format(output_format, FORMATS)
    _check_watch(output_format, watch=watch)
    console = SafeConsole()

    def board() -> Leaderboard:
        with without_collection():
            summary = read_summary(storage, name)
            return ranked(summary, **vars(view), is_live=has_launch(storage, summary))

    names = read_columns(columns)
    with working("reading the study"):
        first = board()
    if not watch:
        print_board(first, output_format, console, names)
        if view.pareto and not first.rows and output_format == "table":
            say("note: none of these trials is complete: leave --pareto out, which compares complete ones", sys.stderr)
        return ExitCode.DONE
    check_columns(names, first.measured)
    with ended_by_ctrl_c():
        _watch(
            lambda: as_table(board(), console.width, names, is_coloured=not console.no_color),
            lambda: print_board(board(), "table", console, names),
        )


def _check_watch(output_format: str, *, watch: bool) -> None:
    if watch and output_format != "table":
        raise UnusableInputError(f"--watch shows a table only: {output_format!r}: leave one of the two flags out")


def _watch(shown: Callable[[], RenderableType], print_once: Callable[[], None]) -> NoReturn:
    """Show something, refreshed until Ctrl-C: in place on a terminal, otherwise printed again and again."""
    console = SafeConsole()
    screen = Live(console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext()
    try:
        with screen as live:
            while True:
                if live is None:
                    print_once()
                else:
                    live.update(shown(), refresh=True)
                time.sleep(WATCH_SECONDS)
    finally:
        if console.is_terminal:
            print_once()


@interruptible("the study is as it was")
def show(trial: str, name: str | None, storage: str, output_format: str, *, watch: bool = False) -> int:
    """Print one trial, champion or network in full; ``watch`` follows a trial until it has ended."""
    check_format(output_format, TABLE_OR_JSON)
    _check_watch(output_format, watch=watch)
    if watch:
        with ended_by_ctrl_c():
            trial = str(_follow(trial, name, storage))
    with working("reading the network"):
        from nas.results.cards import found_card

        found = found_card(trial, trial, name, storage, is_of_study=True)
    if output_format == "json":
        print(json_text(found.as_dict()))
    else:
        from nas.results.card_table import print_card

        print_card(found, wide_console())
    return ExitCode.DONE


def _follow(trial: str, name: str | None, storage: str) -> int:
    """Show a trial's curve, refreshed, until it has ended; its number."""
    from nas.results.selection import find
    from nas.results.trial_progress import as_line, as_lines

    console, said = wide_console(), ""
    screen = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else nullcontext()
    with screen as live:
        while True:
            with without_collection():
                summary = read_summary(storage, name)
                row = find(summary, trial, is_live=has_launch(storage, summary))
            if row.state != "running":
                return row.trial
            if live is not None:
                live.update(as_lines(row, summary, console.width), refresh=True)
            elif (line := as_line(row, summary)) != said:
                say(said := line, flush=True)
            time.sleep(WATCH_SECONDS)


@interruptible("the study is as it was")
def compare(left: str, right: str, name: str | None, storage: str, output_format: str) -> int:
    """Print two trials, champions or networks side by side."""
    check_format(output_format, TABLE_OR_JSON)
    with working("reading both networks"):
        from nas.results.cards import found_card
        from nas.results.comparison_table import comparison, print_comparison

        sides = (("left", left), ("right", right))
        cards = [found_card(trial, label, name, storage) for label, trial in sides]
    if output_format == "json":
        print(json_text(comparison(*cards)))
    else:
        print_comparison(cards[0], cards[1], wide_console())
    return ExitCode.DONE


@interruptible("nothing was written")
def report(name: str | None, storage: str, place: Path) -> int:
    """Write a study as one self-contained page."""
    with working("drawing the study and counting its space"), quiet(), open_study(storage, name) as study:
        from nas.results.report.page import write_page

        write_page(study, place, is_live=has_launch(storage, study))
    say(f"{place}: {place.stat().st_size / 1e6:.1f} MB, study {study.study_name}")
    return ExitCode.DONE


@interruptible("the study is as it was")
def dashboard(name: str | None, storage: str, *, top: int, port: int) -> NoReturn:
    """Serve Optuna's dashboard on loopback, the best ``top`` complete trials attached, until Ctrl-C."""
    with working("loading Optuna"):
        from nas.results import dashboard as serving
        from nas.search.study_folder import study_folder

        serving.check_dashboard()
    with quiet(), open_study(storage, name) as study:
        with working("attaching the best networks"):
            rows = ranked(study, top=top, states=["complete"]).rows
            store = serving.attach(study, rows, study_folder(storage, study).path / "artifacts")
        address = f"http://{serving.HOST}:{port}/dashboard/"
        say(f"{address} shows study {study.study_name}; Ctrl-C ends it", sys.stderr)
        serving.serve(study, store, port)
