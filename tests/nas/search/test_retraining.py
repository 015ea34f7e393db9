from __future__ import annotations

import random
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import IntDistribution

from constraints.errors import UnusableInputError
from nas.search.confirmation import Confirmation
from nas.search.retraining import OWN_DRAWS, Trained, confirm
from nas.search.study import CONFIRMED
from nas.space import space as spaces
from nas.training import recipes
from nas.training.feed import Feed


def text() -> str:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    return str(space.decode(space.random(random.Random(3))))


def trained(network: str) -> Trained:
    return Trained(trial=4, network=network, key=network)


def test_each_seed_is_trained_and_the_study_remembers(engine: Any, whole_feed: Feed, tmp_path: Path) -> None:
    study = optuna.create_study()
    seen: list[tuple[int, int, int, int]] = []
    (result,) = confirm(
        study, [trained(text())], engine=engine, feed=whole_feed, seeds=(0, 1), epochs=1, folder=tmp_path,
        progress=lambda *values: seen.append(values),
    )  # fmt: skip
    assert (result.trial, result.seeds, result.epochs) == (4, (0, 1), 1)
    assert len(set(result.accuracies)) <= 2 == len(result.accuracies)
    assert study.user_attrs[f"{CONFIRMED}4"]["mean"] == result.mean
    assert (4, 0, 1, 1) in seen
    assert (4, 1, 1, 1) in seen
    assert engine.ended


def test_seeds_that_the_study_knows_are_not_trained_again(engine: Any, whole_feed: Feed, tmp_path: Path) -> None:
    study = optuna.create_study()
    tasks: list[Any] = []

    class Watched:
        slots = 1

        def threads(self, count: int) -> int:
            return 1

        def submit(self, function: Any, task: Any) -> Any:
            tasks.append(task)
            return engine.submit(function, task)

        def wait(self, futures: Any, seconds: float) -> None:
            engine.wait(futures, seconds)

        def shutdown(self) -> None:
            pass

    def confirmed(*seeds: int) -> Confirmation:
        (found,) = confirm(
            study, [trained(text())], engine=Watched(), feed=whole_feed, seeds=seeds, epochs=1, folder=tmp_path,
            progress=lambda *values: None,
        )  # fmt: skip
        return found

    first = confirmed(0)
    both = confirmed(0, 1)
    assert both.seeds == confirmed(0).seeds == (0, 1)
    assert both.accuracies[0] == first.accuracies[0]
    assert both.test_images == len(whole_feed.dataset.test_labels)
    assert len(tasks) == 2
    assert len({task.seed for task in tasks}) == len({task.feed.key for task in tasks}) == 2
    assert all(task.seed >= OWN_DRAWS and task.feed.key != whole_feed.key for task in tasks)


class DyingEngine:
    """Loses its worker every time."""

    slots, ended = 1, False

    def threads(self, count: int) -> int:
        return 1

    def submit(self, function: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def wait(self, futures: Collection[Future[Any]], seconds: float) -> None:
        assert all(future.done() for future in futures)

    def shutdown(self) -> None:
        self.ended = True


def test_a_network_that_kills_its_worker_thrice_is_given_up(whole_feed: Feed, tmp_path: Path) -> None:
    engine = DyingEngine()
    study = optuna.create_study()
    with pytest.raises(UnusableInputError, match="cannot confirm trial 4 with seed 7: its worker died 3 times"):
        confirm(
            study, [trained(text())], engine=engine, feed=whole_feed, seeds=(7,), epochs=1, folder=tmp_path,
            progress=lambda *values: None,
        )  # fmt: skip
    assert engine.ended
    assert not study.user_attrs


def test_a_trial_is_confirmed_by_its_own_values(engine: Any, whole_feed: Feed, tmp_path: Path) -> None:
    usual = replace(recipes.default(1), batch_size=64)
    study = optuna.create_study()
    for size in (16, 32):
        study.enqueue_trial({"recipe.batch_size": size})
        study.tell(study.ask({"recipe.batch_size": IntDistribution(8, 64)}), 0.5)
    confirm(
        study, [replace(trained(text()), trial=number) for number in (0, 1, 7)], engine=engine, feed=whole_feed,
        seeds=(0,), epochs=1, folder=tmp_path, progress=lambda *values: None, recipe=usual,
    )  # fmt: skip
    runs = [torch.load(path, weights_only=True)["run"] for path in sorted(tmp_path.glob("confirm-*/*/checkpoint.pt"))]
    assert [run["recipe"] for run in runs] == [repr(replace(usual, batch_size=size)) for size in (16, 32, 64)]
