"""The search loop: every free worker gets a candidate, and every finished one is judged, until a budget is spent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial

from constraints.errors import ConstraintError, KilledError, ModelFailedError
from nas.architecture.spec import Architecture
from nas.cpu import cpu_class
from nas.search.budget import Budget, Summary
from nas.search.candidate import Candidate, State
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.expectation import expectation
from nas.search.finish import Finish, Goal, Step, is_any_over
from nas.search.given_proposals import GivenProposals, Network
from nas.search.halving import Halving, rungs
from nas.search.objectives import Objectives
from nas.search.outage import outlast
from nas.search.pace import EpochTimes, Pace, forget_steps, patience, too_short
from nas.search.pool import BELOW, Pool
from nas.search.proposals import Proposals
from nas.search.study import VALIDATION_IMAGES, accuracy
from nas.search.study_folder import is_beginning
from nas.search.tracked_store import TrackedStore
from nas.search.trial_store import TrialStore, best_accuracy, counts, is_finished
from nas.search.worker import Outcome, Task, read_progress, train_candidate
from nas.space.sampler import FeasibleSampler
from nas.training.errors import SharedFaultError
from nas.training.tuning import tuned

if TYPE_CHECKING:
    from nas.loggers.trackers import Trackers
    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe

TICK_SECONDS = 0.25
LOOK_SECONDS = 1.0
"""Time between reads of what the workers have trained."""
EVENTS = 100
"""How many of the last events are kept for who looks on."""


@dataclass(kw_only=True)
class Driver:
    """One launch of a search on a study; the only writer of its trials."""

    study: optuna.Study
    sampler: FeasibleSampler
    engine: Engine
    feed: Feed
    budget: Budget
    folder: Path
    seed: int = 0
    recipe: Recipe | None = None
    """That of every candidate; None is the default one for the budget's epochs."""
    objectives: Objectives = field(default_factory=Objectives)
    measure: Callable[[Architecture], Mapping[str, float]] = lambda architecture: {}
    """The metrics of a network that are measured before it trains, by name."""
    observe: Callable[[Driver], None] = lambda driver: None
    hold: Callable[[], None] = lambda: None
    """Called before anything is written: raises where the study is no longer this driver's."""
    precisions: Callable[[], Mapping[str, Precision]] = dict
    """Called once, before the first training: CPU class -> what the precision ``auto`` is there."""
    trackers: Trackers | None = None
    """Where epochs and ends are logged beside the study."""
    machine: str = field(default_factory=cpu_class)
    """What trains, in words."""
    clock: Callable[[], float] = time.monotonic
    pace: Pace | None = None
    """How long an epoch takes in this launch; None until that is known."""
    best: float | None = None
    earlier: list[FrozenTrial] = field(default_factory=list)
    """Trials that ended before this launch."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of and no trial's state says, one line each."""
    network: Network | None = None
    """What a person gave to be trained to the end, instead of a search; ``seeds`` says how often."""
    seeds: Sequence[int] = ()
    goal: Goal | None = None
    """The confirmed networks that the search ends at; None for one that confirms nothing itself."""
    errors: dict[int, ConstraintError] = field(default_factory=dict)
    """What ended the training of a given network, by the number of its trial."""
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    """What happened to candidates last, the newest at the end: the time by ``clock``, and a line."""

    def __post_init__(self) -> None:
        """The time of the launch begins."""
        self.started = self.clock()
        self.store = TrackedStore(self.study, self.trackers) if self.trackers else TrialStore(self.study)
        epochs = self.budget.epochs
        levels = rungs(epochs, self.budget.first_rung) if self.network is None else [epochs]
        halving = Halving(levels, self.objectives)
        self.pool = Pool(store=self.store, halving=halving, objectives=self.objectives, happened=self.happened)
        self.proposals = self._source()
        self.finish = None if self.goal is None else self._finish(self.goal)
        self._times = EpochTimes()
        self._looked = 0.0
        self._is_another_complete = True
        self._is_confirmed_over = False
        self._agreed: Mapping[str, Precision] | None = None

    def _finish(self, goal: Goal) -> Finish:
        """What has networks confirmed before the search ends."""
        return Finish(
            goal=goal,
            pool=self.pool,
            engine=self.engine,
            budget=self.budget,
            folder=self.folder,
            notes=self.notes,
        )

    def _source(self) -> Proposals:
        """What makes candidates: the sampler's proposals, or the network that was given."""
        if self.network is None:
            return Proposals(store=self.store, folder=self.folder, notes=self.notes, measure=self.measure)
        seeds = deque(self.seeds)
        return GivenProposals(store=self.store, folder=self.folder, notes=self.notes, network=self.network, seeds=seeds)

    def run(self) -> Summary:
        """Search until a budget is spent; on KeyboardInterrupt the workers end and everything finished is kept."""
        self.hold()
        self._take_up()
        ended: str | None = None
        try:
            while ended is None:
                try:
                    self.hold()
                    ended = self._turn()
                except Exception as error:
                    outlast(error, self._resume, notes=self.notes, clock=self.clock)
                self.observe(self)
        finally:
            self.engine.shutdown()
            if self.trackers:
                self.trackers.close()
        unfinished = len(self.pool.members) + len(self.proposals.leftover)
        return Summary(ended=ended, unfinished=unfinished, best=self.best, reached=self._reached())

    def happened(self, event: str) -> None:
        """Keep a line of what has just happened, for who looks on."""
        self.events.append((self.clock(), event))

    @property
    def running(self) -> list[Candidate]:
        """The candidates that have a worker."""
        return self.pool.of(State.TRAINING)

    @property
    def paused(self) -> dict[int, Candidate]:
        """The candidates that wait at a rung, by the number of their trial."""
        return {candidate.trial.number: candidate for candidate in self.pool.of(State.PAUSED)}

    @property
    def seconds_left(self) -> float:
        """Seconds until the launch's time is spent."""
        return self.budget.seconds - (self.clock() - self.started)

    @property
    def rejected(self) -> dict[str, int]:
        """Proposals rejected in the whole study, by rule."""
        return self.proposals.rejected(self.sampler)

    @property
    def _may_propose(self) -> bool:
        return self.proposals.count < self.budget.trials

    def _reached(self) -> bool:
        if self.finish:
            return bool(self.finish.over)
        return self._is_confirmed_over or self.budget.is_target_met(self.best)

    def _is_expected_over_target(self) -> bool:
        """Whether the best complete trial is expected over the target on new images too, and not only was lucky once.

        Judged anew where another trial is complete, by the images that the study says each accuracy is over; where it
        says none, one over the target is enough. A note says why the search continues.
        """
        assert self.budget.target is not None
        if not self._is_another_complete:
            return False
        self._is_another_complete = False
        images = self.study.user_attrs.get(VALIDATION_IMAGES, 0)
        if not images:
            return True
        measured = {t.number: accuracy(t) or 0.0 for t in self.store.trials() if counts(t) and not is_finished(t)}
        best = max(measured, key=lambda number: (measured[number], -number))
        others = [value for number, value in measured.items() if number != best]
        found = expectation(
            best, measured[best], others, images=images, target=self.budget.target, measure=self.objectives.measure
        )
        if found.centre > self.budget.target:
            return True
        self.notes.append(f"{found.sentence(self.budget.target)}: the search continues")
        return False

    def _turn(self) -> str | None:
        """Do what there is to do now; why the search ends, where it does."""
        if met := self._met():
            self.pool.prune_all("the search met its target")
            return met
        if self.seconds_left <= 0:
            return self._out_of_time()
        if self._agreed is None and self._may_train():
            self._agreed = self.precisions()
        self._fill()
        if not self.running and not self._is_confirming():
            self.pool.prune_all(BELOW)
            return self.proposals.exhausted or "every trial of the budget is done"
        self._collect()
        return None

    def _may_train(self) -> bool:
        """Whether there may be something to train, be it a network to confirm."""
        return bool(self.pool.members or self.proposals.leftover or self._may_propose or self.finish)

    def _met(self) -> str | None:
        """How the search ended where it is to end at its target, and is there."""
        if self.finish:
            return self.finish.ended()
        if not (self.budget.stop_at_target and self._reached()):
            return None
        return "the target is met" if self._is_confirmed_over or self._is_expected_over_target() else None

    def _is_confirming(self) -> bool:
        """Whether a network is being confirmed, the best one where nothing else is left to do."""
        return self.finish is not None and (self.finish.job is not None or self.finish.begin_last())

    def _take_up(self) -> None:
        """Read what earlier launches did, and what they left undone."""
        self.proposals.rejected_before = self.store.rejected()
        trials = self.store.trials()
        self.earlier = [t for t in trials if t.state.is_finished()]
        self.pool.take_up(trials)
        self._survey(trials)

    def _survey(self, trials: Sequence[FrozenTrial]) -> None:
        """Count what the study holds, and pause the candidates that an earlier launch left at a rung."""
        if self.finish and self.finish.ends_due():
            trials = self.store.trials()
        self.best = best_accuracy(trials)
        target = self.budget.target
        self._is_confirmed_over = target is not None and is_any_over(self.study, trials, target)
        for candidate in self.proposals.survey(trials, self.pool.members, self.pool.halving.levels):
            self.pool.move(candidate, State.PAUSED)
        if self.finish:
            self.finish.survey(trials)

    def _resume(self) -> None:
        """Continue from what the study holds; an error where the storage is still out of reach."""
        self.observe(self)
        self.hold()
        trials = self.store.trials()
        self.pool.reconcile(trials)
        self._survey(trials)

    def _fill(self) -> None:
        """Give every free worker a candidate."""
        while len(self.running) < self.engine.slots and (candidate := self._next()):
            self.happened(_beginning(candidate))
            self.pool.move(candidate, State.TRAINING)
        for candidate in self.running:
            if candidate.future is None:  # since just now, or since an outage in the midst of this
                self._train(candidate, threads=self._free_threads(candidate))

    def _free_threads(self, candidate: Candidate) -> int | None:
        """Threads of a candidate that has no other one beside it for a free worker, as its trial then says.

        None are those of its worker. Other threads add in another order, so that trainings of given networks, which are
        to repeat, get none of the free cores.
        """
        if len(self.running) >= self.engine.slots or self.network is not None:
            return None
        threads = self.engine.threads(len(self.running))
        said = f"from epoch {len(candidate.curve) + 1} on with {threads} threads: no other candidate for the free cores"
        self.store.add_why(candidate.trial, said if threads > self.engine.threads(self.engine.slots) else "")
        return threads

    def _next(self) -> Candidate | None:
        """The candidate that a free worker trains; None where there is none, or none now."""
        if self.finish is None:
            return self._usual()
        self.finish.precisions = self._agreed or {}
        may_begin = bool(self.proposals.leftover) or (self._may_propose and not self.proposals.exhausted)
        step = self.finish.step(may_begin=may_begin, seconds_left=self.seconds_left)
        if step is Step.BEGIN:
            if (begun := self._usual(is_promoting=False)) is not None:
                return begun
            step = self.finish.step(may_begin=False, seconds_left=self.seconds_left)
        if isinstance(step, Step):
            return self._usual() if step is Step.SEARCH else None
        return step

    def _usual(self, *, is_promoting: bool = True) -> Candidate | None:
        """First trials an earlier launch left RUNNING, then the queue, promotions and new proposals, if any.

        A candidate that was set aside comes before promotions once files are written again, until then after proposals.
        """
        if self.proposals.leftover:
            found = self.proposals.next_leftover(self.sampler)
        else:
            found = None if self.pool.refusals else self.pool.taken_back()
            if found is None and self._may_propose:
                found = self.proposals.waiting(self.sampler)
            if found is None and is_promoting:
                found = self.pool.promoted(is_last=False)
            if found is None and self._may_propose:
                found = self.proposals.new(self.sampler)
        found = found or self.pool.taken_back()
        return self.pool.promoted(is_last=True) if found is None and is_promoting else found

    def _train(self, candidate: Candidate, threads: int | None = None) -> None:
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
            precisions=self._agreed or {},
            threads=threads,
        )
        forget_steps(candidate.folder)
        candidate.epoch_started = self.clock()
        candidate.future = self.engine.submit(train_candidate, task)

    def _collect(self) -> None:
        """Wait for the workers a moment, and store what they have trained since."""
        futures = [c.future for c in self.running if c.future is not None]
        futures += self.finish.futures if self.finish else []
        self.engine.wait(futures, min(TICK_SECONDS, max(self.seconds_left, 0)))
        if is_time_to_look := self.clock() - self._looked >= LOOK_SECONDS:
            self._looked = self.clock()
        for candidate in self.running:
            if candidate.future is not None and candidate.future.done():
                self._settle(candidate, candidate.future)
            elif is_time_to_look:
                self._report(candidate, read_progress(candidate.folder))
        if self.finish:
            self.finish.collect()
        if self.pace is None and (is_time_to_look or self._times):
            waited = self.clock() - self.started
            self.pace = self._measured_pace(is_patient=waited < patience(self.budget.seconds))

    def _measured_pace(self, *, is_patient: bool) -> Pace | None:
        training = {candidate.trial.number: candidate.folder for candidate in self.running}
        seconds = self._times.mean(training, is_patient=is_patient)
        if not seconds:
            return None
        left, workers = self.seconds_left, self.engine.slots
        budget = self.budget
        return Pace(
            epoch_seconds=seconds, seconds=left, workers=workers, budget=budget.epochs, first_rung=budget.first_rung
        )

    def _out_of_time(self) -> str:
        """How a launch ended whose time is spent; what would have been enough, where it was too short for an epoch."""
        if self.finish and self.finish.job:
            return f"the time is spent in the middle of the confirmation of trial {self.finish.job.trial}"
        if self._times or not self.running:
            return "the time is spent"
        pace, spent = self._measured_pace(is_patient=False), self.clock() - self.started
        return f"the time was spent {too_short(pace, spent)}"

    def _settle(self, candidate: Candidate, future: Future[Outcome]) -> None:
        """Decide on a candidate whose worker is done with it."""
        try:
            outcome = future.result()
        except BrokenProcessPool:
            self._retry(candidate)
        except OSError as error:
            self.pool.set_aside(candidate, error)
        except SharedFaultError:
            raise  # every candidate, or every one that an earlier launch began, meets it: none of them has failed
        except KilledError as error:
            self._retry(candidate, error)
        except ConstraintError as error:
            self.errors[candidate.trial.number] = error
            self.pool.fail(candidate, str(error))
        except Exception as error:
            self.pool.fail(candidate, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        else:
            self.pool.refusals = 0
            if not is_beginning(outcome.curve, candidate.curve):  # what it had trained could not be continued
                candidate.reported, candidate.curve = len(candidate.curve), []
                self.notes.append(f"trial {candidate.trial.number} was trained anew: its checkpoint was not there")
            self._report(candidate, outcome.curve)
            self._decide(candidate, outcome)

    def _retry(self, candidate: Candidate, error: ConstraintError | None = None) -> None:
        """Train a candidate again whose worker died, unless that happens at every try."""
        candidate.deaths += 1
        if candidate.deaths >= MAX_DEATHS:
            reason = f"its worker died {candidate.deaths} times"
            self.errors[candidate.trial.number] = error or ModelFailedError(reason)
            self.pool.fail(candidate, f"{reason}: {error}" if error else reason)
        else:
            self._train(candidate)

    def _report(self, candidate: Candidate, curve: Sequence[dict[str, Any]]) -> None:
        """Store the epochs that the study does not have yet."""
        for epoch in curve[len(candidate.curve) :]:
            candidate.epoch_started = self.clock()
            self.pool.add_epoch(candidate, epoch)
            self._times.add(candidate.trial.number, epoch["seconds"])

    def _decide(self, candidate: Candidate, outcome: Outcome) -> None:
        if outcome.reason:
            self.pool.fail(candidate, outcome.reason)
        elif len(candidate.curve) >= self.budget.epochs:
            self.pool.complete(candidate)
            self._is_another_complete = True
            if self.finish:
                self.finish.completed(candidate)
            self.best = max(self.objectives.score(candidate.curve[-1]), self.best or 0.0)
        else:
            self.pool.pause(candidate)


def _beginning(candidate: Candidate) -> str:
    """What happens to a candidate that gets a worker, by the state that it was in."""
    trained = len(candidate.curve)
    if not trained:
        return f"trial {candidate.trial.number} {'proposed' if candidate.seed is None else 'started'}"
    did = "promoted" if candidate.state is State.PAUSED else "resumed"
    return f"trial {candidate.trial.number} {did} at epoch {trained}"
