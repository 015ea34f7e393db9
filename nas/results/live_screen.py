"""The content of a search's live view, depending on the terminal's size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.objective_text import ACCURACY
from nas.results.board_lines import rejections
from nas.results.confirming import Confirming, confirming
from nas.results.event_lines import short_line
from nas.results.numbers import duration, millions, seconds_text
from nas.results.search_forecast import Forecast, Under, forecast, under
from nas.results.search_trials import SearchTrials
from nas.results.sparklines import chart, sparkline
from nas.results.table_style import styled_table
from nas.search.candidate import Candidate
from nas.search.driver import Driver
from nas.space.attributes import BROKEN

WIDE = 100
"""From this width on, each candidate's speed and a chart beside the events are shown."""
WIDEST = 130
"""From this width on, each candidate's curve and network are shown."""
_OTHER_COLUMNS = 108
"""Columns that a candidate's row takes beside its network."""
_OTHER_LINES = 11
"""Lines of the view besides the running trials and the events."""
_MOST_EVENTS = 8
_CHART_LABEL = 8
"""Characters that a chart takes beside its bars."""


def screen(driver: Driver, trials: SearchTrials, width: int, height: int) -> RenderableType:
    """The current state of the search: best trial, forecast, running candidates, latest events."""
    running = driver.running
    room = max(1, height - _OTHER_LINES)
    states = [under(candidate, driver) for candidate in running]
    more = [f"and {len(running) - room} more" if len(running) > room else "", _idle(driver), _waiting(driver)]
    job = confirming(driver)
    more += [job.text(driver.seconds_left)] if job and running else []
    shown = min(len(running), room)
    table = [_table(running[:shown], states[:shown], driver, width)] if shown else []
    left = height - _OTHER_LINES - shown - sum(map(bool, more)) + 2
    rejected = f"rejected  {sum(driver.rejected.values()):,}: {rejections(driver.rejected)}"
    return Group(
        _head(driver, trials),
        *_best(trials, driver),
        _line(f"speed     {speed_text(states, trials, driver, job)}"),
        *table,
        *(_line(line, "dim") for line in more if line),
        _line(rejected, "dim"),
        *_below(driver, trials, width, min(left, _MOST_EVENTS)),
        _line("Ctrl-C ends the search and keeps what is finished.", "dim"),
    )


def kind(driver: Driver) -> str:
    """The kind of accuracy, to be shown with a value; empty for plain accuracy."""
    return "" if driver.objectives.measure == ACCURACY else " balanced"


def speed_text(states: Sequence[Under], trials: SearchTrials, driver: Driver, job: Confirming | None) -> str:
    """The measured speed and the expected times, of the search, or of a confirmation where nothing else is training."""
    if job is not None and not states:
        return job.text(driver.seconds_left)
    return forecast_text(forecast(states, driver, trials.epochs, has_complete=trials.best is not None), driver)


def forecast_text(found: Forecast, driver: Driver) -> str:
    """The measured speed and the expected times, in words."""
    if found.epoch_seconds is None:
        return "not known yet: the first batches show how long an epoch takes"
    parts = [f"{seconds_text(found.epoch_seconds)} per epoch"]
    if found.images_per_second is not None:
        parts.append(f"{found.images_per_second:,.0f} images/s")
    if found.to_rung is not None:
        parts.append(f"next rung in {duration(found.to_rung)}")
    if found.to_end is not None:
        is_cut = found.to_end > driver.seconds_left
        parts.append(
            f"end in {duration(driver.seconds_left)}, the limit" if is_cut else f"end in about {duration(found.to_end)}"
        )
    return ", ".join(parts)


def leader_text(trials: SearchTrials, driver: Driver) -> str:
    """The trial that leads: the best complete one, or one ahead of it that is not trained to the end."""
    if trials.leader is None:
        return _none_yet(trials, driver) or "no epoch yet"
    name = "best" if trials.leader.state == TrialState.COMPLETE else "leading"
    return f"{name} {trial_text(trials.leader, driver)}"


def _none_yet(trials: SearchTrials, driver: Driver) -> str:
    """The best of the trials with an epoch where all of these break a rule; empty where there are none."""
    if trials.breaking is None:
        return ""
    broken = ", ".join(trials.breaking.user_attrs[BROKEN])
    return f"none by the rules yet; {trial_text(trials.breaking, driver)}, breaks {broken}"


def trial_text(trial: FrozenTrial, driver: Driver) -> str:
    """A trial's accuracy, and how far it is trained."""
    epochs = max(trial.intermediate_values)
    value = trial.intermediate_values[epochs]
    if trial.state == TrialState.COMPLETE:
        state = ", complete"
    else:
        pruned = ", pruned" if trial.state == TrialState.PRUNED else ""
        state = f"{pruned} after {epochs} of {driver.budget.epochs} epochs"
    return f"{value:.2%}{kind(driver)}, trial {trial.number}{state}, {trial.user_attrs['params']:,} params"


