"""Shows the progress of a search on stderr: a live view on a terminal, otherwise one line per event."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from nas.results.confirming import confirming
from nas.results.event_lines import plain_lines
from nas.results.live_screen import kind, leader_text, screen, speed_text, trials_text
from nas.results.notebook import WIDTH, NotebookDisplay
from nas.results.numbers import duration, seconds_text
from nas.results.search_forecast import under
from nas.results.search_trials import SearchTrials
from nas.search.driver import Driver
from nas.search.events import Event
from nas.search.outage import is_outage
from nas.search.pace import Pace
from nas.words import counted

_REFRESH_SECONDS = 0.5
_REFRESHES = 2
"""Redraws per second on a terminal, also while the search waits for its first worker."""
_STATUS_SECONDS = 60.0
"""Seconds between progress lines where there is no terminal."""


class SearchView:
    """Shows a driver at every tick; use it as a context manager."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """Live on a terminal and in a notebook; otherwise a line per event, and a progress line per minute."""
        self._console, self._clock = console, clock
        self._live = _live(console)
        self._driver: Driver | None = None
        self._shown_at, self._status_at = -math.inf, clock()
        self._confirmed = ""
        self._new = list[Event]()
        self._noted = 0
        self._is_pace_said = False
        self._trials = SearchTrials()

    def __enter__(self) -> Self:
        """Start the display."""
        if self._live:
            self._live.start()
        self.wait("opening the study and counting its space")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display, and print the last messages."""
        if self._live:
            self._live.stop()
        if self._driver:
            self._announce(self._driver)
            if not self._live:
                self._say(self._driver)

    def wait(self, what: str) -> None:
        """Show what is being done before the driver's first tick, with the elapsed time."""
        if self._live:
            self._live.update(_Waiting(what, self._clock), refresh=True)

    def show(self, driver: Driver) -> None:
        """Update the display."""
        self._driver = driver
        new = driver.events.take()
        self._new += [] if self._live else new
        if self._clock() - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = self._clock()
        self._announce(driver)
        if self._live:
            self._look(driver)
            width = WIDTH if self._console.is_jupyter else self._console.width
            shown = screen(driver, self._trials, width, self._console.height)
            self._live.update(
                shown
            )  # drawn by a thread of its own, which Ctrl-C does not stop half-way through a frame
        else:
            self._say(driver)
            self._say_status(driver)

    def _announce(self, driver: Driver) -> None:
        """Print messages that are shown only once."""
        for note in driver.notes[self._noted :]:
            self._print(f"note: {note}")
        self._noted = len(driver.notes)
        if driver.pace and not self._is_pace_said:
            self._print(pace_line(driver.pace, driver.machine))
            self._is_pace_said = True

    def _say(self, driver: Driver) -> None:
        """Print lines for what happened since the last call."""
        if (job := confirming(driver)) and job.counts != self._confirmed:
            self._confirmed = job.counts
            self._print(job.counts)
        self._new += driver.events.take()
        new, self._new = self._new, []
        for line in plain_lines(new, driver.budget.epochs, kind(driver)):
            self._print(line)

    def _say_status(self, driver: Driver) -> None:
        """Print a line for the search, once a minute."""
        if self._clock() - self._status_at >= _STATUS_SECONDS:
            self._status_at = self._clock()
            self._look(driver)
            self._print(_status(driver, self._trials))

    def _print(self, line: str) -> None:
        is_folded = self._live is not None  # between words; elsewhere a line stays one
        self._console.print(line, highlight=False, soft_wrap=not is_folded, markup=False, emoji=False)

    def _look(self, driver: Driver) -> None:
        """Read the trials; what was read last stays while the driver waits for an unreachable storage."""
        try:
            self._trials.look(driver.store.trials())
        except Exception as error:
            if not is_outage(error):
                raise


def _live(console: Console) -> Live | NotebookDisplay | None:
    """A live display; None where lines are printed instead."""
    if console.is_jupyter:
        return NotebookDisplay()
    return Live(console=console, refresh_per_second=_REFRESHES, transient=True) if console.is_terminal else None


class _Waiting:
    """A spinner line with what is being waited for, and for how long."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what, self._clock, self._began = what, clock, clock()
        self._spinner = Spinner("dots")

    def __rich__(self) -> Spinner:
        self._spinner.update(text=Text(f"{self._what}  {duration(self._clock() - self._began)}"))
        return self._spinner


def _status(driver: Driver, trials: SearchTrials) -> str:
    """The progress of a search, in one line."""
    states = [under(candidate, driver) for candidate in driver.running]
    best, job = leader_text(trials, driver), confirming(driver)
    beside = f"; {job.text(driver.seconds_left)}" if job and states else ""
    waiting = f", {len(driver.paused)} paused" if driver.paused else ""
    training = f"{trials_text(trials, driver)}, {len(states)} training{waiting}"
    return f"{training}; {best}; {speed_text(states, trials, driver, job)}{beside}"


def pace_line(pace: Pace, machine: str) -> str:
    """A line with the time of an epoch, and what the remaining time allows."""
    took = seconds_text(pace.epoch_seconds)
    line = f"an epoch takes about {took} here with {counted(pace.workers, 'worker')} ({machine})"
    if math.isinf(pace.seconds):
        return line
    line += f": the {duration(pace.seconds)} left allow about {counted(pace.epochs, 'epoch')}"
    if pace.full:
        full = f"{counted(pace.full, 'candidate')} of the full {pace.budget}"
        halved = f", or about {pace.halved:,} by halving" if pace.has_rungs else ""
        return f"{line}: {full}{halved}"
    few = pace.epochs_in_a_row
    own = f"{counted(few, 'epoch')} of it" if few else "no whole epoch"
    return (
        f"{line}, and one candidate trains {pace.budget}: there is time for {own}: "
        f"give --timeout {pace.limit(pace.budget, 0.0)} or longer, or fewer --epochs in a study of their own"
    )
