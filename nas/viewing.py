"""What the commands that only read a study do: print the result on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from constraints.errors import UnusableInputError
from nas.commands import find, interruptible, open_study
from nas.results.card_table import comparison, print_card, print_comparison
from nas.results.leaderboard import leaderboard
from nas.results.trial_card import card
from nas.search.storage import run_folder

if TYPE_CHECKING:
    from nas.doctor import Finding

DONE, FAULTS = 0, 1
WIDEST = 120
"""Columns of a pipe or a file."""


@interruptible("the study is as it was")
def show(trial: str, name: str | None, storage: str, form: str) -> int:
    """Print one trial in full."""
    _check_format(form)
    study = open_study(storage, name)
    found = card(study, find(study, trial))
    if form == "json":
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print_card(found, _console())
    return DONE


@interruptible("the study is as it was")
def compare(left: str, right: str, name: str | None, storage: str, form: str) -> int:
    """Print two trials side by side."""
    _check_format(form)
    study = open_study(storage, name)
    cards = [card(study, find(study, trial)) for trial in (left, right)]
    if form == "json":
        print(json.dumps(comparison(*cards), indent=1))
    else:
        print_comparison(cards[0], cards[1], _console())
    return DONE


@interruptible("nothing was written")
def report(name: str | None, storage: str, place: Path) -> int:
    """Write a study as one self-contained page."""
    from nas.results.report.page import render

    if place.suffix.lower() not in {".html", ".htm"}:
        raise UnusableInputError(f"the report is a page: {str(place)!r}: give a file name that ends with .html")
    study = open_study(storage, name)
    with Console(stderr=True).status("drawing the study and counting its space"):
        text = render(study)
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableInputError(f"cannot write {place}: {error.strerror}: give a writable path") from None
    print(f"{place}: {place.stat().st_size / 1e6:.1f} MB, study {study.study_name}")
    return DONE


@interruptible("the study is as it was")
def dashboard(name: str | None, storage: str, *, top: int, port: int) -> NoReturn:
    """Serve Optuna's dashboard on loopback, the best ``top`` complete trials attached, until Ctrl-C."""
    from nas.results import dashboard as serving

    serving.check_dashboard()
    study = open_study(storage, name)
    rows = leaderboard(study, top=top, states=["complete"]).rows
    store = serving.attach(study, rows, run_folder(storage, study.study_name) / "artifacts")
    print(f"http://{serving.HOST}:{port}/dashboard/ shows study {study.study_name}; Ctrl-C ends it", file=sys.stderr)
    serving.serve(study, store, port)


@interruptible("nothing was changed")
def doctor(storage: str | None, form: str, *, remove: bool, is_sure: bool) -> int:
    """Print what this machine has and what is missing, or remove the caches; 1 where something is broken."""
    from nas import doctor as examining

    _check_format(form)
    if remove:
        return _clean(is_sure)
    found = list(examining.examine(storage))
    if form == "json":
        print(json.dumps([finding.as_dict() for finding in found], indent=1))
    else:
        _print_findings(found, Console())
    return FAULTS if any(finding.state == "broken" for finding in found) else DONE


def _print_findings(found: Sequence[Finding], console: Console) -> None:
    styles = {"ok": "green", "missing": "yellow", "broken": "bold red"}
    for finding in found:
        line = Text(f"{finding.state:<8}", style=styles[finding.state])
        console.print(line.append(f"{finding.topic:<8} {finding.name}: {finding.text}", style="none"), soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"        {finding.remedy}", style="cyan"), soft_wrap=True)


def _clean(is_sure: bool) -> int:
    """Remove the caches after asking; ``is_sure`` skips the question."""
    from nas import doctor as examining

    for finding in examining.caches():
        print(f"{finding.name}: {finding.text}")
    if not is_sure and not sys.stdin.isatty():
        raise UnusableInputError("cannot ask: stdin is not a terminal: add --yes to remove the caches")
    if not is_sure and not Confirm.ask("Remove these caches? They are made again where they are needed", default=False):
        print("nothing was removed")
        return DONE
    print(f"{examining.clean() / 1e6:,.1f} MB removed")
    return DONE


def _console() -> Console:
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=WIDEST)


def _check_format(form: str) -> None:
    if form not in {"table", "json"}:
        raise UnusableInputError(f"unknown format: {form!r}: use table, json")
