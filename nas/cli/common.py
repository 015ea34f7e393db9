"""Shared helpers of the commands: interruption, checks of flags, the console."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import ConstraintError, ExitCode, UnusableInputError
from constraints.output.plain import say
from nas.search.study_opening import NewestStudyWarning

if TYPE_CHECKING:
    from rich.console import Console

TABLE_OR_JSON = ("table", "json")
WIDEST = 120
"""Most columns for a pipe or a file."""


class InterruptedCommandError(ConstraintError):
    """The command was interrupted by Ctrl-C or SIGTERM."""

    exit_code = ExitCode.INTERRUPTED


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Say in one line what an interrupted command leaves behind."""
    try:
        with _one_line_notes():
            yield
    except KeyboardInterrupt:
        raise InterruptedCommandError(f"interrupted: {advice}") from None


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """For refreshed displays, which the user ends by Ctrl-C: print no error, and exit with the interruption code."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedCommandError("") from None


@contextmanager
def _one_line_notes() -> Iterator[None]:
    """Print on stderr, in one line and once per command, which study was chosen where none was named."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", NewestStudyWarning)
        usual, said = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, NewestStudyWarning):
                if str(message) not in said:
                    say(f"note: {message}", sys.stderr)
                said.add(str(message))
            else:
                usual(message, category, *rest, **named)

        warnings.showwarning = show
        yield


def expressions(require: Sequence[str] | None, file: Path | None) -> list[str] | None:
    """The constraints of ``--constraints`` and ``--require``, each with its origin; None where neither is given."""
    from constraints.cli.profiles import read_constraints
    from nas.toml import GivenText

    if not require and file is None:
        return None
    of_file = read_constraints(file) if file is not None else ()
    return [
        *(GivenText(text, str(file)) for text in of_file),
        *(GivenText(text, "--require") for text in require or ()),
    ]


def one_of(name: str, given: str | None, other_name: str, other: str | None) -> str | None:
    """The value given by either of two names; UnusableInputError where both are given with different values."""
    if given is not None and other is not None and given != other:
        raise UnusableInputError(f"{other_name}: {other!r}: {name} is {given!r} already: give one of them")
    return other if given is None else given


def check_augmentation(augmentation: str | None, options: Sequence[str] | None) -> None:
    """Raise UnusableInputError for pipeline options without a pipeline."""
    if augmentation is None and options:
        raise UnusableInputError(
            f"--augmentation-arg: {options[0]!r}: an option of no pipeline: give --augmentation too"
        )


def with_options(augmentation: str | None, options: Sequence[str] | None) -> str | None:
    """``--augmentation`` with each ``--augmentation-arg`` appended."""
    check_augmentation(augmentation, options)
    return augmentation if augmentation is None else ",".join([augmentation, *(options or ())])


def wide_console() -> Console:
    """Standard output, at most WIDEST columns wide where neither a terminal nor ``$COLUMNS`` says how wide it is.

    A pager behind a pipe has the width of the terminal that stderr is on.
    """
    from constraints.output.console import SafeConsole

    console = SafeConsole()
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    try:
        shown = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):  # no terminal, closed, replaced
        shown = WIDEST
    return SafeConsole(width=min(shown or WIDEST, WIDEST))
