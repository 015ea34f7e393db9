"""Confirming: retrain winners on the whole training set for several seeds, and open the test set once, at the end."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from constraints.errors import KilledError, UnusableInputError
from nas.search.confirmation import Confirmation, add, confirmations
from nas.search.engine import MAX_DEATHS, Engine
from nas.search.given import Given
from nas.search.measure import images_of, measure_of
from nas.search.worker import Confirmed, Task, confirm_candidate, read_progress

if TYPE_CHECKING:
    from nas.training.feed import Feed
    from nas.training.precision import Precision
    from nas.training.recipes import Recipe

TICK_SECONDS = 0.5


OWN_DRAWS = 2**20
"""Added to a confirmation's seed, so that its weights, order and augmentation differ from every candidate's."""

Progress = Callable[[int, int, int, int], None]
"""Called with (trial, seed, epochs trained, epochs in all)."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trial to confirm: its network's text or, where user code makes the network, ``given`` and its name."""

    trial: int
    network: str
    key: str
    given: Given | None = None


def confirm(
    study: optuna.Study,
    trials: Sequence[Trained],
    *,
    engine: Engine,
    feed: Feed,
    seeds: Sequence[int],
    epochs: int,
    folder: Path,
    progress: Progress,
    precisions: Callable[[], Mapping[str, Precision]] = dict,
    recipe: Recipe | None = None,
) -> list[Confirmation]:
    """Confirm the networks of trials; each seed's result is stored in the study as soon as it is evaluated.

    ``feed`` holds the whole training set; only the last epoch is evaluated, on the test set. Each seed has its own
    augmented epochs. ``precisions`` is called first, as by a Driver. An interrupted training resumes from its
    checkpoint, and a seed that the study already has for this number of epochs is not trained again. Raises
    UnusableInputError, naming trial and seed, for one that failed.
    """
    from nas.training.tuning import tuned  # readers of a study import this module too

    measure = measure_of(study)
    known = {one.trial: _of_length(confirmations(study, one.trial), epochs) for one in trials}
    wanted = [(one, seed) for one in trials for seed in seeds if seed not in _seeds(known[one.trial])]
    try:
        if wanted:
            agreed = precisions()
            parameters = {trial.number: trial.params for trial in study.get_trials(deepcopy=False)}
            tasks = {
                (one.trial, seed): task_of(
                    one,
                    seed,
                    feed=feed,
                    epochs=epochs,
                    folder=folder,
                    recipe=recipe and tuned(recipe, parameters.get(one.trial, {})),
                    precisions=agreed,
                )
                for one, seed in wanted
            }
            for (trial, seed), outcome in _run(engine, tasks, progress):
                known[trial] = add(study, confirmation_of(trial, seed, tasks[trial, seed], outcome, measure))
    finally:
        engine.shutdown()
    return [found for one in trials if (found := known[one.trial]) is not None]


def task_of(
    one: Trained,
    seed: int,
    *,
    feed: Feed,
    epochs: int,
    folder: Path,
    recipe: Recipe | None,
    precisions: Mapping[str, Precision],
    threads: int | None = None,
) -> Task:
    """The training that confirms a network with a seed; ``folder`` is that of the study's files."""
    return Task(
        architecture=one.network,
        given=one.given,
        feed=replace(feed, seed=OWN_DRAWS + seed),
        epochs=epochs,
        until=epochs,
        seed=OWN_DRAWS + seed,
        folder=folder / f"confirm-{one.trial:05d}-{digest(one.key)}" / f"epochs-{epochs}-run-{seed}",
        recipe=recipe,
        precisions=precisions,
        threads=threads,
    )


def _of_length(found: Sequence[Confirmation], epochs: int) -> Confirmation | None:
    return next((one for one in found if one.epochs == epochs), None)


def _seeds(known: Confirmation | None) -> tuple[int, ...]:
    return known.seeds if known else ()


def digest(architecture: str) -> str:
    """A hash that tells two trials of the same number apart, where a study was deleted and made again."""
    return hashlib.sha256(architecture.encode()).hexdigest()[:8]


def _run(
    engine: Engine, tasks: dict[tuple[int, int], Task], progress: Progress
) -> Iterator[tuple[tuple[int, int], Confirmed]]:
    """Yield the result of each training as it ends."""
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
            except (BrokenProcessPool, KilledError):
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


def confirmation_of(trial: int, seed: int, task: Task, outcome: Confirmed, measure: str) -> Confirmation:
    """The result of training with one seed."""
    assert outcome.test_accuracy is not None
    balanced = outcome.test_balanced_accuracy
    return Confirmation(
        trial=trial,
        architecture=task.architecture,
        epochs=task.epochs,
        seeds=(seed,),
        accuracies=(outcome.test_accuracy,),
        seconds=sum(epoch["seconds"] for epoch in outcome.curve),
        test_images=images_of(measure, task.feed.dataset.test_labels),
        balanced_accuracies=() if balanced is None else (balanced,),
        measure=measure,
    )
