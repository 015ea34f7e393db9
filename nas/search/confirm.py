"""Confirming: retrain winners on the whole training set for several seeds, and open the test set once, at the end."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from constraints.errors import UnusableInputError
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.study import CONFIRMED
from nas.search.work import Outcome, Task, read_progress, train_candidate

if TYPE_CHECKING:
    from nas.training.feed import Feed

TICK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Test accuracy of one network, trained on the whole training set, one value a seed."""

    trial: int
    architecture: str
    epochs: int
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean test accuracy over the seeds."""
        return statistics.fmean(self.accuracies)

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds; 0 for one seed."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The fields with mean and standard deviation, ready for JSON."""
        return {**asdict(self), "mean": self.mean, "std": self.std}


Progress = Callable[[int, int, int, int], None]
"""Called with (trial, seed, epochs trained, epochs in all)."""


def confirm(
    study: optuna.Study,
    trials: Sequence[tuple[int, str]],
    *,
    engine: Engine,
    feed: Feed,
    seeds: Sequence[int],
    epochs: int,
    folder: Path,
    progress: Progress,
) -> list[Confirmation]:
    """Confirm (number, architecture) pairs in order, and store each in the study as soon as it is known.

    ``feed`` holds the whole training set and is judged by the test set. A training that was interrupted goes on from
    its checkpoint. Raises UnusableInputError, naming trial and seed, for one that failed.
    """
    tasks = {
        (trial, seed): Task(
            architecture=architecture, feed=feed, epochs=epochs, until=epochs, seed=seed,
            folder=folder / f"confirm-{trial:05d}" / f"epochs-{epochs}-seed-{seed}",
        )
        for trial, architecture in trials
        for seed in seeds
    }  # fmt: skip
    try:
        outcomes = _run(engine, tasks, progress)
    finally:
        engine.shutdown()
    confirmations = [_confirmation(trial, text, epochs, seeds, outcomes) for trial, text in trials]
    for confirmation in confirmations:
        study.set_user_attr(f"{CONFIRMED}{confirmation.trial}", confirmation.as_dict())
    return confirmations


def _run(engine: Engine, tasks: dict[tuple[int, int], Task], progress: Progress) -> dict[tuple[int, int], Outcome]:
    waiting, running = list(tasks), dict[Future[Outcome], tuple[int, int]]()
    outcomes: dict[tuple[int, int], Outcome] = {}
    deaths: Counter[tuple[int, int]] = Counter()
    while waiting or running:
        while waiting and len(running) < engine.slots:
            key = waiting.pop(0)
            running[engine.submit(train_candidate, tasks[key])] = key
        done, _ = wait(running, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
        for trial, seed in running.values():
            task = tasks[trial, seed]
            progress(trial, seed, len(read_progress(task.folder)), task.epochs)
        for future in done:
            key = running.pop(future)
            try:
                outcomes[key] = _succeeded(future.result(), *key)
            except BrokenProcessPool:
                deaths[key] += 1
                if deaths[key] >= MAX_DEATHS:
                    raise _failed(*key, f"its worker died {deaths[key]} times") from None
                waiting.insert(0, key)
    return outcomes


def _succeeded(outcome: Outcome, trial: int, seed: int) -> Outcome:
    if outcome.reason:
        raise _failed(trial, seed, outcome.reason)
    return outcome


def _failed(trial: int, seed: int, reason: str) -> UnusableInputError:
    return UnusableInputError(f"cannot confirm trial {trial} with seed {seed}: {reason}: try another trial or --epochs")


def _confirmation(
    trial: int, architecture: str, epochs: int, seeds: Sequence[int], outcomes: dict[tuple[int, int], Outcome]
) -> Confirmation:
    curves = [outcomes[trial, seed].curve for seed in seeds]
    return Confirmation(
        trial=trial,
        architecture=architecture,
        epochs=epochs,
        seeds=tuple(seeds),
        accuracies=tuple(curve[-1]["val_accuracy"] for curve in curves),
        seconds=sum(epoch["seconds"] for curve in curves for epoch in curve),
    )
