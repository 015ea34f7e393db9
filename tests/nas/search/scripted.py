"""Searches for confirmed networks on workers that train nothing, with accuracies that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna

from constraints.rules import parse_all
from nas.search.budget import Budget, Goal
from nas.search.driver import Driver
from nas.search.worker import PROGRESS, Confirmed, Outcome, Task, confirm_candidate
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.training.feed import Feed

EPOCHS = 20
TARGET_ACCURACY = 0.85


@dataclass
class ScriptedEngine:
    """Workers that train nothing: each network, in the order in which it comes, has its curve and its test accuracy."""

    first: list[float]
    """Validation accuracy after one epoch; the second one leaves ``left`` of the error, each other 0.98 of it."""
    tests: list[float]
    """Test accuracy of each confirmation, in their order."""
    slots: int = 2
    tasks: list[Task] = field(default_factory=list)
    confirmed: list[Task] = field(default_factory=list)
    is_slow: bool = False
    """Whether no confirmation ends."""
    ended: bool = False
    left: float = 0.75
    """The share of the first epoch's error that the second one leaves."""
    raises: list[BaseException] = field(default_factory=list)
    """What the next confirmations raise in place of an answer."""
    _known: dict[str, float] = field(default_factory=dict)

    def threads(self, count: int) -> int:
        return 4 // count

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        (task,) = args
        future: Future[Any] = Future()
        if function is confirm_candidate:
            self.confirmed.append(task)
            if self.is_slow:
                return future
            if self.raises:
                future.set_exception(self.raises.pop(0))
            else:
                last = {"epoch": task.epochs, "seconds": 1.0, "val_accuracy": None}
                future.set_result(Confirmed(curve=(last,), test_accuracy=self.tests.pop(0)))
            return future
        self.tasks.append(task)
        worth = self._known.setdefault(task.architecture, self.first[len(self._known) % len(self.first)])
        curve = tuple(
            epoch(n, 1 - (1 - worth) * (self.left if n > 1 else 1.0) * 0.98 ** max(n - 2, 0))
            for n in range(1, task.until + 1)
        )
        task.folder.mkdir(parents=True, exist_ok=True)
        (task.folder / PROGRESS).write_text(json.dumps(curve))
        future.set_result(Outcome(curve=curve))
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        assert futures

    def shutdown(self) -> None:
        self.ended = True


def epoch(number: int, accuracy: float) -> dict[str, Any]:
    return {
        "epoch": number, "loss": 1.0, "val_accuracy": accuracy, "learning_rate": 0.1, "seconds": 10.0, "images": 100
    }  # fmt: skip


def driver_of(study: optuna.Study, engine: Any, feed: Feed, folder: Path, *, count: int = 1, **budget: Any) -> Driver:
    feasible = FeasiblePart(spaces.load("tiny", input=(3, 32, 32), classes=10), parse_all(["params < 7000"]))
    study.sampler = sampler = FeasibleSampler(feasible, seed=1)
    limits = {"trials": 30, "seconds": 1e6, "epochs": EPOCHS, "target": TARGET_ACCURACY, "stop_at_target": True}
    return Driver(
        study=study,
        sampler=sampler,
        engine=engine,
        feed=replace(feed, split=None),
        budget=Budget(**{**limits, **budget}),
        folder=folder,
        goal=Goal(count=count, feed=feed, recipe=lambda epochs, params: None) if count else None,
    )