def trials_text(trials: SearchTrials, driver: Driver) -> str:
    """How many trials started and finished; halving ends most of them together at the end of the search."""
    return f"{trials.started} of {driver.budget.trials} trials started, {trials.finished} finished"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _head(driver: Driver, trials: SearchTrials) -> Text:
    head = _line("").append(driver.study.study_name, style="bold")
    head.append(f"   {trials_text(trials, driver)}")
    head.append(f", {duration(driver.seconds_left)} left" if math.isfinite(driver.seconds_left) else "")
    if driver.budget.target is not None:
        head.append(f", target over {driver.budget.target:.2%}{kind(driver)}")
    return head


def _best(trials: SearchTrials, driver: Driver) -> list[Text]:
    """The trial that leads in any state, and the best one, which is complete, if that is another trial."""
    leader, best = trials.leader, trials.best
    lines = [_line(f"best      {trial_text(best, driver)}", "green")] if best is not None else []
    if leader is None:
        return [_line(f"best      {_none_yet(trials, driver) or 'none yet'}", "dim")]
    if best is None or leader.number != best.number:
        lines = [_line(f"leading   {trial_text(leader, driver)}", "cyan"), *lines]
    return lines


def _table(running: Sequence[Candidate], states: Sequence[Under], driver: Driver, width: int) -> Table:
    table = styled_table()
    names = ["trial", "epoch", "", "batch", "s/epoch", f"{kind(driver)} val %".strip(), "params", "MMACs"]
    if width >= WIDE:
        names += ["images/s", "rung"]
    for name in names:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    if width >= WIDEST:
        table.add_column("curve", no_wrap=True, min_width=8)
        table.add_column("architecture", no_wrap=True, overflow="ellipsis", max_width=width - _OTHER_COLUMNS)
    for candidate, state in zip(running, states, strict=True):
        table.add_row(*_cells(candidate, state, driver, width))
    return table


def _cells(candidate: Candidate, state: Under, driver: Driver, width: int) -> list[RenderableType]:
    score, metrics, epochs = driver.objectives.score, candidate.metrics, driver.budget.epochs
    cells: list[RenderableType] = [
        str(candidate.trial.number),
        f"{len(candidate.curve)}/{epochs}",
        ProgressBar(total=epochs, completed=state.trained, width=16 if width < WIDE else 24),
        "{}/{}".format(*state.batches) if state.batches else duration(state.waited),
        "-" if state.epoch_seconds is None else seconds_text(state.epoch_seconds),
        f"{100 * score(candidate.curve[-1]):.2f}" if candidate.curve else "-",
        f"{metrics.params:,}",
        millions(metrics.macs),
    ]
    if width >= WIDE:
        speed = "-" if state.images_per_second is None else f"{state.images_per_second:,.0f}"
        when = "" if state.to_rung is None else f" in {duration(state.to_rung)}"
        cells += [speed, f"{state.until}{when}"]
    if width >= WIDEST:
        cells += [sparkline([score(epoch) for epoch in candidate.curve]), Text(str(candidate.architecture or ""))]
    return cells


def _idle(driver: Driver) -> str:
    """How many workers train nothing while others do, and why."""
    busy = len(driver.running) + len(driver.finish.futures if driver.finish else ())
    if not driver.running or busy >= driver.engine.slots:
        return ""
    started = "all trials are started, none can be promoted yet"
    why = "the search waits for the others" if driver.next.may_propose else started
    return f"idle      {driver.engine.slots - busy} of {driver.engine.slots} workers: {why}"


def _waiting(driver: Driver) -> str:
    """How many candidates are paused at each rung."""
    counts = Counter(len(candidate.curve) for candidate in driver.paused.values())
    at = ", ".join(f"{count} at epoch {epoch}" for epoch, count in sorted(counts.items()))
    return f"paused    {at}" if at else ""


def _below(driver: Driver, trials: SearchTrials, width: int, lines: int) -> list[RenderableType]:
    """The latest events and, if there is room, a chart of the best accuracy so far."""
    if lines < 2:
        return []
    now = driver.clock()
    latest = [*driver.events.latest][:-lines:-1]
    events = [_line(f"{duration(now - when):>8} ago  {short_line(event, kind(driver))}") for when, event in latest]
    happened = Group(_line("what happened last", "bold"), *events) if events else Group()
    if width < WIDE or lines < 4 or not trials.history:
        return [happened] if events else []
    half = width // 2 - 2
    bars = chart(trials.history, width=half - _CHART_LABEL, height=lines - 1)
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(width=half)
    grid.add_row(happened, Group(_line("the best epoch so far, by epochs trained", "bold"), *map(_line, bars)))
    return [grid]
