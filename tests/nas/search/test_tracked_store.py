from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.search.driver import Driver
from nas.search.study import CURVE
from nas.training.feed import Feed
from tests.nas.search.test_driver import driver_of

Curves = dict[int, list[tuple[int, float]]]
"""Trial -> (epoch, loss), as often and in the order as they were logged."""


def tensorboard_curves(folder: Path) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves: Curves = {}
    for place in (folder / "events").glob("*/trial-*"):
        events = EventAccumulator(str(place), size_guidance={"scalars": 0})
        events.Reload()
        curves[int(place.name[6:])] = [(event.step, event.value) for event in events.Scalars("loss")]
    return curves


def mlflow_curves(folder: Path) -> Curves:
    from mlflow import MlflowClient  # which takes seconds that no other worker need spend

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    histories = {run.data.tags["nas.trial"]: client.get_metric_history(run.info.run_id, "loss") for run in runs}
    return {int(number): [(one.step, one.value) for one in history] for number, history in histories.items()}


@pytest.mark.parametrize(
    ("text", "read"), [("tensorboard:{}/events", tensorboard_curves), ("mlflow:sqlite:///{}/mlflow.db", mlflow_curves)]
)
def test_a_search_that_is_interrupted_again_and_again_logs_every_epoch_once(
    text: str, read: Callable[[Path], Curves], engine: Any, feed: Feed, tmp_path: Path
) -> None:
    study = optuna.create_study(direction="maximize")
    ticks = 0

    def interrupt(driver: Driver) -> None:
        nonlocal ticks
        ticks += 1
        if ticks % 2 == 0:
            raise KeyboardInterrupt

    for _ in range(10):
        driver = driver_of(study, engine, feed, tmp_path / "runs", epochs=4, log=[text.format(tmp_path)])
        driver.observe = interrupt
        try:
            driver.run()
            break
        except KeyboardInterrupt:
            assert [note for note in driver.notes if not note.startswith("epochs are logged to ")] == []
    assert ticks > 2
    expected = {t.number: [(e["epoch"], e["loss"]) for e in t.user_attrs[CURVE]] for t in study.trials}
    assert {t.state for t in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    logged = read(tmp_path)
    assert {n: [step for step, _ in curve] for n, curve in logged.items()} == {
        n: [step for step, _ in curve] for n, curve in expected.items()
    }
    for number, curve in expected.items():
        assert [loss for _, loss in logged[number]] == pytest.approx([loss for _, loss in curve], rel=1e-6)


def test_a_tracker_that_fails_ends_no_search(engine: Any, feed: Feed, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    driver = driver_of(
        study, engine, feed, tmp_path / "runs", trials=1, epochs=1, log=[f"tensorboard:{tmp_path / 'events'}"]
    )
    (tmp_path / "events" / study.study_name).write_text("in the way of its folder")
    driver.run()
    assert [t.state for t in study.trials] == [TrialState.COMPLETE]
    _, note = driver.notes  # the first says where it is logged
    assert note.startswith("nothing more is logged to tensorboard: ")
