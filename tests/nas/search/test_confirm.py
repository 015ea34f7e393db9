from __future__ import annotations

import random
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import optuna
import pytest

from constraints.errors import UnusableInputError
from nas.search.confirm import Confirmation, confirm
from nas.search.study import CONFIRMED
from nas.space import space as spaces
from nas.training.feed import Feed


def text() -> str:
    space = spaces.load("tiny", input=(3, 32, 32), classes=10)
    return str(space.decode(space.random(random.Random(3))))


def test_mean_and_sample_deviation_are_those_of_arithmetic() -> None:
    figures = {"trial": 1, "architecture": "x", "epochs": 2, "seconds": 1.0}
    three = Confirmation(seeds=(0, 1, 2), accuracies=(0.8, 0.9, 0.85), **figures)  # type: ignore[arg-type]  # plain values
    assert three.mean == pytest.approx((0.8 + 0.9 + 0.85) / 3)
    assert three.std == pytest.approx(((0.05**2 + 0.05**2 + 0) / (3 - 1)) ** 0.5)
    one = Confirmation(seeds=(0,), accuracies=(0.8,), **figures)  # type: ignore[arg-type]  # plain values
    assert (one.mean, one.std) == (0.8, 0.0)


def test_each_seed_is_trained_and_the_study_remembers(engine: Any, whole_feed: Feed, tmp_path: Path) -> None:
    study = optuna.create_study()
    seen: list[tuple[int, int, int, int]] = []
    (result,) = confirm(
        study, [(4, text())], engine=engine, feed=whole_feed, seeds=(0, 1), epochs=1, folder=tmp_path,
        progress=lambda *values: seen.append(values),
    )  # fmt: skip
    assert (result.trial, result.seeds, result.epochs) == (4, (0, 1), 1)
    assert len(set(result.accuracies)) <= 2 == len(result.accuracies)
    assert study.user_attrs[f"{CONFIRMED}4"]["mean"] == result.mean
    assert (4, 0, 1, 1) in seen
    assert (4, 1, 1, 1) in seen
    assert engine.ended


class DyingEngine:
    """Loses its worker every time."""

    slots, ended = 1, False

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
            study, [(4, text())], engine=engine, feed=whole_feed, seeds=(7,), epochs=1, folder=tmp_path,
            progress=lambda *values: None,
        )  # fmt: skip
    assert engine.ended
    assert not study.user_attrs
