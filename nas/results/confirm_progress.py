"""Shows the progress of a confirmation on stderr: one bar per training, or one line per epoch."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from nas.results.notebook import NotebookDisplay

_DAY = 24 * 3600.0
"""Time left is estimated from the epochs of so many seconds: rich's own half a minute may hold none."""


class ConfirmView:
    """Shows the progress of each training of a confirmation; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        """Bars on a terminal and in a notebook; otherwise one line per epoch."""
        self._is_live = console.is_terminal or console.is_jupyter
        self._console = console
        self._notebook = NotebookDisplay() if console.is_jupyter else None
        self._bars = _bars(console)
        self._waiting: TaskID | None = None
        self._tasks: dict[tuple[int, int], TaskID] = {}
        self._done: dict[tuple[int, int], int] = {}

    def __enter__(self) -> Self:
        """Start the display; until the first training begins it says what is waited for."""
        self._waiting = self._bars.add_task("starting the workers, which load torch", total=None)
        self._bars.start()
        if self._notebook:
            self._notebook.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display."""
        self._bars.stop()
        if self._notebook:
            self._notebook.stop()

    def show(self, trial: int, seed: int, done: int, total: int) -> None:
        """Update the progress of one training."""
        key, name = (trial, seed), f"confirm trial {trial}, seed {seed}"
        if self._waiting is not None:
            self._bars.remove_task(self._waiting)
            self._waiting = None
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[key], completed=done)
        if self._notebook:
            self._notebook.update(self._bars.get_renderable())
        if not self._is_live and self._done.get(key) != done:
            self._console.print(f"{name}: {done} of {total} epochs", highlight=False)
        self._done[key] = done


def _bars(console: Console) -> Progress:
    """Bars with what moves during an epoch, the epochs done, the time since the start and the time left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        speed_estimate_period=_DAY,
        disable=not console.is_terminal or console.is_jupyter,
    )
