"""The search: propose a feasible candidate, train it rung by rung, keep or prune it, until a budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, parse
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.study import CURVE, REASON, REJECTED
from nas.search.work import Outcome, Task, read_progress, train_candidate
from nas.space.analytic import metrics
from nas.space.sampler import ARCHITECTURE, FeasibleSampler, SpaceExhaustedError

if TYPE_CHECKING:
    from nas.training.feed import Feed

RUNG_FACTOR = 2
FIRST_RUNG = 2
"""Epochs of the first rung; each further one is RUNG_FACTOR times as long, up to the full budget."""
TICK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When to end: after ``trials`` in the whole study, after ``seconds`` of this launch, or at the target."""

    trials: int
    seconds: float
    epochs: int
    target: float | None = None
    stop_at_target: bool = False


@dataclass(kw_only=True)
class Candidate:
    """A trial that is being trained."""

    trial: Trial
    architecture: Architecture
    metrics: Metrics
    folder: Path
    future: Future[Outcome] | None = None
    until: int = 0
    deaths: int = 0
    reported: int = 0
    """Epochs that the study knew of before this launch."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    epoch_started: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy after the last epoch trained."""
        return self.curve[-1]["val_accuracy"] if self.curve else None


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
    observe: Callable[[Driver], None] = lambda driver: None
    running: list[Candidate] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    best: float | None = None
    earlier: list[FrozenTrial] = field(default_factory=list)
    """Trials that ended before this launch."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of and no trial's state tells, one line each."""
    _rejected_before: dict[str, int] = field(default_factory=dict)
    _interrupted: list[FrozenTrial] = field(default_factory=list)
    _exhausted: str = ""

    def run(self) -> Summary:
        """Search until a budget is spent; on KeyboardInterrupt the workers end and everything finished is kept."""
        self._rejected_before = dict(self.study.user_attrs.get(REJECTED, {}))
        trials = self.study.get_trials(deepcopy=False)
        self.earlier = [t for t in trials if t.state.is_finished()]
        self.best = max((t.values[0] for t in trials if t.state == TrialState.COMPLETE), default=None)
        self._interrupted = [t for t in trials if not t.state.is_finished()]
        try:
            while (ended := self._ended()) is None:
                self._fill()
                if not self.running:
                    ended = self._exhausted or "every trial of the budget is done"
                    break
                self._collect()
                self.observe(self)
        finally:
            self.engine.shutdown()
        unfinished = len(self.running) + len(self._interrupted)
        return Summary(ended=ended, unfinished=unfinished, best=self.best, reached=self._reached())

    @property
    def seconds_left(self) -> float:
        """Seconds until the launch's time is spent."""
        return self.budget.seconds - (time.monotonic() - self.started)

    @property
    def rejected(self) -> dict[str, int]:
        """Proposals turned away in the whole study, by rule."""
        before = self._rejected_before
        return {rule: before.get(rule, 0) + self.sampler.rejected[rule] for rule in {**before, **self.sampler.rejected}}

    def _ended(self) -> str | None:
        if self.budget.stop_at_target and self._reached():
            return "the target is met"
        if self.seconds_left <= 0:
            return "the time is spent"
        return None

    def _reached(self) -> bool:
        return self.budget.target is not None and self.best is not None and self.best > self.budget.target

    def _fill(self) -> None:
        """Give every free worker a candidate, those first that an earlier launch left running."""
        while len(self.running) < self.engine.slots and (candidate := self._next()):
            self.running.append(candidate)
            self._train(candidate)

    def _next(self) -> Candidate | None:
        """The next candidate to train; None where the budget or the space has no more."""
        try:
            if self._interrupted:
                left = self._interrupted.pop(0)
                return self._propose(Trial(self.study, left._trial_id), len(left.intermediate_values))
            if not self._exhausted and self._proposed() < self.budget.trials:
                return self._propose(self.study.ask(), 0)
        except SpaceExhaustedError as error:
            self._exhausted = f"the space is exhausted: {error}"
        return None

    def _proposed(self) -> int:
        return sum(ARCHITECTURE in t.user_attrs for t in self.study.get_trials(deepcopy=False))

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
            self._set_leftover_aside(trial)
            trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
        return self._candidate(trial, parse(trial.user_attrs[ARCHITECTURE]), reported)

    def _folder(self, trial: Trial) -> Path:
        return self.folder / f"trial-{trial.number:05d}"

    def _set_leftover_aside(self, trial: Trial) -> None:
        """Free the folder of a new trial: what lies there is of another study, one since deleted perhaps."""
        folder = self._folder(trial)
        if folder.exists():
            names = (folder.with_name(f"left-{number}-{folder.name}") for number in count(1))
            aside = folder.rename(next(name for name in names if not name.exists()))
            self.notes.append(f"{folder} held a training of another study of this name: moved to {aside.name}")

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
        candidate.until = next((r for r in rungs(self.budget.epochs) if r > len(candidate.curve)), self.budget.epochs)
        task = Task(
            architecture=str(candidate.architecture),
            feed=self.feed,
            epochs=self.budget.epochs,
            until=candidate.until,
            seed=self.seed,
            folder=candidate.folder,
        )
        candidate.epoch_started = time.monotonic()
        candidate.future = self.engine.submit(train_candidate, task)

    def _collect(self) -> None:
        """Take up what the workers did meanwhile."""
        futures = [c.future for c in self.running if c.future is not None]
        wait(futures, timeout=min(TICK_SECONDS, max(self.seconds_left, 0)), return_when=FIRST_COMPLETED)
        for candidate in list(self.running):
            future = candidate.future
            if future is None or not future.done():
                self._report(candidate, read_progress(candidate.folder))
                continue
            try:
                outcome = future.result()
            except BrokenProcessPool:
                self._retry(candidate)
            except OSError:
                raise  # a full disk is no fault of the candidate, which goes on from its checkpoint later
            except Exception as error:
                self._end(candidate, reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
            else:
                self._report(candidate, list(outcome.curve))
                self._decide(candidate, outcome)

    def _report(self, candidate: Candidate, curve: list[dict[str, Any]]) -> None:
        """Store the epochs that the study does not know yet; the curve first, so that no epoch is known without it."""
        for epoch in curve[len(candidate.curve) :]:
            candidate.curve.append(epoch)
            candidate.epoch_started = time.monotonic()
            candidate.trial.set_user_attr(CURVE, candidate.curve)
            if epoch["epoch"] > candidate.reported:
                candidate.trial.report(epoch["val_accuracy"], epoch["epoch"])

    def _decide(self, candidate: Candidate, outcome: Outcome) -> None:
        if outcome.reason:
            self._end(candidate, reason=outcome.reason)
        elif len(candidate.curve) >= self.budget.epochs:
            self._end(candidate)
        elif candidate.trial.should_prune():
            self._end(candidate, pruned=True)
        else:
            self._train(candidate)

    def _retry(self, candidate: Candidate) -> None:
        candidate.deaths += 1
        if candidate.deaths >= MAX_DEATHS:
            self._end(candidate, reason=f"its worker died {candidate.deaths} times")
        else:
            self._train(candidate)

    def _end(self, candidate: Candidate, *, reason: str = "", pruned: bool = False) -> None:
        self.running.remove(candidate)
        if reason:
            self._fail(candidate.trial, reason)
        elif pruned:
            candidate.trial.set_user_attr(REASON, f"below the better half at epoch {len(candidate.curve)}")
            self.study.tell(candidate.trial, state=TrialState.PRUNED)
        else:
            value = candidate.curve[-1]["val_accuracy"]
            self.study.tell(candidate.trial, value)
            self.best = value if self.best is None else max(self.best, value)

    def _fail(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr(REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)


def rungs(epochs: int) -> list[int]:
    """The epochs at which a candidate is compared with those before it, the full budget last."""
    levels = []
    level = FIRST_RUNG
    while level < epochs:
        levels.append(level)
        level *= RUNG_FACTOR
    return [*levels, epochs]


def pruner() -> optuna.pruners.BasePruner:
    """Asynchronous successive halving over the rungs (Li et al., A System for Massively Parallel Tuning, 2020)."""
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=FIRST_RUNG, reduction_factor=RUNG_FACTOR)
