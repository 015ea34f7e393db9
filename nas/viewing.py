"""What the commands that only read a study do: print the result on stdout."""

from __future__ import annotations

import json
import os

from rich.console import Console

from constraints.errors import UnusableInputError
from nas.commands import find, interruptible, open_study
from nas.results.card import card
from nas.results.show import comparison, print_card, print_comparison

DONE = 0
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


def _console() -> Console:
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=WIDEST)


def _check_format(form: str) -> None:
    if form not in {"table", "json"}:
        raise UnusableInputError(f"unknown format: {form!r}: use table, json")
