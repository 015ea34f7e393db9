"""Progress of a running search's candidates, and forecasts of its next steps from measured speeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.search.halving import mean_epochs
from nas.search.pace import StepTimes, read_steps

if TYPE_CHECKING:
    from nas.search.candidate import Candidate
    from nas.search.driver import Driver

_SLACK_SECONDS = 1.5
"""Delay after which a driver may notice the end of an epoch."""


@dataclass(frozen=True, kw_only=True)
class Under:
    """Progress of a candidate that is training."""

    trained: float
    """Epochs done; the running one counts by its batches, or else by the duration of the last one."""
    until: int
    """The epoch at its next rung."""
    waited: float
    """Seconds since its epoch began, or since it was given to a worker."""
    batches: tuple[int, int] | None
    """(batches done, batches in all); None where unknown."""
    epoch_seconds: float | None
    """Seconds per epoch: of the last one, or extrapolated from the batches of the first."""
    images_per_second: float | None

    @property
    def to_rung(self) -> float | None:
        """Seconds until its next rung."""
        return None if self.epoch_seconds is None else max(self.until - self.trained, 0.0) * self.epoch_seconds


def under(candidate: Candidate, driver: Driver) -> Under:
    """The progress of a candidate that has a worker."""
    waited = max(driver.clock() - candidate.epoch_started, 0.0)
    steps, last = read_steps(candidate.folder), candidate.curve[-1] if candidate.curve else None
    if steps is not None and steps.before + steps.since > waited + _SLACK_SECONDS:
        steps = None  # of the epoch before
    seconds = last["seconds"] if last else steps.epoch_seconds if steps else None
    share = steps.done / steps.total if steps else waited / seconds if seconds else 0.0
    return Under(
        trained=len(candidate.curve) + min(share, 0.99),
        until=driver.pool.halving.until(len(candidate.curve)),
        waited=waited,
        batches=(steps.done, steps.total) if steps else None,
        epoch_seconds=seconds,
        images_per_second=_speed(steps, last, driver),
    )


def _speed(steps: StepTimes | None, last: dict[str, float] | None, driver: Driver) -> float | None:
    """Speed from the running epoch's batches after the first; otherwise from the last epoch including evaluation."""
    if steps is not None and steps.since > 0 and driver.recipe is not None:
        return min(driver.recipe.batch_size, len(driver.feed.labels)) * (steps.done - 1) / steps.since
    if last is not None and last["seconds"] and "images" in last:
        return last["images"] / last["seconds"]
    return None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Measured speed of all training candidates, and forecasts for the search; None where not known yet."""

    epoch_seconds: float | None
    images_per_second: float | None
    """Total over all workers."""
    to_rung: float | None
    """Seconds until the first candidate reaches its rung."""
    to_end: float | None
    """Seconds until every trial of the budget has ended, if the expected share passes each rung.

    No less than a candidate under training needs to its rung and, until a trial is complete, the one that is furthest
    needs to the end: the best at a rung is promoted.
    """


def forecast(running: Sequence[Under], driver: Driver, epochs: int, *, has_complete: bool) -> Forecast:
    """The forecast for a search that has trained ``epochs`` in total; ``has_complete``: one trial to the end."""
    seconds = [one.epoch_seconds for one in running if one.epoch_seconds is not None]
    speeds = [one.images_per_second for one in running if one.images_per_second is not None]
    rungs = [one.to_rung for one in running if one.to_rung is not None]
    mean = statistics.fmean(seconds) if seconds else driver.pace.epoch_seconds if driver.pace else None
    to_end = None
    if mean is not None:
        shared = _epochs_left(running, driver, epochs) * mean / max(driver.engine.slots, 1)
        furthest = 0.0 if has_complete else _epochs_of_the_furthest(running, driver) * mean
        to_end = max([shared, furthest, *rungs])
    return Forecast(
        epoch_seconds=mean,
        images_per_second=math.fsum(speeds) if speeds else None,
        to_rung=min(rungs, default=None),
        to_end=to_end,
    )


def _epochs_of_the_furthest(running: Sequence[Under], driver: Driver) -> float:
    """Epochs that the candidate with the most epochs has left to the end; they are trained one after another."""
    paused = [float(len(candidate.curve)) for candidate in driver.paused.values()]
    return driver.budget.epochs - max([one.trained for one in running] + paused, default=0.0)


def _epochs_left(running: Sequence[Under], driver: Driver, epochs: int) -> float:
    """Expected epochs of the whole search minus ``epochs``; at least those of the trials not started yet."""
    whole = driver.budget.epochs
    of_a_trial = whole if driver.network is not None else mean_epochs(whole, driver.budget.first_rung)
    started = math.fsum(one.trained % 1 for one in running)
    to_come = max(driver.budget.trials - driver.proposals.count, 0)
    to_rungs = math.fsum(max(one.until - one.trained, 0.0) for one in running)
    return max(driver.budget.trials * of_a_trial - epochs - started, to_come * of_a_trial + to_rungs)
