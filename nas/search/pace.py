"""Measures how long an epoch takes (an unfinished one is extrapolated), and what the time limit then allows."""

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
from nas.search.halving import FIRST_RUNG, mean_epochs, rungs
from nas.search.study import MALFORMED

STEPS = "steps.json"
"""File in a training candidate's folder with its StepTimes."""
WRITE_SECONDS = 1.0
"""Least time between two writes of STEPS, and between the first step and the first write."""
PATIENCE_SECONDS = 30.0
"""How long to wait for a first finished epoch before extrapolating from the steps done so far."""
PATIENCE_SHARE = 0.25
"""The same as a share of the launch's time limit, where that is less."""


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Progress of an epoch: ``done`` of ``total`` steps, with at least two done.

    ``before`` are the seconds until the first step was done, which include making its images; ``since`` are the seconds
    of the other steps.
    """

    done: int
    total: int
    before: float
    since: float

    @property
    def epoch_seconds(self) -> float:
        """Seconds of the whole epoch if its remaining steps take as long; without the evaluation at its end."""
        return self.before + self.since / (self.done - 1) * (self.total - 1)


class StepTimesFile:
    """Updates STEPS in a folder at most once per WRITE_SECONDS; write errors are ignored."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Start timing an epoch."""
        self._folder, self._clock = folder, clock
        self.begin()

    def begin(self) -> None:
        """Start timing the next epoch."""
        self._began = self._first = self._written = self._clock()

    def step(self, done: int, total: int) -> None:
        """Record that ``done`` of ``total`` steps are done."""
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
    """The progress of the candidate in ``folder`` in its epoch; None where there is no readable file."""
    try:
        steps = StepTimes(**json.loads((folder / STEPS).read_text(encoding="utf-8")))
        return steps if steps.epoch_seconds > 0 else None
    except (OSError, ZeroDivisionError, *MALFORMED):
        return None


def forget_steps(folder: Path) -> None:
    """Remove the STEPS file that an ended or killed training left."""
    with suppress(OSError):
        (folder / STEPS).unlink()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The measured duration of an epoch, and what ``workers`` can train at that pace in the ``seconds`` left.

    ``budget`` is the epoch budget of a candidate.
    """

    epoch_seconds: float
    seconds: float
    workers: int
    budget: int
    first_rung: int = FIRST_RUNG

    @property
    def epochs(self) -> int:
        """Total epochs that there is time for."""
        return int(self.workers * self.seconds / self.epoch_seconds)

    @property
    def full(self) -> int:
        """Candidates that could be trained for their full budget."""
        return self.workers * (self.epochs_in_a_row // self.budget)

    @property
    def has_rungs(self) -> bool:
        """Whether halving stops any candidate before the full budget."""
        return len(rungs(self.budget, self.first_rung)) > 1

    @property
    def halved(self) -> int:
        """Candidates that could be trained where half of them stop at every rung."""
        return int(self.epochs / mean_epochs(self.budget, self.first_rung))

    @property
    def epochs_in_a_row(self) -> int:
        """Epochs of one candidate that there is time for: it is trained by one worker at a time."""
        return int(self.seconds / self.epoch_seconds)

    def limit(self, epochs: int, spent: float) -> str:
        """The ``--timeout`` value that lets one candidate train ``epochs``.

        ``spent`` are the seconds of the launch so far. Includes a margin of a tenth, and is rounded up.
        """
        return as_duration(1.1 * epochs * self.epoch_seconds + spent)


def as_duration(seconds: float) -> str:
    """The seconds, rounded up, in the format of ``--timeout``: ``95s``, ``12m``, ``3h``."""
    for unit, size, most in (("s", 1, 120), ("m", 60, 180)):
        if seconds <= most * size:
            return f"{max(1, math.ceil(seconds / size))}{unit}"
    return f"{math.ceil(seconds / 3600)}h"


def patience(limit: float) -> float:
    """Seconds to wait for a first finished epoch before extrapolating from steps, in a launch of ``limit`` seconds."""
    return min(PATIENCE_SECONDS, PATIENCE_SHARE * limit)


def too_short(pace: Pace | None, spent: float) -> str:
    """The message for a launch whose limit ended it after ``spent`` seconds, before its first epoch was finished."""
    if pace is None:
        return "before the first epoch was finished: give a longer --timeout"
    first = pace.epoch_seconds
    takes = f"about {first:.0f}s" if first >= 10 else f"about {first:.2g}s"
    return (
        f"before the first epoch was finished: an epoch takes {takes} here: give --timeout {pace.limit(1, spent)} or "
        f"longer, {pace.limit(pace.budget, spent)} for all {pace.budget} epochs of one candidate"
    )


class EpochTimes:
    """The durations of a launch's epochs."""

    def __init__(self) -> None:
        """Start without any finished epoch."""
        self._finished: dict[int, float] = {}

    def __bool__(self) -> bool:
        """Whether an epoch is finished."""
        return bool(self._finished)

    def add(self, number: int, seconds: float) -> None:
        """Record a finished epoch of trial ``number``."""
        self._finished[number] = seconds

    def mean(self, training: Mapping[int, Path], *, is_patient: bool = False) -> float | None:
        """Mean seconds of an epoch over the trials; None while unknown.

        A trial in ``training`` (number -> folder) without a finished epoch is extrapolated from the steps of its first
        one; if ``is_patient``, only once some epoch is finished.
        """
        if not self._finished and is_patient:
            return None
        first = [folder for number, folder in training.items() if number not in self._finished]
        estimates = [steps.epoch_seconds for folder in first if (steps := read_steps(folder))]
        seconds = [*self._finished.values(), *estimates]
        return statistics.fmean(seconds) if seconds else None
