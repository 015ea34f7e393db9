"""What a person sees while a search runs: a live table on a terminal, a line an event elsewhere; all on stderr."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from optuna.trial import TrialState
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress, TaskID
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.results.tables import duration, rejections
from nas.search.driver import Candidate, Driver

_REFRESH_SECONDS = 0.5


class SearchView:
    """Shows a driver at every tick; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        """Live on a terminal; elsewhere a line whenever a trial trains an epoch or ends."""
        self._console = console
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._shown_at = 0.0
        self._said: dict[int, str] = {}

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._live:
            self._live.stop()

    def show(self, driver: Driver) -> None:
        """Bring what is shown up to date."""
        if time.monotonic() - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = time.monotonic()
        if self._live:
            self._live.update(_screen(driver), refresh=True)
        else:
            self._say(driver)

    def _say(self, driver: Driver) -> None:
        for trial in driver.study.get_trials(deepcopy=False):
            if not trial.intermediate_values and trial.state == TrialState.RUNNING:
                continue
            epoch = max(trial.intermediate_values, default=0)
            value = trial.intermediate_values.get(epoch)
            state = {TrialState.RUNNING: ""}.get(trial.state, f", {trial.state.name.lower()}")
            figure = "" if value is None else f"{value:.2%} after {epoch} of {driver.budget.epochs} epochs"
            reason = f" ({trial.user_attrs['reason']})" if "reason" in trial.user_attrs else ""
            line = f"trial {trial.number}: {figure}{state}{reason}"
            if trial.number not in self._said and trial.state.is_finished() and self._said.get(-1) is None:
                self._said[trial.number] = line  # finished before this launch
            elif self._said.get(trial.number) != line:
                self._said[trial.number] = line
                self._console.print(line, highlight=False, soft_wrap=True)
        self._said[-1] = "begun"


def _screen(driver: Driver) -> RenderableType:
    trials = driver.study.get_trials(deepcopy=False)
    ended = sum(t.state.is_finished() for t in trials)
    best = "none yet" if driver.best is None else f"{driver.best:.2%}"
    target = "" if driver.budget.target is None else f" of over {driver.budget.target:.2%}"
    head = Text.assemble(
        (f"{driver.study.study_name}  ", "bold"),
        f"{ended} of {driver.budget.trials} trials, best ", (f"{best}{target}", "bold green"),
        f", {duration(driver.seconds_left)} left",
    )  # fmt: skip
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for name, right in [
        ("trial", True),
        ("epoch", True),
        ("", False),
        ("val %", True),
        ("params", True),
        ("MMACs", True),
    ]:
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for candidate in driver.running:
        table.add_row(*_running(candidate, driver.budget.epochs))
    rejected = Text(f"rejected {sum(driver.rejected.values()):,}: {rejections(driver.rejected)}", style="dim")
    return Group(
        head, table, rejected, Text("Ctrl-C ends the search and keeps what is finished.", style="dim")
    )


def _running(candidate: Candidate, epochs: int) -> list[RenderableType]:
    accuracy = "–" if candidate.accuracy is None else f"{100 * candidate.accuracy:.2f}"
    params, macs = (candidate.metrics.params, candidate.metrics.macs)
    bar = ProgressBar(total=epochs, completed=_epochs_done(candidate), width=24)
    done = f"{len(candidate.curve)}/{epochs}"
    return [str(candidate.trial.number), done, bar, accuracy, f"{params:,}", f"{macs / 1e6:.1f}"]


def _epochs_done(candidate: Candidate) -> float:
    """Epochs trained, the one under way by the time that the last one took."""
    last = candidate.curve[-1]["seconds"] if candidate.curve else 0
    share = (time.monotonic() - candidate.epoch_started) / last if last else 0.0
    return len(candidate.curve) + min(share, 0.99)


class ConfirmView:
    """Shows how far each training of a confirmation is; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        """A bar a training on a terminal; elsewhere a line an epoch."""
        self._console = console
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[tuple[int, int], TaskID] = {}
        self._done: dict[tuple[int, int], int] = {}

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._bars.stop()

    def show(self, trial: int, seed: int, done: int, total: int) -> None:
        """Bring one training up to date."""
        key, name = (trial, seed), f"confirm trial {trial}, seed {seed}"
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[key], completed=done)
        if not self._console.is_terminal and self._done.get(key) != done:
            self._console.print(f"{name}: {done} of {total} epochs", highlight=False)
        self._done[key] = done
