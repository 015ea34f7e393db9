"""The first lines of a command that trains: the settings, the data and its decoding, and how networks train."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console

if TYPE_CHECKING:
    from nas.project_settings import Settings
    from nas.search.search_launch import PreparedLaunch
    from nas.training.decoded import Dataset
    from nas.training.images import Progress


@contextmanager
def decoding(console: Console) -> Iterator[Progress]:
    """A bar of decoded images on a terminal, as long as there is something to decode."""
    with progress.Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("decoding images", total=None, visible=False)
        yield lambda done, total: bars.update(task, completed=done, total=total, visible=True)


def introduce_settings(project: Settings | None, fields: Collection[str], console: Console) -> None:
    """Say which of ``fields`` come from the project's settings."""
    if project is not None and (found := project.only(fields)).table:
        print_line(found.sentence, console)


def introduce(dataset: Dataset, console: Console) -> None:
    """Print which data is used, and its warnings."""
    for warning in dataset.warnings:
        print_line(f"warning: {warning}", console)
    print_line(
        f"data: {dataset.name}, {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
        f"{len(dataset.classes)} classes",
        console,
    )


def introduce_training(prepared: PreparedLaunch, console: Console) -> None:
    """Print a launch's warnings, its starting networks, and how its networks train."""
    doubts = [f"warning: {text}" for text in prepared.advice]
    lines = (prepared.sizing, prepared.training.description(), prepared.driver.feed.description)
    for line in (*doubts, *prepared.beginning, *filter(None, lines)):
        print_line(line, console)


def print_line(line: str, console: Console) -> None:
    """Print a line literally (no rich markup or emoji codes); a terminal wraps it between words."""
    console.print(line, highlight=False, soft_wrap=not console.is_terminal, markup=False, emoji=False)
