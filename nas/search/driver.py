"""The search: propose a feasible candidate, train it rung by rung, keep or prune it, until a budget is spent."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.architecture.spec import Architecture, parse
from nas.cpu import cpu_class
from nas.search.candidate import Candidate, set_leftover_aside
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.halving import Halving
from nas.search.objectives import Objectives
from nas.search.pace import Pace, forget_steps, read_steps
from nas.search.storage import is_outage
from nas.search.study import CURVE, REASON, REJECTED
from nas.search.work import Outcome, Task, read_progress, train_candidate
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.sampler import FeasibleSampler, SpaceExhaustedError

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.precision import Precision

TICK_SECONDS = 0.25
LOOK_SECONDS = 1.0
"""Time between looks at how far the workers are."""
BELOW = "below the better half at epoch {}"
"""Why a candidate ends that waits at a rung."""
MOST_REFUSALS = 3
"""How often in a row the files of candidates may not be written before the launch ends."""
PATIENCE_SECONDS = 30.0
"""How long a first epoch is waited for before its steps tell how long it takes."""
OUTAGE_SECONDS = 600.0
"""How long a storage that is gone is waited for, while the workers train on."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When to end: after ``trials`` in the whole study, after ``seconds`` of this launch, or at the target."""

    trials: int
    seconds: float
    epochs: int
    target: float | None = None
    stop_at_target: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a launch ended: ``ended`` says why, ``unfinished`` how many trials the next launch would go on with."""

    ended: str
    unfinished: int
    best: float | None
    reached: bool


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
    objectives: Objectives = field(default_factory=Objectives)
    observe: Callable[[Driver], None] = lambda driver: None
    hold: Callable[[], None] = lambda: None
    """Called before anything is written: raises where the study is no longer this driver's."""
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    """CPU class -> what the precision ``auto`` is there."""
    machine: str = field(default_factory=cpu_class)
    """What trains, in words, for people."""
    pace: Pace | None = None
    """How long an epoch takes in this launch; None until that is known."""
    clock: Callable[[], float] = time.monotonic
    running: list[Candidate] = field(default_factory=list)
    paused: dict[int, Candidate] = field(default_factory=dict)
    """Candidates that wait at a rung, by the number of their trial."""
    started: float = 0.0
    best: float | None = None
    earlier: list[FrozenTrial] = field(default_factory=list)
    """Trials that ended before this launch."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of and no trial's state tells, one line each."""
    _halving: Halving = field(init=False)
    _rejected_before: dict[str, int] = field(default_factory=dict)
    _interrupted: list[FrozenTrial] = field(default_factory=list)
    _aside: list[Candidate] = field(default_factory=list)
    """Candidates whose files could not be written."""
    _refusals: int = 0
    _proposed: int = 0
    _exhausted: str = ""
    _looked: float = 0.0
    _epoch_seconds: dict[int, float] = field(default_factory=dict)
    """Trial -> the seconds of its last epoch, of those that finished one in this launch."""

    def __post_init__(self) -> None:
        """The time of the launch begins."""
        self.started = self.clock()
        self._halving = Halving(self.budget.epochs, self.objectives)

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
                    self._outlast(error)
                self.observe(self)
        finally:
            self.engine.shutdown()
        unfinished = len(self._under_way()) + len(self._interrupted)
        return Summary(ended=ended, unfinished=unfinished, best=self.best, reached=self._reached())

    def _turn(self) -> str | None:
        """Do what there is to do now; why the search ends, where it does."""
        if self.budget.stop_at_target and self._reached():
            self.paused = {candidate.trial.number: candidate for candidate in self._under_way()}
            self.running, self._aside = [], []
            self._end_paused("the search met its target")
            return "the target is met"
        if self.seconds_left <= 0:
            return "the time is spent"
        self._fill()
        if not self.running:
            self._end_paused(BELOW)
            return self._exhausted or "every trial of the budget is done"
        self._collect()
        return None

    def _take_up(self) -> None:
        """Learn what earlier launches did, and what they left undone."""
        self._rejected_before = dict(self.study.user_attrs.get(REJECTED, {}))
        trials = self.study.get_trials(deepcopy=False)
        self.earlier = [t for t in trials if t.state.is_finished()]
        for trial in trials:
            for epoch, accuracy in trial.intermediate_values.items():
                self._halving.add(trial.number, epoch, self.objectives.values(accuracy, trial.user_attrs))
        self._survey(trials)

    def _under_way(self) -> list[Candidate]:
        """All candidates of this launch that have not ended."""
        return [*self.running, *self.paused.values(), *self._aside]

    def _survey(self, trials: Sequence[FrozenTrial]) -> None:
        """Count what the study holds, and sort the trials that nobody trains: at a rung they wait, else go on."""
        self._proposed = sum(ARCHITECTURE in t.user_attrs for t in trials)
        self.best = max((t.values[0] for t in trials if t.state == TrialState.COMPLETE), default=None)
        known = {candidate.trial.number for candidate in self._under_way()}
        self._interrupted = []
        for trial in trials:
            if trial.state.is_finished() or trial.number in known:
                continue
            trained = len(trial.intermediate_values)
            kept = len(read_progress(self._folder(trial)))
            if trained in self._halving.levels[:-1] and kept >= trained:
                architecture = parse(trial.user_attrs[ARCHITECTURE])
                self.paused[trial.number] = self._candidate(Trial(self.study, trial._trial_id), architecture, trained)
            else:
                self._interrupted.append(trial)

    def _outlast(self, error: Exception) -> None:
        """Wait for a storage that is gone, then go on from what it knows; the error where it stays away.

        The workers train on meanwhile. Raises what is no outage at once.
        """
        until = self.clock() + OUTAGE_SECONDS
        if is_outage(error):
            self.notes.append("the storage does not answer: the search goes on when it does")
        while is_outage(error) and self.clock() < until:
            self.observe(self)
            time.sleep(TICK_SECONDS)
            try:
                self.hold()
                self._reconcile()
            except Exception as again:
                error = again
            else:
                self.notes.append("the storage answers again")
                return
        raise error

    def _reconcile(self) -> None:
        """Believe the study, not what was last sent to it: which trials have ended, and which epochs are stored."""
        trials = self.study.get_trials(deepcopy=False)
        for candidate in self._under_way():
            trial = trials[candidate.trial.number]
            candidate.trial = Trial(self.study, trial._trial_id)
            candidate.reported = len(trial.intermediate_values)
            stored = min(len(trial.user_attrs.get(CURVE, [])), candidate.reported)
            candidate.curve = candidate.curve[:stored]
        self.running = [c for c in self.running if not trials[c.trial.number].state.is_finished()]
        self.paused = {n: c for n, c in self.paused.items() if not trials[n].state.is_finished()}
        self._survey(trials)

    @property
    def seconds_left(self) -> float:
        """Seconds until the launch's time is spent."""
        return self.budget.seconds - (self.clock() - self.started)

    @property
    def rejected(self) -> dict[str, int]:
        """Proposals turned away in the whole study, by rule."""
        before = self._rejected_before
        return {rule: before.get(rule, 0) + self.sampler.rejected[rule] for rule in {**before, **self.sampler.rejected}}

    def _reached(self) -> bool:
        return self.budget.target is not None and self.best is not None and self.best > self.budget.target

    def _fill(self) -> None:
        """Give every free worker a candidate: what an earlier launch left running, then who goes on, then new ones."""
        while len(self.running) < self.engine.slots and (candidate := self._next()):
            self.running.append(candidate)
            self._train(candidate)

    def _next(self) -> Candidate | None:
        """The next candidate to train; None where nobody goes on and the budget or the space has no more."""
        try:
            if self._interrupted:
                left = self._interrupted.pop(0)
                return self._propose(Trial(self.study, left._trial_id), len(left.intermediate_values))
            if self._aside and not self._refusals:
                return self._back()
            if promoted := self._promoted(is_last=False):
                return promoted
            if not self._exhausted and self._proposed < self.budget.trials:
                return self._propose(self.study.ask(), 0)
        except SpaceExhaustedError as error:
            self._exhausted = f"the space is exhausted: {error}"
        return self._back() if self._aside else self._promoted(is_last=True)

    def _promoted(self, *, is_last: bool) -> Candidate | None:
        number = self._halving.promoted(self._levels(), is_last=is_last)
        return None if number is None else self.paused.pop(number)

    def _levels(self) -> dict[int, int]:
        """Trial -> its epochs, of those that wait at a rung."""
        return {number: len(candidate.curve) for number, candidate in self.paused.items()}

    def _propose(self, trial: Trial, reported: int) -> Candidate:
        """The candidate of a trial; what an interrupted one lacks is proposed as it would have been.

        Raises SpaceExhaustedError, and ends the trial as failed, where nothing is left to propose.
        """
        if ARCHITECTURE not in trial.user_attrs:
            try:
                for name, distribution in self.sampler.feasible.space.distributions.items():
                    trial._suggest(name, distribution)  # what study.ask(distributions) does for a new trial
            except SpaceExhaustedError as error:
                self._fail(trial, str(error))
                raise
            judged = self.sampler.feasible.judge(trial.params)
            for name, value in judged.metrics.as_dict().items():
                trial.set_user_attr(name, value)
            self.study.set_user_attr(REJECTED, self.rejected)
            if note := set_leftover_aside(self._folder(trial)):
                self.notes.append(note)
            trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
            self._proposed += 1
        return self._candidate(trial, parse(trial.user_attrs[ARCHITECTURE]), reported)

    def _folder(self, trial: Trial | FrozenTrial) -> Path:
        return self.folder / f"trial-{trial.number:05d}"

    def _candidate(self, trial: Trial, architecture: Architecture, reported: int) -> Candidate:
        folder = self._folder(trial)
        curve = read_progress(folder)[:reported]
        if len(curve) < reported:
            self.notes.append(
                f"trial {trial.number} is trained anew: its {reported} finished epochs are not in {folder}"
            )
        return Candidate(
            trial=trial,
            architecture=architecture,
            metrics=metrics(architecture),
            folder=folder,
            reported=reported,
            curve=curve,
        )

    def _train(self, candidate: Candidate) -> None:
        """Send a candidate to a worker until its next rung."""
        candidate.until = self._halving.until(len(candidate.curve))
        task = Task(
            architecture=str(candidate.architecture),
            feed=self.feed,
            epochs=self.budget.epochs,
            until=candidate.until,
            seed=self.seed,
            folder=candidate.folder,
            precisions=self.precisions,
        )
        forget_steps(candidate.folder)
        candidate.epoch_started = self.clock()
        candidate.future = self.engine.submit(train_candidate, task)

    def _collect(self) -> None:
        """Take up what the workers did meanwhile."""
        futures = [c.future for c in self.running if c.future is not None]
        self.engine.wait(futures, min(TICK_SECONDS, max(self.seconds_left, 0)))
        if is_time_to_look := self.clock() - self._looked >= LOOK_SECONDS:
            self._looked = self.clock()
        for candidate in list(self.running):
            future = candidate.future
            if future is None or not future.done():
                if is_time_to_look:
                    self._report(candidate, read_progress(candidate.folder))
                continue
            try:
                outcome = future.result()
            except BrokenProcessPool:
                self._retry(candidate)
            except OSError as error:
                self._set_aside(candidate, error)
            except Exception as error:
                self._end(candidate, reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
            else:
                self._refusals = 0
                self._report(candidate, list(outcome.curve))
                self._decide(candidate, outcome)
        if self.pace is None and (is_time_to_look or self._epoch_seconds):
            self.pace = self._measured_pace()

    def _measured_pace(self) -> Pace | None:
        """How long an epoch takes: by those finished, or once PATIENCE_SECONDS are over by the steps done so far."""
        seconds = list(self._epoch_seconds.values())
        if not seconds and self.clock() - self.started < PATIENCE_SECONDS:
            return None
        under_way = [c.folder for c in self.running if c.trial.number not in self._epoch_seconds]
        seconds += [steps.epoch_seconds for folder in under_way if (steps := read_steps(folder))]
        if not seconds:
            return None
        return Pace(
            epoch_seconds=statistics.fmean(seconds),
            seconds=self.seconds_left,
            workers=self.engine.slots,
            budget=self.budget.epochs,
        )

    def _report(self, candidate: Candidate, curve: list[dict[str, Any]]) -> None:
        """Store the epochs that the study does not know yet; the curve first, so that no epoch is known without it."""
        trial = candidate.trial
        for epoch in curve[len(candidate.curve) :]:
            candidate.epoch_started = self.clock()
            trial.set_user_attr(CURVE, [*candidate.curve, epoch])
            number, accuracy = epoch["epoch"], epoch["val_accuracy"]
            if number > candidate.reported:  # trial.report, which Optuna has for one objective only
                self.study._storage.set_trial_intermediate_value(trial._trial_id, number, accuracy)
            candidate.curve.append(epoch)
            self._epoch_seconds[trial.number] = epoch["seconds"]
            self._halving.add(trial.number, number, self.objectives.values(accuracy, candidate.metrics.as_dict()))

    def _decide(self, candidate: Candidate, outcome: Outcome) -> None:
        if outcome.reason:
            self._end(candidate, reason=outcome.reason)
        elif len(candidate.curve) >= self.budget.epochs:
            self._end(candidate)
        else:
            self.running.remove(candidate)
            candidate.future = None
            self.paused[candidate.trial.number] = candidate
            for number in self._halving.surplus(self._levels()):
                self._end_one_paused(number, BELOW)

    def _end_paused(self, why: str) -> None:
        """End the candidates that wait at a rung: none of them goes on; ``{}`` in ``why`` stands for its epoch."""
        for number in list(self.paused):
            self._end_one_paused(number, why)

    def _end_one_paused(self, number: int, why: str) -> None:
        candidate = self.paused[number]
        candidate.trial.set_user_attr(REASON, why.format(len(candidate.curve)))
        self.study.tell(candidate.trial, state=TrialState.PRUNED)
        del self.paused[number]

    def _set_aside(self, candidate: Candidate, error: OSError) -> None:
        """Let a candidate wait whose files cannot be written, which is no fault of its own; the others go on.

        Raises the error where they get no further either.
        """
        candidate.trial.set_user_attr(REASON, f"waits: {error.strerror or error}")
        self._refusals += 1
        if self._refusals >= MOST_REFUSALS:
            raise error
        self.running.remove(candidate)
        self._aside.append(candidate)

    def _back(self) -> Candidate:
        """The first of those set aside, for another try."""
        candidate = self._aside.pop(0)
        candidate.trial.set_user_attr(REASON, "")
        return candidate

    def _retry(self, candidate: Candidate) -> None:
        candidate.deaths += 1
        if candidate.deaths >= MAX_DEATHS:
            self._end(candidate, reason=f"its worker died {candidate.deaths} times")
        else:
            self._train(candidate)

    def _end(self, candidate: Candidate, *, reason: str = "") -> None:
        if reason:
            self._fail(candidate.trial, reason)
        else:
            accuracy = candidate.curve[-1]["val_accuracy"]
            self.study.tell(candidate.trial, self.objectives.values(accuracy, candidate.metrics.as_dict()))
            self.best = accuracy if self.best is None else max(self.best, accuracy)
        self.running.remove(candidate)

    def _fail(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)
