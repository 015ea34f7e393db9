"""Confirming: retrain winners on the whole training set for several seeds, and open the test set once, at the end."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from constraints.errors import UnusableInputError
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.study import CONFIRMED
from nas.search.worker import Confirmed, Task, confirm_candidate, read_progress

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.precision import Precision

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
    precisions: Callable[[], Mapping[str, Precision]] = dict,
) -> list[Confirmation]:
    """Confirm (number, architecture) pairs, and store each in the study as soon as its last seed is evaluated.

    ``feed`` holds the whole training set; only the last epoch is evaluated, on the test set. ``precisions`` is that of
    a Driver. A training that was interrupted resumes from its checkpoint, and one that is done is not repeated. Raises
    UnusableInputError, naming trial and seed, for one that failed.
    """
    found: dict[int, Confirmation] = {}
    outcomes: dict[tuple[int, int], Confirmed] = {}
    try:
        agreed = precisions()
        tasks = {
            (trial, seed): Task(
                architecture=architecture, feed=feed, epochs=epochs, until=epochs, seed=seed,
                folder=folder / f"confirm-{trial:05d}-{digest(architecture)}" / f"epochs-{epochs}-seed-{seed}",
                precisions=agreed,
            )
            for trial, architecture in trials
            for seed in seeds
        }  # fmt: skip
        for key, outcome in _run(engine, tasks, progress):
            outcomes[key] = outcome
            trial = key[0]
            if all((trial, seed) in outcomes for seed in seeds):
                found[trial] = _confirmation(trial, tasks[key], {seed: outcomes[trial, seed] for seed in seeds})
                study.set_user_attr(f"{CONFIRMED}{trial}", found[trial].as_dict())
    finally:
        engine.shutdown()
    return [found[trial] for trial, _ in trials]


def digest(architecture: str) -> str:
    """What tells the trials of one number apart, should a study be made anew."""
    return hashlib.sha256(architecture.encode()).hexdigest()[:8]


def _run(
    engine: Engine, tasks: dict[tuple[int, int], Task], progress: Progress
) -> Iterator[tuple[tuple[int, int], Confirmed]]:
    """Yield what each training came to, as it ends."""
    waiting, running = list(tasks), dict[Future[Confirmed], tuple[int, int]]()
    deaths: Counter[tuple[int, int]] = Counter()
    while waiting or running:
        while waiting and len(running) < engine.slots:
            key = waiting.pop(0)
            running[engine.submit(confirm_candidate, tasks[key])] = key
        engine.wait(running, TICK_SECONDS)
        for trial, seed in running.values():
            task = tasks[trial, seed]
            progress(trial, seed, len(read_progress(task.folder)), task.epochs)
        for future in [future for future in running if future.done()]:
            key = running.pop(future)
            try:
                yield key, _succeeded(future.result(), *key)
            except BrokenProcessPool:
                deaths[key] += 1
                if deaths[key] >= MAX_DEATHS:
                    raise _failed(*key, f"its worker died {deaths[key]} times") from None
                waiting.insert(0, key)


def _succeeded(outcome: Confirmed, trial: int, seed: int) -> Confirmed:
    if outcome.reason:
        raise _failed(trial, seed, outcome.reason)
    return outcome


def _failed(trial: int, seed: int, reason: str) -> UnusableInputError:
    return UnusableInputError(f"cannot confirm trial {trial} with seed {seed}: {reason}: try another trial or --epochs")


def _confirmation(trial: int, task: Task, outcomes: Mapping[int, Confirmed]) -> Confirmation:
    """What the trainings of one network came to, by seed."""
    accuracies = [outcome.test_accuracy for outcome in outcomes.values()]
    return Confirmation(
        trial=trial,
        architecture=task.architecture,
        epochs=task.epochs,
        seeds=tuple(outcomes),
        accuracies=tuple(accuracy for accuracy in accuracies if accuracy is not None),
        seconds=sum(epoch["seconds"] for outcome in outcomes.values() for epoch in outcome.curve),
    )
