"""The commands that only read a study: ``leaderboard``, ``show``, ``compare``, ``report``, ``dashboard``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.live import Live

from constraints.cli.options import check_format
from constraints.collection import without_collection
from constraints.errors import ExitCode, UnusableInputError
from nas.cli.common import TABLE_OR_JSON, check_counts, interruptible, wide_console
from nas.results.board_table import FORMATS, as_table, print_board
from nas.results.leaderboard import Leaderboard
from nas.results.leaderboard import leaderboard as ranked
from nas.results.summary_cache import read_summary
from nas.search.presence import has_launch
from nas.search.study import open_study, quiet

if TYPE_CHECKING:
    from nas.results.trial_card import Card

WATCH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class View:
    """Which rows of a leaderboard to show, in which order."""

    top: int = 20
    sort: str | None = None
    states: Sequence[str] = ()
    where: Sequence[str] = ()
    pareto: bool = False


@interruptible("the study is as it was")
def leaderboard(name: str | None, storage: str, output_format: str, view: View, *, watch: bool) -> int:
    """Print a study's leaderboard; ``watch`` prints it anew until interrupted."""
    check_format(output_format, FORMATS)
    check_counts(top=view.top)
    if watch and output_format != "table":
        raise UnusableInputError(f"--watch shows a table only: {output_format!r}: leave one of the two flags out")
    console = Console()

    def board() -> Leaderboard:
        with without_collection():
            summary = read_summary(storage, name)
            return ranked(summary, **vars(view), is_live=has_launch(storage, summary))

    if watch:
        _watch(board, console)
    print_board(board(), output_format, console)
    return ExitCode.DONE


def _watch(board: Callable[[], Leaderboard], console: Console) -> NoReturn:
    """Show the leaderboard anew until Ctrl-C, in place on a terminal and one below another elsewhere."""
    screen = Live(console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext()
    try:
        with screen as live:
            while True:
                if live is None:
                    print_board(board(), "table", console)
                else:
                    live.update(as_table(board(), console.width), refresh=True)
                time.sleep(WATCH_SECONDS)
    finally:
        if console.is_terminal:
            print_board(board(), "table", console)


@interruptible("the study is as it was")
def show(trial: str, name: str | None, storage: str, output_format: str) -> int:
    """Print one trial in full."""
    from nas.results.card_table import print_card

    check_format(output_format, TABLE_OR_JSON)
    (found,) = _cards([trial], name, storage)
    if output_format == "json":
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print_card(found, wide_console())
    return ExitCode.DONE


def _cards(trials: Sequence[str], name: str | None, storage: str) -> list[Card]:
    """The cards of trials, and of champions, for which no study is opened."""
    from nas.champions import registry
    from nas.results.champion_card import champion_card
    from nas.results.selection import find
    from nas.results.trial_card import card

    if all(map(registry.is_champion, trials)):
        return [champion_card(registry.find(trial)) for trial in trials]
    with quiet(), open_study(storage, name) as study:
        is_live = has_launch(storage, study)
        return [
            champion_card(registry.find(trial))
            if registry.is_champion(trial)
            else card(study, find(study, trial, is_live=is_live))
            for trial in trials
        ]


@interruptible("the study is as it was")
def compare(left: str, right: str, name: str | None, storage: str, output_format: str) -> int:
    """Print two trials side by side."""
    from nas.results.card_table import comparison, print_comparison

    check_format(output_format, TABLE_OR_JSON)
    cards = _cards([left, right], name, storage)
    if output_format == "json":
        print(json.dumps(comparison(*cards), indent=1))
    else:
        print_comparison(cards[0], cards[1], wide_console())
    return ExitCode.DONE


@interruptible("nothing was written")
def report(name: str | None, storage: str, place: Path) -> int:
    """Write a study as one self-contained page."""
    from nas.results.report.page import write_page

    working = Console(stderr=True).status("drawing the study and counting its space")
    with quiet(), open_study(storage, name) as study, working:
        write_page(study, place, is_live=has_launch(storage, study))
    print(f"{place}: {place.stat().st_size / 1e6:.1f} MB, study {study.study_name}")
    return ExitCode.DONE


@interruptible("the study is as it was")
def dashboard(name: str | None, storage: str, *, top: int, port: int) -> NoReturn:
    """Serve Optuna's dashboard on loopback, the best ``top`` complete trials attached, until Ctrl-C."""
    from nas.results import dashboard as serving
    from nas.search.study_folder import study_folder

    serving.check_dashboard()
    with quiet(), open_study(storage, name) as study:
        rows = ranked(study, top=top, states=["complete"]).rows
        store = serving.attach(study, rows, study_folder(storage, study).path / "artifacts")
        address = f"http://{serving.HOST}:{port}/dashboard/"
        print(f"{address} shows study {study.study_name}; Ctrl-C ends it", file=sys.stderr)
        serving.serve(study, store, port)
