"""Pools of candidates of eight epochs, with rungs at 2, 4 and 8, that a test trains by hand."""

from __future__ import annotations

import random
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from nas.search.candidate import Candidate, State
from nas.search.halving import Halving
from nas.search.objectives import Objectives
from nas.search.pool import Pool
from nas.search.trial_store import TrialStore
from nas.space.analytic import metrics
from nas.space.space import load

optuna.logging.set_verbosity(optuna.logging.ERROR)


def pool_of(*, costs: tuple[str, ...] = ()) -> Pool:
    objectives = Objectives(costs=costs)
    study = optuna.create_study(directions=objectives.directions)
    return Pool(store=TrialStore(study), halving=Halving([2, 4, 8], objectives), objectives=objectives)


def train(pool: Pool, *accuracies: float, candidate: Candidate | None = None) -> Candidate:
    """A candidate, a new one unless given, that trains an epoch for each accuracy."""
    if candidate is None:
        space = load("tiny", input=(3, 32, 32), classes=10)
        network = space.decode(space.random(random.Random(0)))
        candidate = Candidate(
            trial=pool.store.ask(), architecture=network, metrics=metrics(network), folder=Path("nowhere")
        )
    pool.move(candidate, State.TRAINING)
    for accuracy in accuracies:
        pool.add_epoch(candidate, {"epoch": len(candidate.curve) + 1, "val_accuracy": accuracy, "seconds": 1.0})
    return candidate


def paused(pool: Pool, *accuracies: float) -> list[Candidate]:
    """A candidate for each accuracy, which it reached at the first rung, where it waits."""
    found = [train(pool, 0.0, accuracy) for accuracy in accuracies]
    for candidate in found:
        pool.pause(candidate)
    return found


def trial(pool: Pool, number: int) -> FrozenTrial:
    return pool.store.trials()[number]
