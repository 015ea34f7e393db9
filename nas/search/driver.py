"""The search: propose a feasible candidate, train it rung by rung, keep or prune it, until a budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import Trial, TrialState

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, parse
from nas.search.engine import Engine
from nas.search.study import REJECTED, accuracy
from nas.search.work import Outcome, Task, read_progress, train_candidate
from nas.space.analytic import metrics
from nas.space.sampler import ARCHITECTURE, FeasibleSampler, SpaceExhaustedError

if TYPE_CHECKING:
    from nas.training.feed import Feed

RUNG_FACTOR = 2
FIRST_RUNG = 2
"""Epochs of the first rung; each further one is RUNG_FACTOR times as long, up to the full budget."""
MAX_DEATHS = 3
"""How often a candidate may take its worker down before it counts as failed."""
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
    curve: list[dict[str, Any]] = field(default_factory=list)
    epoch_started: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy after the last epoch trained."""
        return self.curve[-1]["val_accuracy"] if self.curve else None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a launch ended: ``ended`` says why."""

    ended: str
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

    def run(self) -> Summary:
        """Search until a budget is spent; on KeyboardInterrupt the workers end and everything finished is kept."""
        self._rejected_before = dict(self.study.user_attrs.get(REJECTED, {}))
        self.best = max(
            (a for t in self.study.get_trials(deepcopy=False) if (a := self._full(t)) is not None),
            default=None,
        )
        interrupted = self._interrupted()
        try:
            while (ended := self._ended()) is None:
                exhausted = self._fill(interrupted)
                if not self.running:
                    ended = exhausted or "every trial of the budget is done"
                    break
                self._collect()
                self.observe(self)
        finally:
            self.engine.shutdown()
        return Summary(ended=ended, best=self.best, reached=self._reached())

    @property
    def seconds_left(self) -> float:
        """Seconds until the launch's time is spent."""
        return self.budget.seconds - (time.monotonic() - self.started)

    @property
    def rejected(self) -> dict[str, int]:
        """Proposals turned away in the whole study, by rule."""
        before = self._rejected_before
        return {
            rule: before.get(rule, 0) + self.sampler.rejected[rule]
            for rule in {**before, **self.sampler.rejected}
        }

    def _ended(self) -> str | None:
        if self.budget.stop_at_target and self._reached():
            return "the target is met"
        if self.seconds_left <= 0:
            return "the time is spent"
        return None

    def _reached(self) -> bool:
        return self.budget.target is not None and self.best is not None and self.best > self.budget.target

    def _full(self, trial: optuna.trial.FrozenTrial) -> float | None:
        return accuracy(trial) if trial.state == TrialState.COMPLETE else None

    def _interrupted(self) -> Iterator[Candidate]:
        """Trials that an earlier launch left running; they go on under their own numbers."""
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            trial = Trial(self.study, frozen._trial_id)
            if ARCHITECTURE not in frozen.user_attrs:
                self._fail(trial, "interrupted before its network was proposed")
                continue
            yield self._candidate(
                trial, parse(frozen.user_attrs[ARCHITECTURE]), sorted(frozen.intermediate_values)
            )

    def _candidate(self, trial: Trial, architecture: Architecture, reported: list[int]) -> Candidate:
        folder = self.folder / f"trial-{trial.number:05d}"
        figures = metrics(architecture)
        candidate = Candidate(trial=trial, architecture=architecture, metrics=figures, folder=folder)
        candidate.curve = read_progress(folder)[: len(reported)]
        return candidate

    def _fill(self, interrupted: Iterator[Candidate]) -> str | None:
        """Give every free worker a candidate; the reason why no more are to be had, where that is so."""
        while len(self.running) < self.engine.slots:
            candidate = next(interrupted, None)
            if candidate is None:
                if len(self.study.get_trials(deepcopy=False)) >= self.budget.trials:
                    return None
                try:
                    candidate = self._ask()
                except SpaceExhaustedError as error:
                    return f"the space is exhausted: {error}"
            self.running.append(candidate)
            self._train(candidate)
        return None

    def _ask(self) -> Candidate:
        trial = self.study.ask(self.sampler.feasible.space.distributions)
        judged = self.sampler.feasible.judge(trial.params)
        for name, value in judged.metrics.as_dict().items():
            trial.set_user_attr(name, value)
        trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
        self.study.set_user_attr(REJECTED, self.rejected)
        return self._candidate(trial, judged.architecture, [])

    def _train(self, candidate: Candidate) -> None:
        """Send a candidate to a worker until its next rung."""
        candidate.until = next(
            (r for r in rungs(self.budget.epochs) if r > len(candidate.curve)), self.budget.epochs
        )
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
            except Exception as error:
                self._end(
                    candidate,
                    reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                )
            else:
                self._report(candidate, list(outcome.curve))
                self._decide(candidate, outcome)

    def _report(self, candidate: Candidate, curve: list[dict[str, Any]]) -> None:
        """Store the epochs that the study does not know yet."""
        for epoch in curve[len(candidate.curve) :]:
            candidate.trial.report(epoch["val_accuracy"], epoch["epoch"])
            candidate.curve.append(epoch)
            candidate.epoch_started = time.monotonic()
            candidate.trial.set_user_attr("curve", candidate.curve)

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
            candidate.trial.set_user_attr("reason", f"below the better half at epoch {len(candidate.curve)}")
            self.study.tell(candidate.trial, state=TrialState.PRUNED)
        else:
            value = candidate.curve[-1]["val_accuracy"]
            self.study.tell(candidate.trial, value)
            self.best = value if self.best is None else max(self.best, value)

    def _fail(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr("reason", reason)
        with suppress(ValueError):
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
