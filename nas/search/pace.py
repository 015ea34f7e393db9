"""How long an epoch takes here, and what the time limit then allows; an unfinished one is estimated by its steps."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nas import atomic
from nas.search.halving import FIRST_RUNG, mean_epochs

STEPS = "steps.json"
"""File of a candidate's folder while it trains: its StepTimes."""
WRITE_SECONDS = 1.0
"""Least time between two writes of it, and between the first step and the first write: fewer steps say little."""
PATIENCE_SECONDS = 30.0
"""How long a first finished epoch is waited for before the steps done so far are used in its place."""
PATIENCE_SHARE = 0.25
"""The same as a share of the launch's time limit, where that is less."""


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """How far an epoch is: ``done`` of ``total`` steps, at least two of them.

    ``before`` are the seconds until its first step was done: its images are made in them, and the first step is slower
    than the others. ``since`` are those of the others.
    """

    done: int
    total: int
    before: float
    since: float

    @property
    def epoch_seconds(self) -> float:
        """What the whole epoch takes if its other steps take as long; without the evaluation at its end."""
        return self.before + self.since / (self.done - 1) * (self.total - 1)


class StepTimesFile:
    """Keeps STEPS in a folder up to date, at most once in WRITE_SECONDS; where it cannot be written, nothing is."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """An epoch begins."""
        self._folder, self._clock = folder, clock
        self.begin()

    def begin(self) -> None:
        """Another epoch begins."""
        self._began = self._first = self._written = self._clock()

    def step(self, done: int, total: int) -> None:
        """A step is done, so that ``done`` of ``total`` are."""
        now = self._clock()
        if done == 1:
            self._first = self._written = now
        elif now - self._written >= WRITE_SECONDS:
            self._written = now
            self._write(StepTimes(done=done, total=total, before=self._first - self._began, since=now - self._first))

    def _write(self, steps: StepTimes) -> None:
        with suppress(OSError):
            atomic.write(self._folder / STEPS, json.dumps(asdict(steps)))


def read_steps(folder: Path) -> StepTimes | None:
    """How far the candidate in ``folder`` is in its epoch; None where there is no file, or none that can be read."""
    try:
        steps = StepTimes(**json.loads((folder / STEPS).read_text(encoding="utf-8")))
        return steps if steps.epoch_seconds > 0 else None
    except (OSError, ValueError, TypeError, ZeroDivisionError):
        return None


def forget_steps(folder: Path) -> None:
    """Remove what a training that ended, or was killed, left of its steps."""
    with suppress(OSError):
        (folder / STEPS).unlink()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What an epoch was measured to take, and what ``workers`` train at that pace in the ``seconds`` that are left.

    A candidate's whole budget is ``budget`` epochs.
    """

    epoch_seconds: float
    seconds: float
    workers: int
    budget: int
    first_rung: int = FIRST_RUNG

    @property
    def epochs(self) -> int:
        """Epochs that there is time for."""
        return int(self.workers * self.seconds / self.epoch_seconds)

    @property
    def full(self) -> int:
        """Candidates that could be trained for their whole budget."""
        return self.workers * (self.epochs_in_a_row // self.budget)

    @property
    def halved(self) -> int:
        """Candidates that could be trained where at every rung half of them goes no further."""
        return int(self.epochs / mean_epochs(self.budget, self.first_rung))

    @property
    def epochs_in_a_row(self) -> int:
        """Epochs of one candidate that there is time for: it is trained by one worker at a time."""
        return int(self.seconds / self.epoch_seconds)

    def limit(self, epochs: int, spent: float) -> str:
        """A time limit that lets one candidate train so many epochs, as ``--timeout`` takes it.

        ``spent`` are the seconds of the launch that are over. A tenth more than the epochs take, and rounded up.
        """
        return as_duration(1.1 * epochs * self.epoch_seconds + spent)


def as_duration(seconds: float) -> str:
    """At least so many seconds as ``--timeout`` takes them: ``95s``, ``12m``, ``3h``."""
    for unit, size, most in (("s", 1, 120), ("m", 60, 180)):
        if seconds <= most * size:
            return f"{max(1, math.ceil(seconds / size))}{unit}"
    return f"{math.ceil(seconds / 3600)}h"


def patience(limit: float) -> float:
    """Seconds for which a launch of ``limit`` seconds waits for its first finished epoch before it counts steps."""
    return min(PATIENCE_SECONDS, PATIENCE_SHARE * limit)


def too_short(pace: Pace | None, spent: float) -> str:
    """What is said of a launch that its limit ended after ``spent`` seconds, before its first epoch was finished."""
    if pace is None:
        return "before the first epoch was finished: give a longer --timeout"
    first = pace.epoch_seconds
    takes = f"about {first:.0f}s" if first >= 10 else f"about {first:.2g}s"
    return (
        f"before the first epoch was finished: an epoch takes {takes} here: give --timeout {pace.limit(1, spent)} or "
        f"longer, {pace.limit(pace.budget, spent)} for all {pace.budget} epochs of one candidate"
    )


class EpochTimes:
    """The seconds that the epochs of a launch take."""

    def __init__(self) -> None:
        """No epoch is finished yet."""
        self._finished: dict[int, float] = {}

    def __bool__(self) -> bool:
        """Whether an epoch is finished."""
        return bool(self._finished)

    def add(self, number: int, seconds: float) -> None:
        """An epoch of trial ``number`` is finished."""
        self._finished[number] = seconds

    def mean(self, training: Mapping[int, Path], *, is_patient: bool = False) -> float | None:
        """Seconds of an epoch, on average over the trials; None where they are not known yet.

        A trial in ``training`` (number -> folder) without a finished epoch counts by the steps of its first one;
        where the caller ``is_patient``, only once an epoch is finished.
        """
        if not self._finished and is_patient:
            return None
        first = [folder for number, folder in training.items() if number not in self._finished]
        estimates = [steps.epoch_seconds for folder in first if (steps := read_steps(folder))]
        seconds = [*self._finished.values(), *estimates]
        return statistics.fmean(seconds) if seconds else None
