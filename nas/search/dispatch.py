"""Sends candidates to workers, stores their results in the study, and decides what happens to them next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from constraints.errors import ConstraintError, KilledError, ModelFailedError, with_type
from nas.search.budget import Budget
from nas.search.candidate import Candidate, State
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.pace import EpochTimes, Pace, forget_steps
from nas.search.pool import Pool
from nas.search.study_folder import is_beginning
from nas.search.worker import Outcome, Task, read_progress, train_candidate
from nas.training.errors import SharedFaultError
from nas.training.tuning import tuned

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe

LOOK_SECONDS = 1.0
"""Time between reads of the workers' progress."""


@dataclass(kw_only=True)
class Dispatch:
    """Sends candidates to the workers of a launch, and stores and decides on what they have trained."""

    pool: Pool
    engine: Engine
    feed: Feed
    budget: Budget
    seed: int
    recipe: Recipe | None
    may_widen: bool
    """Whether a candidate may get the cores that no other one needs."""
    notes: list[str]
    clock: Callable[[], float]
    completed: Callable[[Candidate], None]
    """Called with every candidate that was trained to the end, after its result is stored."""
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    """CPU class -> the precision that ``auto`` means on it."""
    errors: dict[int, ConstraintError] = field(default_factory=dict)
    """The error that ended a training, by trial number."""
    times: EpochTimes = field(default_factory=EpochTimes)
    _looked: float = 0.0

    @property
    def running(self) -> list[Candidate]:
        """The candidates that have a worker."""
        return self.pool.of(State.TRAINING)

    @property
    def futures(self) -> list[Future[Outcome]]:
        """The results that the driver waits for."""
        return [candidate.future for candidate in self.running if candidate.future is not None]

    def send_all(self) -> None:
        """Send every candidate that has a slot, and no worker yet, to a worker."""
        for candidate in self.running:
            if candidate.future is None:  # newly started, or an outage interrupted an earlier call
                self.send(candidate, threads=self._free_threads(candidate))

    def send(self, candidate: Candidate, threads: int | None = None) -> None:
        """Send a candidate to a worker until its next rung."""
        task = Task(
            architecture=str(candidate.architecture),
            given=candidate.given,
            feed=self.feed if candidate.seed is None else replace(self.feed, seed=candidate.seed),
            epochs=self.budget.epochs,
            until=self.pool.halving.until(len(candidate.curve)),
            seed=self.seed if candidate.seed is None else candidate.seed,
            folder=candidate.folder,
            recipe=self.recipe and tuned(self.recipe, candidate.trial.params),
            precisions=self.precisions,
            threads=threads,
        )
        forget_steps(candidate.folder)
        candidate.epoch_started = self.clock()
        candidate.future = self.engine.submit(train_candidate, task)

    def _free_threads(self, candidate: Candidate) -> int | None:
        """Threads of a candidate that also gets the cores of idle workers; its trial then says so.

        None means its worker's own threads. Another number of threads adds floats in another order, so trainings of
        given networks, which must be reproducible, get no extra cores.
        """
        if len(self.running) >= self.engine.slots or not self.may_widen:
            return None
        threads = self.engine.threads(len(self.running))
        said = f"from epoch {len(candidate.curve) + 1} on with {threads} threads: no other candidate for the free cores"
        self.pool.store.add_why(candidate.trial, said if threads > self.engine.threads(self.engine.slots) else "")
        return threads

    def collect(self) -> bool:
        """Store what the workers have trained since; returns whether unfinished candidates were read, too."""
        if is_time_to_look := self.clock() - self._looked >= LOOK_SECONDS:
            self._looked = self.clock()
        for candidate in self.running:
            if candidate.future is not None and candidate.future.done():
                self._settle(candidate, candidate.future)
            elif is_time_to_look:
                self._report(candidate, read_progress(candidate.folder))
        return is_time_to_look

    def pace(self, seconds_left: float, *, is_patient: bool) -> Pace | None:
        """How long an epoch takes; None while that is not known yet (``EpochTimes.mean``)."""
        training = {candidate.trial.number: candidate.folder for candidate in self.running}
        seconds = self.times.mean(training, is_patient=is_patient)
        if not seconds:
            return None
        return Pace(
            epoch_seconds=seconds,
            seconds=seconds_left,
            workers=self.engine.slots,
            budget=self.budget.epochs,
            first_rung=self.budget.first_rung,
        )

    def _settle(self, candidate: Candidate, future: Future[Outcome]) -> None:
        """Handle a candidate whose worker has finished its task."""
        try:
            outcome = future.result()
        except BrokenProcessPool:
            self._retry(candidate)
        except OSError as error:
            self.pool.set_aside(candidate, error)
        except SharedFaultError:
            raise  # it would stop every candidate: none of them has failed by itself
        except KilledError as error:
            self._retry(candidate, error)
        except ConstraintError as error:
            self.errors[candidate.trial.number] = error
            self.pool.fail(candidate, str(error))
        except Exception as error:
            self.pool.fail(candidate, with_type(error))
        else:
            self.pool.refusals = 0
            if not is_beginning(outcome.curve, candidate.curve):  # what it had trained could not be continued
                candidate.reported, candidate.curve = len(candidate.curve), []
                trial = candidate.trial.number
                self.notes.append(f"trial {trial} was trained from scratch: its checkpoint was not there")
            self._report(candidate, outcome.curve)
            self._decide(candidate, outcome)

    def _retry(self, candidate: Candidate, error: ConstraintError | None = None) -> None:
        """Train a candidate again after its worker died, until it has died MAX_DEATHS times."""
        candidate.deaths += 1
        if candidate.deaths >= MAX_DEATHS:
            reason = f"its worker died {candidate.deaths} times"
            self.errors[candidate.trial.number] = error or ModelFailedError(reason)
            self.pool.fail(candidate, f"{reason}: {error}" if error else reason)
        else:
            self.send(candidate)

    def _report(self, candidate: Candidate, curve: Sequence[dict[str, Any]]) -> None:
        """Store the epochs that are not in the study yet."""
        for epoch in curve[len(candidate.curve) :]:
            candidate.epoch_started = self.clock()
            self.pool.add_epoch(candidate, epoch)
            self.times.add(candidate.trial.number, epoch["seconds"])

    def _decide(self, candidate: Candidate, outcome: Outcome) -> None:
        """End a candidate that failed or is trained to the end; pause any other one at its rung."""
        if outcome.reason:
            self.pool.fail(candidate, outcome.reason)
        elif len(candidate.curve) >= self.budget.epochs:
            self.pool.complete(candidate)
            self.completed(candidate)
        else:
            self.pool.pause(candidate)
