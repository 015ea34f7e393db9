"""The search loop: gives each free worker a candidate and handles each result, until a budget is spent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from constraints.errors import ConstraintError
from nas.architecture.spec import Architecture
from nas.cpu import cpu_class
from nas.search.budget import Budget, Goal, LaunchSummary
from nas.search.candidate import Candidate, State
from nas.search.dispatch import Dispatch
from nas.search.engine import Engine
from nas.search.events import Events, What
from nas.search.finalist import Finalist
from nas.search.finish import Finish
from nas.search.given_proposals import GivenProposals, NetworkToTrain
from nas.search.halving import Halving, rungs
from nas.search.next_candidate import NextCandidate
from nas.search.objectives import Objectives
from nas.search.outage import outlast
from nas.search.pace import Pace, patience, too_short
from nas.search.pool import BELOW, Pool
from nas.search.proposals import Proposals
from nas.search.target import SearchTarget
from nas.search.tracked_store import TrackedStore
from nas.search.trial_store import TrialStore
from nas.space.sampler import FeasibleSampler

if TYPE_CHECKING:
    from nas.loggers.trackers import Trackers
    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe

TICK_SECONDS = 0.25


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
    """Used for every candidate; None means the default for the budget's epochs."""
    objectives: Objectives = field(default_factory=Objectives)
    measure: Callable[[Architecture], Mapping[str, float]] = lambda architecture: {}
    """Measures a network before it trains: metric name -> value."""
    observe: Callable[[Driver], None] = lambda driver: None
    hold: Callable[[], None] = lambda: None
    """Called before anything is written: raises where the study is no longer this driver's."""
    precisions: Callable[[], Mapping[str, Precision]] = dict
    """Called once, before the first training: CPU class -> the precision that ``auto`` means on it."""
    trackers: Trackers | None = None
    """Loggers that get epochs and final states in addition to the study."""
    machine: str = field(default_factory=cpu_class)
    """The machine that trains, in words."""
    clock: Callable[[], float] = time.monotonic
    pace: Pace | None = None
    """Seconds of an epoch in this launch; None until known."""
    notes: list[str] = field(default_factory=list)
    """Messages for the user that no trial's state shows, one line each."""
    network: NetworkToTrain | None = None
    """A given network that is trained to the end, once per seed, instead of a search."""
    seeds: Sequence[int] = ()
    goal: Goal | None = None
    """When confirmed networks end the search; None where the search itself confirms nothing."""
    events: Events = field(init=False)
    """What happens to the candidates, in order."""

    def __post_init__(self) -> None:
        """Start the clock of the launch."""
        self.started = self.clock()
        self.events = Events(clock=self._now)
        self.store = TrackedStore(self.study, self.trackers) if self.trackers else TrialStore(self.study)
        epochs = self.budget.epochs
        levels = rungs(epochs, self.budget.first_rung) if self.network is None else [epochs]
        halving = Halving(levels, self.objectives)
        self.pool = Pool(store=self.store, halving=halving, objectives=self.objectives, happened=self.events.add)
        self.proposals = self._source()
        self.finish = None if self.goal is None else self._finish(self.goal)
        self.target = SearchTarget(budget=self.budget, store=self.store, objectives=self.objectives, notes=self.notes)
        self.dispatch = self._dispatch()
        self.next = NextCandidate(
            pool=self.pool,
            proposals=self.proposals,
            sampler=self.sampler,
            trials=self.budget.trials,
            finish=self.finish,
        )
        self._agreed: Mapping[str, Precision] | None = None

    def _source(self) -> Proposals:
        """Makes candidates: the sampler's proposals, or the given network."""
        if self.network is None:
            return Proposals(store=self.store, folder=self.folder, notes=self.notes, measure=self.measure)
        seeds = deque(self.seeds)
        return GivenProposals(store=self.store, folder=self.folder, notes=self.notes, network=self.network, seeds=seeds)

    def _finish(self, goal: Goal) -> Finish:
        """Confirms networks before the search ends."""
        engine, notes = self.engine, self.notes
        finalist = Finalist(goal=goal, pool=self.pool, engine=engine, folder=self.folder, notes=notes)
        return Finish(finalist=finalist, pool=self.pool, engine=engine, budget=self.budget, notes=notes)

    def _dispatch(self) -> Dispatch:
        """Sends candidates to the workers, and stores their results."""
        return Dispatch(
            pool=self.pool,
            engine=self.engine,
            feed=self.feed,
            budget=self.budget,
            seed=self.seed,
            recipe=self.recipe,
            may_widen=self.network is None,
            notes=self.notes,
            clock=self._now,
            completed=self._completed,
        )

    def _show(self) -> None:
        """Let the view look; it takes the new events, which are dropped where there is no view."""
        self.observe(self)
        self.events.take()

    def _now(self) -> float:
        """The time by ``clock``, which may be replaced after construction."""
        return self.clock()

    def run(self) -> LaunchSummary:
        """Search until a budget is spent; KeyboardInterrupt ends the workers and keeps everything finished."""
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
                if ended is not None and self.trackers:
                    self.trackers.say_unused()
                self._show()
        finally:
            self.engine.shutdown()
            if self.trackers:
                self.trackers.close()
        unfinished = len(self.pool.members) + len(self.proposals.leftover)
        return LaunchSummary(ended=ended, unfinished=unfinished, best=self.target.best, reached=self._is_reached())

    @property
    def errors(self) -> Mapping[int, ConstraintError]:
        """Errors that ended trainings of given networks, by trial number."""
        return self.dispatch.errors

    @property
    def running(self) -> list[Candidate]:
        """The candidates that have a worker."""
        return self.pool.of(State.TRAINING)

    @property
    def paused(self) -> dict[int, Candidate]:
        """The candidates that wait at a rung, by trial number."""
        return {candidate.trial.number: candidate for candidate in self.pool.of(State.PAUSED)}

    @property
    def seconds_left(self) -> float:
        """Seconds until the launch's time is spent."""
        return self.budget.seconds - (self.clock() - self.started)

    @property
    def rejected(self) -> dict[str, int]:
        """Proposals rejected in the whole study, by rule."""
        return self.proposals.rejected(self.sampler)

    def _is_reached(self) -> bool:
        return bool(self.finish.over) if self.finish else self.target.is_reached

    def _turn(self) -> str | None:
        """Do one round of work; the reason why the search ends, or None where it continues."""
        if met := self.finish.ended() if self.finish else self.target.met():
            self.pool.prune_all("the search met its target")
            return met
        if self.seconds_left <= 0:
            return self._out_of_time()
        if self._agreed is None and self._may_train():
            self._agree()
        self._fill()
        if not self.running and not self._is_confirming():
            self.pool.prune_all(BELOW)
            return self.proposals.exhausted or "every trial of the budget is done"
        self._collect()
        return None

    def _may_train(self) -> bool:
        """Whether there may be something left to train or to confirm."""
        return bool(self.pool.members or self.proposals.leftover or self.next.may_propose or self.finish)

    def _agree(self) -> None:
        """Find which precision ``auto`` means in every training of this launch."""
        self._agreed = self.dispatch.precisions = self.precisions()
        if self.finish:
            self.finish.finalist.precisions = self._agreed

    def _is_confirming(self) -> bool:
        """Whether a network is being confirmed; starts with the best one where nothing else is left to do."""
        return self.finish is not None and (self.finish.job is not None or self.finish.begin_last())

    def _take_up(self) -> None:
        """Read what earlier launches finished and left unfinished."""
        self.proposals.rejected_before = self.store.rejected()
        trials = self.store.trials()
        self.pool.take_up(trials)
        self._survey(trials)

    def _survey(self, trials: Sequence[FrozenTrial]) -> None:
        """Count what the study holds, and pause the candidates that an earlier launch left at a rung."""
        if self.finish and self.finish.finalist.ends_due():
            trials = self.store.trials()
        self.target.survey(trials)
        for candidate in self.proposals.survey(trials, self.pool.members, self.pool.halving.levels):
            self.pool.move(candidate, State.PAUSED)
        if self.finish:
            self.finish.survey(trials)

    def _resume(self) -> None:
        """Continue from the state in the study; raises where the storage is still unreachable."""
        self._show()
        self.hold()
        trials = self.store.trials()
        self.pool.reconcile(trials)
        self._survey(trials)

    def _fill(self) -> None:
        """Give every free worker a candidate."""
        while len(self.running) < self.engine.slots and (candidate := self.next.choose(self.seconds_left)):
            self.pool.tell(candidate, _beginning(candidate))
            self.pool.move(candidate, State.TRAINING)
        self.dispatch.send_all()

    def _collect(self) -> None:
        """Wait for the workers for a moment, then store what they have trained."""
        futures = [*self.dispatch.futures, *(self.finish.futures if self.finish else [])]
        self.engine.wait(futures, min(TICK_SECONDS, max(self.seconds_left, 0)))
        has_looked = self.dispatch.collect()
        if self.finish:
            self.finish.collect()
        if self.pace is None and (has_looked or self.dispatch.times):
            waited = self.clock() - self.started
            self.pace = self.dispatch.pace(self.seconds_left, is_patient=waited < patience(self.budget.seconds))

    def _completed(self, candidate: Candidate) -> None:
        """A candidate is trained to the end."""
        if self.finish:
            self.finish.completed(candidate)
        self.target.completed(self.objectives.score(candidate.curve[-1]))

    def _out_of_time(self) -> str:
        """Why the launch ended, its time being spent; with a sufficient time limit where no epoch was finished."""
        if self.finish and self.finish.job:
            return f"the time is spent in the middle of the confirmation of trial {self.finish.job.trial}"
        if self.dispatch.times or not self.running:
            return "the time is spent"
        pace, spent = self.dispatch.pace(self.seconds_left, is_patient=False), self.clock() - self.started
        return f"the time was spent {too_short(pace, spent)}"


def _beginning(candidate: Candidate) -> What:
    """What a candidate that gets a worker does, by its previous state."""
    if not candidate.curve:
        return What.PROPOSED if candidate.seed is None else What.STARTED
    return What.PROMOTED if candidate.state is State.PAUSED else What.RESUMED
