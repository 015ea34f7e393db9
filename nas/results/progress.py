"""What a person sees while a search runs: a live table on a terminal, a line an event elsewhere; all on stderr."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.objective_text import ACCURACY
from nas.results.board_table import duration, millions, rejections
from nas.results.notebook import NotebookDisplay
from nas.search.candidate import Candidate
from nas.search.driver import Driver
from nas.search.pace import Pace
from nas.search.storage import is_outage
from nas.search.study import REASON

_REFRESH_SECONDS = 0.5
_OTHER_LINES = 9
"""Lines of the live view beside the running trials."""
_ENDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class SearchView:
    """Shows a driver at every tick; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        """Live on a terminal and in a notebook; elsewhere a line whenever a trial trains an epoch or ends."""
        self._console = console
        self._live = _live(console)
        self._driver: Driver | None = None
        self._shown_at = 0.0
        self._said: dict[int, str] = {}
        self._noted = 0
        self._is_pace_said = False
        self._trials = _Trials()

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, and say what happened last."""
        if self._live:
            self._live.stop()
        if self._driver:
            self._announce(self._driver)
            if not self._live:
                self._say(self._driver)

    def show(self, driver: Driver) -> None:
        """Bring what is shown up to date."""
        if self._driver is None:
            self._driver = driver
            self._said = {t.number: _line(t, driver) for t in driver.earlier}
        if time.monotonic() - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = time.monotonic()
        self._announce(driver)
        if self._live:
            self._look(driver)
            self._live.update(_screen(driver, self._trials, self._console.height), refresh=True)
        else:
            self._say(driver)

    def _announce(self, driver: Driver) -> None:
        """Say what is said once."""
        for note in driver.notes[self._noted :]:
            self._console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._noted = len(driver.notes)
        if driver.pace and not self._is_pace_said:
            self._console.print(pace_line(driver.pace, driver.machine), highlight=False, soft_wrap=True)
            self._is_pace_said = True

    def _say(self, driver: Driver) -> None:
        for number, line in _confirming(driver):
            if self._said.get(-1 - number) != line:
                self._said[-1 - number] = line
                self._console.print(line, highlight=False)
        for trial in self._look(driver):
            line = _line(trial, driver)
            if line and self._said.get(trial.number) != line:
                self._said[trial.number] = line
                self._console.print(line, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def _look(self, driver: Driver) -> Sequence[FrozenTrial]:
        """The trials that may have changed; none while the storage is out of reach, which the driver waits for."""
        try:
            return self._trials.look(driver.store.trials())
        except Exception as error:
            if not is_outage(error):
                raise
        return ()


def _live(console: Console) -> Live | NotebookDisplay | None:
    """A place that is shown anew; None where a line follows another."""
    if console.is_jupyter:
        return NotebookDisplay()
    return Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None


class _Trials:
    """What is known of a study's trials; of a large study too, since each that ended is looked at once."""

    def __init__(self) -> None:
        self.ended = 0
        self.best: FrozenTrial | None = None
        self._open: list[int] = []
        self._read = 0

    def look(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Those of ``trials``, all of the study, that had not ended at the last look."""
        looked = [trials[number] for number in (*self._open, *range(self._read, len(trials)))]
        ended = [trial for trial in looked if trial.state.is_finished()]
        self._open = [trial.number for trial in looked if not trial.state.is_finished()]
        self._read = len(trials)
        self.ended += len(ended)
        complete = [trial for trial in (self.best, *ended) if trial is not None and trial.state == TrialState.COMPLETE]
        self.best = max(complete, key=lambda trial: trial.values[0], default=None)
        return looked


def _line(trial: FrozenTrial, driver: Driver) -> str:
    """How far a trial is; empty before its first epoch."""
    parts = []
    if trial.intermediate_values:
        epoch = max(trial.intermediate_values)
        value = f"{trial.intermediate_values[epoch]:.2%}{_kind(driver)}"
        parts.append(f"{value} after {epoch} of {driver.budget.epochs} epochs")
    if trial.state.is_finished():
        reason = f" ({trial.user_attrs[REASON]})" if trial.user_attrs.get(REASON) else ""
        parts.append(_ENDS[trial.state] + reason)
    return f"trial {trial.number}: {', '.join(parts)}" if parts else ""


def _confirming(driver: Driver) -> list[tuple[int, str]]:
    """The trial that the search is confirming, and how far that is."""
    if driver.finish is None or (job := driver.finish.job) is None:
        return []
    return [(job.trial, f"confirm trial {job.trial}: {job.done} of {job.task.epochs} epochs")]


def _kind(driver: Driver) -> str:
    """What an accuracy is called beside its figure: nothing where it is the plain one."""
    return "" if driver.objectives.measure == ACCURACY else " balanced"


def pace_line(pace: Pace, machine: str) -> str:
    """How long an epoch takes, and what the time left allows."""
    took = duration(pace.epoch_seconds) if pace.epoch_seconds >= 10 else f"{pace.epoch_seconds:.2g}s"
    line = f"an epoch takes about {took} here with {_count(pace.workers, 'worker')} ({machine})"
    if math.isinf(pace.seconds):
        return line
    line += f": the {duration(pace.seconds)} left allow about {_count(pace.epochs, 'epoch')}"
    if pace.full:
        return f"{line}: {_count(pace.full, 'candidate')} of the full {pace.budget}, or about {pace.halved} by halving"
    few = pace.epochs_in_a_row
    own = f"{_count(few, 'epoch')} of it" if few else "no whole epoch"
    return (
        f"{line}, and one candidate trains {pace.budget}: there is time for {own}: "
        f"give --timeout {pace.limit(pace.budget, 0.0)} or longer, or fewer --epochs in a study of their own"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _screen(driver: Driver, trials: _Trials, height: int) -> RenderableType:
    head = Text(no_wrap=True, overflow="ellipsis").append(driver.study.study_name, style="bold")
    head.append(f"   {trials.ended} of {driver.budget.trials} trials")
    head.append(f", {duration(driver.seconds_left)} left" if math.isfinite(driver.seconds_left) else "")
    if driver.budget.target is not None:
        head.append(f", target over {driver.budget.target:.2%}{_kind(driver)}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for name in ("trial", "epoch", "", f"{_kind(driver)} val %".strip(), "params", "MMACs"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    room = max(1, height - _OTHER_LINES)
    for candidate in driver.running[:room]:
        table.add_row(*_running(candidate, driver))
    others = (f"and {len(driver.running) - room} more" if len(driver.running) > room else "", _waiting(driver))
    more = [Text(line, style="dim") for line in others if line]
    more += [Text(line) for _, line in _confirming(driver)]
    rejected = f"rejected  {sum(driver.rejected.values()):,}: {rejections(driver.rejected)}"
    return Group(
        head,
        _best(trials.best, _kind(driver)),
        table,
        *more,
        Text(rejected, style="dim", no_wrap=True, overflow="ellipsis"),
        Text("Ctrl-C ends the search and keeps what is finished.", style="dim"),
    )


def _waiting(driver: Driver) -> str:
    """How many candidates wait to be among the better half of their rung."""
    counts = Counter(len(candidate.curve) for candidate in driver.paused.values())
    at = ", ".join(f"{count} after {epochs}" for epochs, count in sorted(counts.items()))
    return f"paused    {at} epochs" if at else ""


def _best(best: FrozenTrial | None, kind: str) -> Text:
    if best is None:
        return Text("best      none yet", style="dim")
    line = f"best      {best.values[0]:.2%}{kind}, trial {best.number}, {best.user_attrs['params']:,} params"
    return Text(line, style="green", no_wrap=True, overflow="ellipsis")


def _running(candidate: Candidate, driver: Driver) -> list[RenderableType]:
    score, epochs, clock = driver.objectives.score, driver.budget.epochs, driver.clock
    accuracy = f"{100 * score(candidate.curve[-1]):.2f}" if candidate.curve else "-"
    metrics = candidate.metrics
    bar = ProgressBar(total=epochs, completed=_epochs_done(candidate, clock), width=24)
    done = f"{len(candidate.curve)}/{epochs}"
    return [str(candidate.trial.number), done, bar, accuracy, f"{metrics.params:,}", millions(metrics.macs)]


def _epochs_done(candidate: Candidate, clock: Callable[[], float]) -> float:
    """Epochs trained; the unfinished one is estimated from the time that the last one took."""
    last = candidate.curve[-1]["seconds"] if candidate.curve else 0
    share = (clock() - candidate.epoch_started) / last if last else 0.0
    return len(candidate.curve) + min(share, 0.99)
